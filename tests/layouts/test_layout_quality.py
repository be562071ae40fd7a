"""The quality of layouts, against scikit-learn and by brute force."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from streamclust.layouts.lay_out_rows import PIECE_ROWS, layout_quality


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """More than are compared at once, far from the origin."""
    return np.random.default_rng(0).standard_normal((2 * PIECE_ROWS + 90, 6)) + 1000


@pytest.mark.parametrize("k", [1, 15, 40])
def test_equal_to_scikit_learn(rows, k):
    positions = rows[:, :2] + 0.1 * rows[:, 2:4] ** 2
    found = layout_quality(rows, positions, k)
    expected = trustworthiness(rows, positions, n_neighbors=k)
    assert found.trustworthiness == pytest.approx(expected, abs=1e-12)
    near, placed = (
        NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False)
        for x in (rows, positions)
    )
    kept = np.mean([len(set(a) & set(b)) / k for a, b in zip(near, placed, strict=True)])
    assert found.preservation == pytest.approx(kept)
    assert (found.n_neighbors, found.n_rows) == (k, len(rows))


def test_the_rows_themselves_keep_all(rows):
    found = layout_quality(rows.astype(np.float32), rows.astype(np.float32))
    assert found[:2] == (1, 1)


def test_of_positions_by_chance_nothing_is_kept(rows):
    by_chance = np.random.default_rng(1).random((len(rows), 2))
    found = layout_quality(rows, by_chance)
    assert found.preservation == pytest.approx(15 / len(rows), abs=0.01)
    assert found.trustworthiness == pytest.approx(0.5, abs=0.03)


def test_few_rows_have_few_neighbors(rows):
    assert layout_quality(rows[:9], rows[:9, :2]).n_neighbors == 4
    assert np.isnan(layout_quality(rows[:2], rows[:2, :2]).preservation)
