"""Distances to means and confidences, against other ways to them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs
from sklearn.mixture import GaussianMixture

from streamclust.clustering.base import Clustering, Confidence, load_algorithm
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes
from streamclust.settings import Settings


@pytest.fixture(scope="module")
def values():
    rows, _ = make_blobs(3000, 6, centers=4, cluster_std=4.0, random_state=1)
    return (rows + 100).astype(np.float32)


def test_the_ratio_of_the_two_nearest_means(values):
    means = values[:5].astype(np.float64)
    distances = cdist(values, means)
    labels = distances.argmin(axis=1).astype(np.int32)
    nearest = np.sort(distances, axis=1)
    labels[7] = -1
    distance, confidence = Confidence("kmeans", Clustering(5, {}), means)(values, labels)
    known = np.arange(len(values)) != 7
    np.testing.assert_allclose(distance[known], nearest[known, 0], rtol=1e-5)
    expected = 1 - nearest[:, 0] / nearest[:, 1]
    np.testing.assert_allclose(confidence[known], expected[known], atol=1e-5)
    assert np.isnan([distance[7], confidence[7]]).all()


def test_a_row_beyond_the_border_has_no_confidence(values):
    means = values[:2].astype(np.float64)
    others = cdist(values, means).argmax(axis=1).astype(np.int32)
    _, confidence = Confidence("ward", Clustering(2, {}), means)(values, others)
    np.testing.assert_array_equal(confidence, 0)


def test_empty_and_single_clusters(values):
    means = np.array([values.mean(axis=0), np.full(6, np.nan)], np.float64)
    zeros = np.zeros(len(values), np.int32)
    distance, confidence = Confidence("kmeans", Clustering(2, {}), means)(values, zeros)
    assert np.isfinite(distance).all()
    np.testing.assert_array_equal(confidence, 1)
    twice = Confidence("kmeans", Clustering(2, {}), means[[0, 0]])
    np.testing.assert_array_equal(twice(means[[0]], zeros[:1])[1], 0)


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_the_posterior_of_a_mixture_is_scikit_learns(values, covariance_type):
    algorithm = load_algorithm("gaussian-mixture")
    settings = Settings(covariance_type=covariance_type)
    (own,) = algorithm.fit(Rows(values), [4], settings, Passes(), Path())
    labels = algorithm.labeller([own])(values)[:, 0]
    means = np.stack([values[labels == j].mean(axis=0) for j in range(4)])
    _, confidence = Confidence("gaussian-mixture", own, means)(values, labels)
    theirs = GaussianMixture(4, covariance_type=covariance_type)
    theirs.weights_ = own.arrays["weights"]
    theirs.means_ = own.arrays["component_means"]
    theirs.covariances_ = covariances = own.arrays["covariances"]
    inverse = np.linalg.inv(covariances) if covariance_type == "full" else 1 / covariances
    theirs.precisions_cholesky_ = (
        np.linalg.cholesky(inverse) if covariance_type == "full" else np.sqrt(inverse)
    )
    expected = theirs.predict_proba(values.astype(np.float64))
    np.testing.assert_allclose(confidence, expected.max(axis=1), atol=1e-6)
    assert confidence.min() < 0.9
