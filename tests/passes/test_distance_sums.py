"""Sums of distances, and the silhouettes made of them, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples, silhouette_score

from streamclust.metrics.internal_indices import estimated_mean, silhouettes
from streamclust.passes.accumulators.clusters import DistanceSums
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes

SEEDS = 3000


def sampled(values, labels, taken):
    """Silhouettes of some rows against all, in a streaming pass."""
    rows = Rows(values, extras=(labels[:, None],), rows_a_block=700)
    sizes = np.bincount(labels[labels >= 0], minlength=labels.max() + 1)
    empty = DistanceSums(values[taken], [len(sizes)], values.mean(0))
    sums = Passes().reduce("", rows, empty).result()[0]
    return silhouettes(sums, sizes, labels[taken])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1000])
def test_equal_to_scikit_learn(blobs, dtype, offset):
    values = (blobs[0] + offset).astype(dtype)
    told = sampled(values, blobs[1], np.arange(len(values)))
    exact = values.astype(np.float64)
    np.testing.assert_allclose(told, silhouette_samples(exact, blobs[1]), atol=2e-6)
    estimate = estimated_mean(told, len(values))
    assert estimate.mean == pytest.approx(silhouette_score(exact, blobs[1]), rel=1e-6)
    assert estimate.low == estimate.mean == estimate.high


def test_lonely_and_noisy_rows():
    values = np.array([[0.0], [0.1], [5.0], [9.0], [2.0]])
    labels = np.array([0, 0, 1, 2, -1])
    told = sampled(values, labels, np.arange(5))
    np.testing.assert_allclose(told, silhouette_samples(values[:4], labels[:4]), atol=1e-6)


def test_equal_rows_have_no_silhouette():
    values = np.ones((6, 3))
    np.testing.assert_array_equal(sampled(values, np.arange(6) % 2, np.arange(6)), 0)


@pytest.mark.parametrize("n_sampled", [400, 1024])
def test_the_interval_covers_the_truth(n_sampled):
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((6, 8)) * 1.5
    groups = rng.choice(6, 2500, p=[0.4, 0.25, 0.15, 0.1, 0.07, 0.03])
    values = centers[groups] + rng.standard_normal((2500, 8))
    truth = silhouette_score(values, groups)
    told = sampled(values, groups, np.arange(2500))
    covered = 0
    for seed in range(SEEDS):
        drawn = np.random.default_rng(seed).choice(2500, n_sampled, replace=False)
        low, high = estimated_mean(told[drawn], 2500)[1:]
        covered += low <= truth <= high
        assert high - low < 0.06
    assert covered >= 0.95 * SEEDS


def test_nothing_to_estimate_from():
    assert np.isnan(estimated_mean(np.empty(0), 10).mean)
    assert estimated_mean(np.array([0.5]), 10)[1:] == (-1, 1)
