"""The number of groups that a merged mixture finds."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from streamclust.choice.mixture_group_count import (
    COLUMNS,
    MixtureGroups,
    SampleMixture,
    n_groups,
    products,
    simplest,
)

RANDOM = np.random.default_rng(0)


def groups(rows, k):
    return MixtureGroups(rows)(KMeans(k, n_init=1, random_state=0).fit(rows).cluster_centers_)


def some_mixture(k, n_columns):
    roots = RANDOM.standard_normal((k, n_columns, n_columns))
    covariances = roots @ roots.transpose(0, 2, 1) + np.eye(n_columns)
    return SampleMixture(
        RANDOM.dirichlet(np.ones(k)), RANDOM.standard_normal((k, n_columns)), covariances
    )


def test_densities_are_scipys():
    mixture = some_mixture(3, 4)
    rows = RANDOM.standard_normal((50, 4))
    parts = zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    expected = [np.log(w) + multivariate_normal(m, c).logpdf(rows) for w, m, c in parts]
    np.testing.assert_allclose(mixture.log_densities(products(rows)), np.transpose(expected))


def test_a_fit_without_need_to_merge_is_scikit_learns():
    means = np.array([[2.0, 0, 0], [-2, 0, 0]])
    group = RANDOM.integers(2, size=40_000)
    rows = means[group] + RANDOM.standard_normal((40_000, 3)) * [0.5, 1, 1.5]
    rows /= rows.std(axis=0)
    shares = np.full((20_000, 3), 0.01)
    shares[np.arange(20_000), group[:20_000]] = 0.98
    terms = products(rows)
    mixture = simplest(shares, terms[:20_000], terms[20_000:])
    peer = GaussianMixture(2, means_init=means, random_state=0).fit(rows[:20_000])
    assert len(mixture.means) == 3
    np.testing.assert_allclose(mixture.means[:2], peer.means_, atol=0.01)
    np.testing.assert_allclose(mixture.covariances[:2], peer.covariances_, atol=0.03)
    assert mixture.weights[2] < 0.005


def test_overlapping_groups_are_counted_where_k_means_sees_one_cloud():
    random = np.random.default_rng(1)
    means = 1.5 * random.standard_normal((6, 12))
    scales = random.uniform(0.5, 2.0, (6, 12))
    group = random.integers(6, size=8000)
    rows = means[group] + scales[group] * random.standard_normal((8000, 12))
    assert groups(rows, 12) == 6


@pytest.mark.parametrize("n_columns", [2, 16, 40])
def test_one_gaussian_is_one_group(n_columns):
    rows = RANDOM.standard_normal((1000, n_columns)) / np.arange(1, n_columns + 1)
    assert groups(rows, 20) == 1


def test_heavy_tails_are_no_groups():
    random = np.random.default_rng(0)
    tails = np.sqrt(5 / random.chisquare(5, (8000, 1)))  # Student's t, five degrees of freedom
    means = 6 * np.eye(5)[random.integers(5, size=8000)]
    # Without counting close components once, 11 or more.
    assert 5 <= groups(means + tails * random.standard_normal((8000, 5)), 20) <= 6


def test_scattered_rows_are_one_group_at_most():
    random = np.random.default_rng(0)
    rows = 6 * np.eye(5)[random.integers(5, size=8000)] + random.standard_normal((8000, 5))
    rows[::30] = random.uniform(-15, 20, (267, 5))
    assert 5 <= groups(rows, 20) <= 6


def test_components_closer_than_two_deviations_are_one_group():
    means = np.array([[0, 0], [1.9, 0], [3.8, 0], [6, 0], [0, 0]])
    covariances = np.repeat(np.eye(2)[None], 5, axis=0)
    assert n_groups(SampleMixture(np.full(5, 0.2), means, covariances)) == 2


def test_an_empty_cluster_more_columns_than_it_uses_and_constant_ones():
    rows = RANDOM.standard_normal((300, COLUMNS + 4))
    rows[:, 3] = 7
    means = np.full((3, COLUMNS + 4), np.nan)
    means[:2] = rows[:2]
    assert MixtureGroups(rows)(means) == 1
