"""Borders of clusters against their flanks: counts, and what log-concave rows do."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from streamclust.choice.borders import BORDER, FAR, FLANK, Borders, is_separated


def clusters_of(rows, k):
    model = KMeans(k, n_init=2, random_state=0).fit(rows)
    return model.cluster_centers_, np.bincount(model.labels_, minlength=k)


def test_counts_are_those_of_a_plain_loop():
    rows = np.random.default_rng(0).standard_t(3, (2500, 5)) + 100
    means, sizes = clusters_of(rows, 6)
    nearest = cdist(rows, means).min(axis=1)
    labels = cdist(rows, means).argmin(axis=1)
    medians = [np.median(nearest[labels == j]) for j in range(6)]
    compact = nearest <= FAR * np.array(medians)[labels]
    assert compact.sum() < 2490
    middle, flanks = np.zeros((6, 6)), np.zeros((6, 6))
    for row, distances in zip(rows[compact], cdist(rows, means)[compact], strict=True):
        i, j = distances.argsort()[:2]
        others = (sizes[i] * means[i] - row) / (sizes[i] - 1)  # the mean without the row
        apart = ((means[i] - means[j]) ** 2).sum()
        place = (distances[j] ** 2 - ((row - others) ** 2).sum()) / (2 * apart)
        if abs(place) < BORDER:
            middle[i, j] += 1
        elif FLANK[0] <= abs(place) < FLANK[1]:
            flanks[i, j] += 1
    found, demanded, own = Borders(rows).counts(means, sizes)
    np.testing.assert_array_equal(own, np.bincount(labels[compact]))
    np.testing.assert_array_equal(found, (middle + middle.T).sum(axis=0))
    np.testing.assert_allclose(demanded, np.sqrt(flanks * flanks.T).sum(axis=0))


def test_separated_groups_count_and_their_halves_do_not():
    random = np.random.default_rng(1)
    means = np.repeat(8 * np.eye(3), 2, axis=0)  # three groups, each cut in two along a column
    rows = means[random.integers(6, size=6000)] + random.standard_normal((6000, 3))
    own = KMeans(3, n_init=2, random_state=0).fit(rows)
    sizes = np.bincount(own.labels_)
    assert Borders(rows)((own.cluster_centers_, sizes)) == 3
    halves = np.concatenate([own.cluster_centers_ + 0.8, own.cluster_centers_ - 0.8])
    assert Borders(rows)((halves, np.tile(sizes // 2, 2))) == 0


@pytest.mark.slow
@pytest.mark.parametrize("n_columns", [2, 100])
@pytest.mark.parametrize("k", [2, 30])
def test_log_concave_rows_have_no_separated_clusters(n_columns, k):
    random = np.random.default_rng(2)
    for rows in (
        random.standard_normal((4000, n_columns)) / np.arange(1, n_columns + 1),
        random.random((4000, n_columns)),
        random.exponential(size=(4000, n_columns)),
    ):
        assert Borders(rows)(clusters_of(rows, k)) == 0


def test_scattered_rows_at_the_borders_do_not_join_groups():
    random = np.random.default_rng(4)
    groups = 12 * np.eye(60)[:4]
    rows = groups[random.integers(4, size=3000)] + random.standard_normal((3000, 60))
    rows[:150] = random.uniform(-12, 12, (150, 60))
    means, sizes = clusters_of(rows, 4)
    assert Borders(rows)((means, sizes)) == 4


def test_few_rows_tell_nothing():
    few = np.array([19, 19])
    assert not is_separated(np.array([0, 0]), np.array([0.0, 3.9]), few).any()
    assert is_separated(np.array([0, 10]), np.array([6.0, 60.0]), few).all()
    assert is_separated(np.array([0, 2]), np.zeros(2), 10 * few).tolist() == [True, False]


def test_an_empty_cluster_and_one_alone():
    rows = np.random.default_rng(3).standard_normal((500, 2))
    rows[:250] += 10
    means = np.array([[10, 10], [0, 0], [np.nan, np.nan]])
    assert Borders(rows)((means, np.array([250, 250, 0]))) == 2
    assert Borders(rows)((means[:1], np.array([500]))) == 0
