"""Rows placed among landmarks, against umap-learn's own weights and by hand."""

import numpy as np
import pytest

from streamclust.layouts.umap import N_NEIGHBORS, LandmarkMap, membership_weights, supported_mean

CURVE = {"a": 1.577, "b": 0.895}


@pytest.fixture(scope="module")
def landmarks() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((300, 5)).astype(np.float32) + 40


@pytest.fixture(scope="module")
def placing(landmarks) -> LandmarkMap:
    """Of landmarks whose positions are their first two columns."""
    return LandmarkMap(landmarks, landmarks[:, :2].copy(), **CURVE)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ImportWarning")  # of TensorFlow, which umap looks for
def test_weights_are_those_of_umap():
    from umap.umap_ import smooth_knn_dist

    rng = np.random.default_rng(1)
    distances = np.sort(rng.lognormal(1, 1, (200, 15)).astype(np.float32), axis=1)
    distances[:20, 0] = 0  # identical to a landmark
    # umap-learn passes the first column over: it holds the row itself.
    with_self = np.hstack([np.zeros((200, 1), np.float32), distances])
    sigma, rho = smooth_knn_dist(with_self, 15.0)
    expected = np.exp(-np.maximum(distances - rho[:, None], 0) / sigma[:, None])
    np.testing.assert_allclose(membership_weights(distances), expected, atol=1e-4)
    np.testing.assert_allclose(expected[20:].sum(axis=1), np.log2(15), rtol=1e-3)


@pytest.mark.parametrize("distances", [np.zeros((1, 15)), np.full((1, 15), 3.0), np.ones((1, 1))])
def test_neighbors_as_near_have_equal_weights(distances):
    np.testing.assert_array_equal(membership_weights(distances), np.ones(distances.shape))


def test_without_similarity_the_mean_is_plain():
    rng = np.random.default_rng(2)
    among, weights = rng.standard_normal((9, 4, 3)), rng.random((9, 4))
    expected = [np.average(own, axis=0, weights=w) for own, w in zip(among, weights, strict=True)]
    np.testing.assert_allclose(supported_mean(among, weights, 0.0, 1.0), expected)


def test_a_row_between_two_islands_is_put_on_the_one_that_has_more_of_its_weight():
    among = np.array([[[0.0, 0.0], [0.2, 0.0], [100.0, 0.0]]])
    placed = supported_mean(among, np.array([[0.6, 0.6, 1.0]]), **CURVE)
    np.testing.assert_allclose(placed, [[0.1, 0]], atol=0.05)


def test_rows_identical_to_a_landmark_have_its_position(placing, landmarks):
    np.testing.assert_array_equal(placing(landmarks[::-1]), landmarks[::-1, :2])


def test_a_row_is_placed_among_the_nearest_by_brute_force(placing, landmarks):
    rows = np.random.default_rng(3).standard_normal((50, 5)).astype(np.float32) + 40
    apart = np.linalg.norm(rows[:, None].astype(float) - landmarks, axis=2)
    nearest = np.argsort(apart, axis=1)[:, :N_NEIGHBORS]
    weights = membership_weights(np.take_along_axis(apart, nearest, axis=1))
    expected = supported_mean(landmarks[nearest, :2], weights, **CURVE)
    np.testing.assert_allclose(placing(rows), expected, atol=1e-4)


def test_a_position_does_not_depend_on_the_other_rows(placing):
    rows = np.random.default_rng(4).standard_normal((5000, 5)).astype(np.float32) + 40
    parts = [placing(rows[start : start + 777]) for start in range(0, 5000, 777)]
    np.testing.assert_array_equal(np.concatenate(parts), placing(rows))
    assert placing(rows[:0]).shape == (0, 2)


def test_landmarks_that_are_as_far_are_taken_in_their_order():
    rng = np.random.default_rng(5)
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T.astype(np.float32)
    placing = LandmarkMap(corners, rng.standard_normal((8, 2)).astype(np.float32), **CURVE)
    rows = rng.integers(-2, 3, (3000, 3)) / np.float32(2)
    parts = [placing(rows[start : start + 101]) for start in range(0, 3000, 101)]
    np.testing.assert_array_equal(np.concatenate(parts), placing(rows))


def test_fewer_landmarks_than_neighbors():
    landmarks = np.array([[0.0], [4.0]])
    placed = LandmarkMap(landmarks, np.array([[0, 0], [1, 1]], np.float32), **CURVE)(landmarks)
    np.testing.assert_array_equal(placed, [[0, 0], [1, 1]])
