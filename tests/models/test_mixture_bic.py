"""BIC of mixtures that start from clusters."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from streamclust.models.mixture_bic import COLUMNS, MixtureBic
from streamclust.models.sample_kmeans import ignore_convergence

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _unfinished():
    with warnings.catch_warnings():
        ignore_convergence()
        yield


def bic(rows, k):
    model = KMeans(k, n_init=3, random_state=0).fit(rows)
    return MixtureBic(rows)((model.cluster_centers_, np.bincount(model.labels_)))


def test_it_is_scikit_learns_where_both_converge():
    means = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0]])
    rows = means[RANDOM.integers(3, size=3000)] + RANDOM.standard_normal((3000, 3))
    peer = GaussianMixture(3, n_init=2, tol=1e-6, random_state=0).fit(rows)
    assert bic(rows, 3) == pytest.approx(peer.bic(rows) / 3000, abs=2e-3)


def test_overlapping_groups_are_counted_where_k_means_sees_one_cloud():
    means = 1.5 * RANDOM.standard_normal((4, 6))
    scales = RANDOM.uniform(0.3, 2.5, (4, 6))
    group = RANDOM.integers(4, size=8000)
    rows = means[group] + scales[group] * RANDOM.standard_normal((8000, 6))
    assert min(range(2, 9), key=lambda k: bic(rows, k)) == 4


def test_more_columns_than_it_uses_and_an_empty_cluster():
    rows = RANDOM.standard_normal((300, COLUMNS + 4))
    means = np.full((3, COLUMNS + 4), np.nan)
    means[:2] = rows[:2]
    assert np.isfinite(MixtureBic(rows)((means, np.array([150, 150, 0]))))
