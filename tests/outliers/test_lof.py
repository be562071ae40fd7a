"""The local outlier factor against scikit-learn's, on the same neighbours."""

import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor as Theirs

from streamclust.outliers.measures.neighbors import (
    LocalOutlierFactor,
    NeighborDistances,
    ReachabilityDensity,
)

K = 10
ROWS = np.random.default_rng(0).standard_normal((400, 5)) ** 3


def factors(distances, indices):
    kth, _ = NeighborDistances()(distances, indices)
    (density,) = ReachabilityDensity(kth)(distances, indices)
    return LocalOutlierFactor(density)(distances, indices, density)[0]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(ROWS, id="all different"),
        pytest.param(np.repeat(ROWS, 3, axis=0), id="in threes"),
        pytest.param(
            np.concatenate([ROWS, np.repeat(ROWS[:1], 3 * K, axis=0)]),
            marks=pytest.mark.filterwarnings("ignore:Duplicate values"),
            id="more copies than neighbours",
        ),
    ],
)
def test_factors_are_scikit_learns(rows):
    theirs = Theirs(n_neighbors=K).fit(rows)
    ours = factors(*theirs.kneighbors())
    np.testing.assert_allclose(ours, -theirs.negative_outlier_factor_, rtol=1e-6)


def test_distances_to_neighbours():
    distances, indices = Theirs(n_neighbors=K).fit(ROWS).kneighbors()
    kth, mean = NeighborDistances()(distances, indices)
    np.testing.assert_allclose(kth, distances[:, -1], rtol=1e-6)
    np.testing.assert_allclose(mean, distances.mean(axis=1), rtol=1e-6)
    assert kth.dtype == mean.dtype == np.float32


def factor_of(row, distances, indices):
    """The definition, one row at a time and without arrays."""

    def neighbors(row):
        pairs = zip(distances[row], indices[row], strict=True)
        return [(distance, other) for distance, other in pairs if other >= 0]

    def density(row):
        reach = [max(d, max(e for e, _ in neighbors(other))) for d, other in neighbors(row)]
        return 1 / (sum(reach) / len(reach) + 1e-10)

    densities = [density(other) for _, other in neighbors(row)]
    return sum(densities) / len(densities) / density(row)


def test_missing_neighbours_are_left_out():
    distances, indices = Theirs(n_neighbors=K).fit(ROWS).kneighbors()
    distances, indices = distances.copy(), indices.copy()
    missing = np.random.default_rng(1).integers(0, K, len(ROWS))
    for row, count in enumerate(missing):
        distances[row, K - count :], indices[row, K - count :] = np.inf, -1
    kth, mean = NeighborDistances()(distances, indices)
    last = distances[np.arange(len(ROWS)), K - 1 - missing]
    np.testing.assert_allclose(kth, last, rtol=1e-6)
    known = [d[: K - count].mean() for d, count in zip(distances, missing, strict=True)]
    np.testing.assert_allclose(mean, known, rtol=1e-6)
    expected = [factor_of(row, distances, indices) for row in range(len(ROWS))]
    np.testing.assert_allclose(factors(distances, indices), expected, rtol=1e-6)


def test_a_row_without_neighbours_has_no_factor():
    distances, indices = np.array([[1.0], [1.0], [np.inf]]), np.array([[1], [0], [-1]])
    np.testing.assert_array_equal(NeighborDistances()(distances, indices)[0], [1, 1, np.nan])
    np.testing.assert_array_equal(factors(distances, indices), [1, 1, np.nan])
