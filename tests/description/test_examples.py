"""Which rows of a sample are shown."""

import numpy as np

from streamclust.description.examples import farthest_first, typical, varied


def test_farthest_first_covers_and_stops_at_duplicates():
    values = np.array([[0.0], [0.1], [10], [10], [4]])
    assert farthest_first(values, 3).tolist() == [0, 2, 4]
    assert farthest_first(values, 5, least=0.5).tolist() == [0, 2, 4]
    assert farthest_first(values[:0], 3).tolist() == []


def test_typical_rows_are_near_and_differ():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2000, 4))
    values[1000:] = values[:1000]  # every row twice
    distances = np.linalg.norm(values, axis=1)
    rows = typical(values, distances, 6)
    assert len(set((rows % 1000).tolist())) == 6
    assert distances[rows].max() <= np.quantile(distances, 0.06)
    assert rows[0] == distances.argmin()


def test_varied_rows_spread_without_the_farthest():
    values = np.concatenate([np.linspace(-1, 1, 101), [50.0]])[:, None]
    rows = varied(values, np.abs(values[:, 0]), 5)
    chosen = np.sort(values[rows, 0])
    assert np.diff(chosen).min() > 0.3
    assert np.abs(chosen).max() <= 1


def test_a_tiny_cluster_shows_what_it_has():
    one = np.zeros((1, 3))
    assert typical(one, np.zeros(1), 4).tolist() == varied(one, np.zeros(1), 4).tolist() == [0]
