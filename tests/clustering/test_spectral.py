"""Spectral clustering against scikit-learn's and dask-ml's, and on data that say little."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import SpectralClustering
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score

from streamclust.clustering.base import Clustering, load_algorithm
from streamclust.clustering.spectral import (
    affinities,
    bandwidth,
    spectral_embedding,
    squared_distances,
    unit_prefix,
)
from streamclust.passes.blocks import Rows
from streamclust.passes.executors import LocalExecutor
from streamclust.passes.passes import Passes
from streamclust.settings import Settings

ALGORITHM = load_algorithm("spectral")


def fitted(values, ks, threads=1, rows_a_block=700):
    rows = Rows(values, rows_a_block=rows_a_block)
    passes = Passes(LocalExecutor(threads))
    return ALGORITHM.fit(rows, ks, Settings(), passes, Path())


def labels_of(values, k):
    return ALGORITHM.labeller(fitted(values, [k]))(values)[:, 0]


def test_all_rows_as_landmarks_give_the_exact_eigenvectors():
    values = np.random.default_rng(0).standard_normal((120, 3))
    embedding = spectral_embedding(values, 120, 4)
    affinity = np.exp(-embedding.gamma * ((values[:, None] - values) ** 2).sum(2))
    scale = 1 / np.sqrt(affinity.sum(1))
    vectors = np.linalg.eigh(scale[:, None] * affinity * scale)[1][:, ::-1][:, :4]
    mine = unit_prefix(embedding(values), 4)
    exact = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    # Eigenvectors are known but for their signs.
    np.testing.assert_allclose(np.abs(mine @ mine.T), np.abs(exact @ exact.T), atol=1e-5)


def test_the_bandwidth_has_the_perplexity():
    values = np.random.default_rng(1).standard_normal((500, 5))
    squared = squared_distances(values, values[:100])
    shares = affinities(squared, bandwidth(squared, 12))
    shares /= shares.sum(1, keepdims=True)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1)
    assert np.exp(entropy.mean()) == pytest.approx(12, rel=1e-3)


def test_moons_are_told_apart_as_by_scikit_learn():
    values, truth = make_moons(1500, noise=0.05, random_state=0)
    found = labels_of(values, 2)
    gamma = fitted(values, [2])[0].attributes["gamma"]
    reference = SpectralClustering(2, gamma=gamma, random_state=0).fit(values)
    assert adjusted_rand_score(found, reference.labels_) > 0.98
    assert adjusted_rand_score(found, truth) > 0.98


@pytest.mark.filterwarnings("ignore:The `numpy.may_share_memory` function:FutureWarning")
def test_agrees_with_dask_ml_where_groups_are_plain():
    from dask_ml.cluster import SpectralClustering as DaskSpectralClustering

    values, truth = make_blobs(800, 5, centers=4, random_state=3)
    found = labels_of(values, 4)
    other = DaskSpectralClustering(
        4, n_components=100, gamma=0.05, assign_labels="sklearn-kmeans", random_state=0
    ).fit(values)
    assert adjusted_rand_score(found, np.asarray(other.labels_)) > 0.98
    assert adjusted_rand_score(found, truth) > 0.98


def test_threads_blocks_and_other_k_change_nothing():
    values = make_blobs(3000, 6, centers=5, random_state=0)[0]
    one = ALGORITHM.labeller(fitted(values, [5]))(values)[:, 0]
    two = ALGORITHM.labeller(fitted(values, [2, 5, 9], threads=2, rows_a_block=256))(values)
    np.testing.assert_array_equal(one, two[:, 1])
    assert (np.diff(np.bincount(one)) <= 0).all()


def test_a_stored_clustering_labels_alike():
    values = make_blobs(900, 4, centers=3, random_state=1)[0]
    made = fitted(values, [2, 3])
    both = ALGORITHM.labeller(made)(values)
    kept = Clustering(3, {n: a.copy() for n, a in made[1].arrays.items()}, made[1].attributes)
    np.testing.assert_array_equal(ALGORITHM.labeller([kept])(values)[:, 0], both[:, 1])


@pytest.mark.parametrize(
    "values",
    [
        np.ones((50, 3)),
        np.repeat([[0.0, 0.0], [1.0, 1.0]], 40, axis=0),
        np.vstack([np.random.default_rng(0).standard_normal((80, 2)), [[1e6, 1e6]]]),
        np.random.default_rng(0).standard_normal((90, 1)).astype(np.float32),
    ],
    ids=["identical", "two distinct", "a far one", "one column"],
)
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_data_that_say_little(values):
    labels = ALGORITHM.labeller(fitted(values, [2, 4]))(values)
    assert labels.shape == (len(values), 2)
    assert labels.min() >= 0
    assert (labels.max(0) < [2, 4]).all()
