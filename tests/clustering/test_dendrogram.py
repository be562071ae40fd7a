"""Ward's tree against scipy's, of equal points and of weighted ones; its cuts."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, is_valid_linkage, linkage
from sklearn.metrics import adjusted_rand_score

from streamclust.clustering.ward import cut, ward_merges


@pytest.mark.parametrize("shape", [(2, 1), (300, 1), (400, 6)])
def test_with_equal_weights_it_is_scipys(shape):
    points = np.random.default_rng(0).standard_normal(shape)
    merges = ward_merges(points, np.ones(len(points)))
    np.testing.assert_allclose(merges, linkage(points, "ward"), rtol=1e-9)
    assert is_valid_linkage(merges)


def test_a_weight_is_so_many_points():
    rng = np.random.default_rng(1)
    points, weights = rng.standard_normal((60, 4)), rng.integers(1, 9, 60)
    merges = ward_merges(points, weights)
    owners = np.repeat(np.arange(60), weights)
    repeated = linkage(points[owners], "ward")
    np.testing.assert_allclose(merges[:, 2], repeated[-59:, 2], rtol=1e-9)
    for k in (2, 5, 17):
        expected = fcluster(repeated, k, "maxclust")
        assert adjusted_rand_score(cut(merges, k)[owners], expected) == 1


def test_a_height_is_what_the_sum_of_squares_grows_by():
    points, weights = np.array([[0.0], [3.0]]), np.array([2.0, 4.0])
    mean = 2.0
    growth = weights @ (points[:, 0] - mean) ** 2
    assert ward_merges(points, weights)[0, 2] == pytest.approx(np.sqrt(2 * growth))


@pytest.mark.parametrize("k", [1, 2, 3, 40, 119, 120, 500])
def test_a_cut_leaves_so_many_clusters(k):
    points = np.random.default_rng(2).standard_normal((120, 3))
    merges = ward_merges(points, np.ones(120))
    labels = cut(merges, k)
    assert len(set(labels)) == min(k, 120)
    if k < 120:
        assert adjusted_rand_score(labels, fcluster(merges, k, "maxclust")) == 1


def test_points_that_tie_or_recur():
    grid = np.stack(np.meshgrid(range(9), range(9)), axis=-1).reshape(-1, 2).astype(float)
    points = np.concatenate([grid, grid, np.full((50, 2), 4.0), [[1e9, 0.0]]])
    merges = ward_merges(points, np.ones(len(points)))
    assert is_valid_linkage(merges)
    assert (np.diff(merges[:, 2]) >= 0).all()
    assert np.count_nonzero(merges[:, 2]) == 81
    assert np.bincount(cut(merges, 2)).min() == 1


def test_a_single_point():
    merges = ward_merges(np.ones((1, 3)), np.ones(1))
    assert merges.shape == (0, 4)
    np.testing.assert_array_equal(cut(merges, 2), [0])
