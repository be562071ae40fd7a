"""Core distances, separations and joining rows, by their definitions."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_blobs
from sklearn.neighbors import NearestNeighbors

from streamclust.clustering.hdbscan import DensityLabels, core_distances, separations

MIN_SAMPLES = 6


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    groups = make_blobs([200, 150, 60], 3, cluster_std=0.7, random_state=0)[0]
    return np.concatenate([groups, np.random.default_rng(0).uniform(-12, 12, (60, 3))]) + 50


@pytest.fixture(scope="module")
def labels(points) -> np.ndarray:
    found = HDBSCAN(20, min_samples=MIN_SAMPLES, copy=True).fit(points).labels_
    assert found.max() == 2
    assert 5 < np.count_nonzero(found < 0) < 100
    return found


def reachability(rows, points, own_cores, cores):
    return np.maximum(np.maximum(cdist(rows, points), own_cores[:, None]), cores)


def test_core_distances(points):
    expected = NearestNeighbors(n_neighbors=MIN_SAMPLES).fit(points).kneighbors(points)[0]
    np.testing.assert_allclose(core_distances(points, MIN_SAMPLES), expected[:, -1])


def test_below_its_separation_a_cluster_is_all_that_it_is_connected_with(points, labels):
    cores = core_distances(points, MIN_SAMPLES)
    mutual = reachability(points, points, cores, cores)
    for j, separation in enumerate(separations(points, cores, labels, 3)):
        for factor, alone in ((0.999999, True), (1.000001, False)):
            parts = connected_components(mutual < factor * separation)[1]
            together = parts == np.bincount(parts[labels == j]).argmax()
            assert np.array_equal(together, labels == j) == alone


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_join_by_the_rule(points, labels, dtype):
    points = points.astype(dtype)
    cores = core_distances(points, MIN_SAMPLES)
    limits = separations(points, cores, labels, 3)
    rows = np.random.default_rng(1).uniform(points.min(0), points.max(0), (4000, 3)).astype(dtype)
    own = np.sort(cdist(rows, points), axis=1)[:, MIN_SAMPLES - 2]
    nearest = reachability(rows, points, np.zeros(len(rows)), cores).argmin(axis=1)
    mutual = reachability(rows, points, own, cores)[np.arange(len(rows)), nearest]
    joined = (labels[nearest] >= 0) & (mutual < limits[labels[nearest]])
    expected = np.where(joined, labels[nearest], -1)
    assert 0.02 < joined.mean() < 0.98
    found = DensityLabels(points, labels, cores, limits, MIN_SAMPLES)(rows)
    assert np.mean(found == expected) > (0.999 if dtype == np.float32 else 0.99999)


def test_landmarks_keep_their_labels(points, labels):
    cores = core_distances(points, MIN_SAMPLES)
    limits = separations(points, cores, labels, 3)
    found = DensityLabels(points, labels, cores, limits, MIN_SAMPLES)(points[::-1])
    np.testing.assert_array_equal(found, labels[::-1])


def test_noise_alone(points):
    noise = np.full(len(points), -1)
    cores = core_distances(points, MIN_SAMPLES)
    limits = separations(points, cores, noise, 0)
    assert limits.shape == (0,)
    found = DensityLabels(points, noise, cores, limits, MIN_SAMPLES)(points + 0.1)
    assert (found == -1).all()
