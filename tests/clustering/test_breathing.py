"""Breathing against all subsets of centres, and where a minimum is known to be poor."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from streamclust.clustering.breathing import breathed, most_useful


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("offset", [0, 1e7])
def test_the_centre_taken_away_costs_least(seed, offset):
    rng = np.random.default_rng(seed)
    rows, centers = rng.normal(size=(300, 3)), rng.normal(size=(8, 3))
    squares = cdist(rows, centers, "sqeuclidean")
    kept = list(range(8))
    while len(kept) > 5:
        left = itertools.combinations(kept, len(kept) - 1)
        kept = list(min(left, key=lambda own: squares[:, own].min(axis=1).sum()))
    found = most_useful(rows + offset, centers + offset, 5)
    assert np.flatnonzero(found).tolist() == kept


def test_weights_are_rows_that_recur():
    rng = np.random.default_rng(0)
    rows, centers = rng.normal(size=(300, 3)), rng.normal(size=(8, 3))
    weights = rng.integers(1, 5, 300)
    repeated = np.repeat(rows, weights, axis=0)
    np.testing.assert_array_equal(
        most_useful(rows, centers, 5, weights), most_useful(repeated, centers, 5)
    )
    blobs, _ = make_blobs(900, 2, centers=[[0, 0], [50, 0], [100, 0]], random_state=0)
    heavy = np.where(blobs[:, 0] > 75, 7, 1)
    poor = np.array([[0.0, -1], [0, 1], [75, 0]])
    found = breathed(blobs, poor, np.random.RandomState(0), heavy)
    expected = KMeans(3, n_init=10, random_state=0).fit(blobs, sample_weight=heavy)
    assert found.inertia_ == pytest.approx(expected.inertia_)


def test_it_leaves_a_minimum_that_lloyds_passes_stay_in():
    rows, _ = make_blobs(900, 2, centers=[[0, 0], [50, 0], [100, 0]], random_state=0)
    poor = np.array([[0.0, -1], [0, 1], [75, 0]])
    stuck = KMeans(3, init=poor, n_init=1).fit(rows)
    best = KMeans(3, n_init=10, random_state=0).fit(rows)
    assert stuck.inertia_ > 10 * best.inertia_
    found = breathed(rows, poor, np.random.RandomState(0))
    assert found.inertia_ == pytest.approx(best.inertia_)


@pytest.mark.parametrize("k", [1, 4, 5])
def test_as_many_centres_as_rows_or_as_rows_differ(k):
    rows = np.repeat(np.arange(5.0)[:, None], 1, axis=0)
    found = breathed(rows, rows[:k], np.random.RandomState(0))
    assert found.cluster_centers_.shape == (k, 1)
    assert found.inertia_ <= KMeans(k, init=rows[:k], n_init=1).fit(rows).inertia_ + 1e-12
