"""Gaussian mixtures against scikit-learn's, on odd rows, and as they are stored."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from streamclust.clustering.base import Clustering, load_algorithm
from streamclust.clustering.gaussian_mixture import n_parameters
from streamclust.passes.accumulators.gaussians import Densities, EMStep, Mixture, Units
from streamclust.passes.blocks import Rows
from streamclust.passes.executors import LocalExecutor
from streamclust.passes.passes import Passes
from streamclust.settings import Settings

ALGORITHM = load_algorithm("gaussian-mixture")
TYPES = pytest.mark.parametrize("covariance_type", ["diag", "full"])


def fitted(values, ks, covariance_type="diag", workers=1, block=4096):
    rows = Rows(values, rows_a_block=block)
    settings = Settings(covariance_type=covariance_type)
    passes = Passes(LocalExecutor(workers))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ALGORITHM.fit(rows, ks, settings, passes, Path())


def labels_of(clusterings, values):
    return ALGORITHM.labeller(clusterings)(values)


def stretched(dtype=np.float32, n_rows=8000, seed=0):
    """Five Gaussian clouds, each turned and stretched in its own way, and columns of all scales."""
    rng = np.random.default_rng(seed)
    groups = rng.choice(5, n_rows, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    shapes = rng.standard_normal((5, 6, 6)) / 2
    values = np.einsum("ni,nij->nj", rng.standard_normal((n_rows, 6)), shapes[groups])
    values += 4 * rng.standard_normal((5, 6))[groups]
    return (values * 10.0 ** np.arange(-3, 3) + [1, 0, 0, 0, 0, 900]).astype(dtype)


@TYPES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_likely_as_scikit_learns_best(covariance_type, dtype):
    values = stretched(dtype)
    ks = (3, 5)
    ours = fitted(values, ks, covariance_type)
    scale = values.std(axis=0, dtype=np.float64)
    standard = (values - values.mean(axis=0, dtype=np.float64)) / scale
    for k, own, labels in zip(ks, ours, labels_of(ours, values).T, strict=True):
        theirs = GaussianMixture(k, covariance_type=covariance_type, n_init=3, random_state=0)
        theirs.fit(standard)
        expected = theirs.score(standard) - np.log(scale).sum()
        assert own.attributes["log_likelihood"] >= expected - 1e-3 * abs(expected)
        assert own.attributes["converged"]
        if k == 5:
            assert own.attributes["log_likelihood"] == pytest.approx(expected, rel=1e-3)
            assert adjusted_rand_score(theirs.predict(standard), labels) > 0.98
            bic = theirs.bic(standard) + 2 * len(values) * np.log(scale).sum()
            assert own.attributes["bic"] == pytest.approx(bic, rel=1e-3)


@TYPES
def test_densities_and_moments_are_those_of_the_definition(covariance_type):
    """Also where a component is so narrow that squares cancel in single precision."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 4)).astype(np.float32)
    values[:100] = values[0] + 1e-3 * values[:100]
    means = np.stack([values[:100].mean(axis=0), np.zeros(4)]).astype(np.float64)
    covariances = np.stack([np.cov(values[:100].T.astype(float), bias=True), np.eye(4) + 0.3])
    covariances[0] += 1e-7 * np.eye(4)
    weights = np.array([0.3, 0.7])
    if covariance_type == "diag":
        covariances = covariances * np.eye(4)
    expected = np.log(weights) + np.stack(
        [
            multivariate_normal(m, c).logpdf(values.astype(np.float64))
            for m, c in zip(means, covariances, strict=True)
        ],
        axis=1,
    )
    given = covariances if covariance_type == "full" else np.einsum("kii->ki", covariances)
    units = Units(np.full(4, 0.2), np.array([2.0, 1, 0.5, 3]))
    step = EMStep([units.mixture_in(Mixture(weights, means, given))], units)
    step.update(values)
    (told,) = step.result()
    likelihoods = np.logaddexp(*expected.T)
    posteriors = np.exp(expected - likelihoods[:, None])
    assert told.log_likelihood == pytest.approx(likelihoods.sum(), rel=1e-4)
    np.testing.assert_allclose(told.sizes, posteriors.sum(axis=0), rtol=1e-4)
    np.testing.assert_array_equal(told.counts, np.bincount(expected.argmax(axis=1)))
    found = units.mixture_out(Mixture(*told[:3]))
    for j, own in enumerate(posteriors.T):
        mean = np.average(values, axis=0, weights=own)
        covariance = np.cov(values.T.astype(np.float64), aweights=own, bias=True)
        np.testing.assert_allclose(found.means[j], mean, rtol=1e-4, atol=1e-6)
        if covariance_type == "diag":
            covariance = np.diag(covariance)
        atol = 1e-3 * np.abs(covariance).max()
        np.testing.assert_allclose(found.covariances[j], covariance, rtol=1e-3, atol=atol)


def test_bounded_densities_drop_no_component_that_has_a_part():
    values = stretched(np.float64, 3000)
    (fit,) = fitted(values, (5,), "full")
    units = Units(fit.arrays["origin"], fit.arrays["scale"])
    stored = Mixture(*(fit.arrays[n] for n in ("weights", "component_means", "covariances")))
    mixture = units.mixture_in(stored)
    found = Densities([mixture], units).components.log_densities(units.of(values), np.float64)
    turn = np.log(units.scale).sum()
    for j, own in enumerate(found):
        normal = multivariate_normal(mixture.means[j], mixture.covariances[j])
        expected = np.log(mixture.weights[j]) + normal.logpdf(units.of(values)) - turn
        seen = np.isfinite(own)
        np.testing.assert_allclose(own[seen], expected[seen], rtol=1e-9, atol=1e-9)
        assert (expected[~seen] < found.max(axis=0)[~seen] + np.log(1e-10) + 1e-6).all()
        assert not seen.all()


@TYPES
def test_parameters_are_counted_as_by_scikit_learn(covariance_type):
    values = np.random.default_rng(0).standard_normal((200, 3))
    theirs = GaussianMixture(4, covariance_type=covariance_type, random_state=0).fit(values)
    assert n_parameters(Mixture(theirs.weights_, theirs.means_, theirs.covariances_)) == (
        theirs._n_parameters()
    )


@TYPES
def test_threads_change_nothing_and_blocks_only_the_rounding(covariance_type):
    values = stretched(n_rows=4000)
    one, two = (fitted(values, (2, 5), covariance_type, w, 1024) for w in (1, 2))
    other = fitted(values, (2, 5), covariance_type, 1, 2048)
    alone = fitted(values, (5,), covariance_type, 1, 1024)
    for first, second in zip(one, two, strict=True):
        assert first.attributes == second.attributes
        for name, array in first.arrays.items():
            np.testing.assert_array_equal(array, second.arrays[name])
    np.testing.assert_array_equal(labels_of(one, values), labels_of(other, values))
    np.testing.assert_array_equal(labels_of(one, values)[:, 1:], labels_of(alone, values))


def test_every_executor_finds_the_same(executor):
    values = stretched(n_rows=3000)
    rows = Rows(values, rows_a_block=1024)
    settings = Settings(covariance_type="full")
    (ours,) = ALGORITHM.fit(rows, (3,), settings, Passes(executor), Path())
    (expected,) = fitted(values, (3,), "full", 1, 1024)
    assert ours.attributes == expected.attributes
    np.testing.assert_array_equal(ours.arrays["covariances"], expected.arrays["covariances"])


@pytest.mark.parametrize("most", [1, 2 * 5 * 6 * 6 * 8, 2**30])
def test_groups_of_mixtures_change_nothing(monkeypatch, most):
    values = stretched(n_rows=3000)
    expected = fitted(values, (2, 4, 5), "full")
    monkeypatch.setattr("streamclust.clustering.gaussian_mixture.GROUP_BYTES", most)
    ours = fitted(values, (2, 4, 5), "full")
    np.testing.assert_array_equal(labels_of(ours, values), labels_of(expected, values))


@TYPES
def test_what_is_stored_labels_as_what_was_fitted(covariance_type):
    values = stretched(n_rows=3000)
    ours = fitted(values, (2, 4), covariance_type)
    stored = [
        Clustering(c.n_clusters, {n: np.array(a.tolist()) for n, a in c.arrays.items()})
        for c in ours
    ]
    labels = labels_of(ours, values)
    np.testing.assert_array_equal(labels_of(stored, values), labels)
    np.testing.assert_array_equal(labels_of(stored[1:], values), labels[:, 1:])
    assert labels.dtype == np.int32
    for column in labels.T:
        sizes = np.bincount(column)
        assert (np.diff(sizes) <= 0).all()


def identical(rng):
    return np.full((500, 3), 2.5)


def two_distinct(rng):
    return np.repeat([[0.0, 1, 2], [5, 6, 7]], 250, axis=0)


def fewer_distinct_than_k(rng):
    return np.repeat(rng.standard_normal((4, 3)), 100, axis=0)


def one_huge_outlier(rng):
    values = rng.standard_normal((2000, 3))
    values[77] = 1e12
    return values


def one_column(rng):
    return make_blobs(900, 1, centers=[[0], [9], [20]], random_state=0)[0]


def a_constant_column(rng):
    return np.column_stack([rng.standard_normal(700), np.full(700, 3.0)])


def collinear_columns(rng):
    return rng.standard_normal((3000, 2)) @ rng.standard_normal((2, 40))


@TYPES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "make",
    [
        identical,
        two_distinct,
        fewer_distinct_than_k,
        one_huge_outlier,
        one_column,
        a_constant_column,
        collinear_columns,
    ],
)
def test_odd_rows(covariance_type, dtype, make):
    values = make(np.random.default_rng(0)).astype(dtype)
    ours = fitted(values, (1, 2, 3, 6), covariance_type)
    labels = labels_of(ours, values)
    for clustering, own in zip(ours, labels.T, strict=True):
        assert 0 <= own.min() <= own.max() < clustering.n_clusters
        assert all(np.isfinite(array).all() for array in clustering.arrays.values())
        assert all(np.isfinite(clustering.attributes[n]) for n in ("bic", "aic", "log_likelihood"))
    n_distinct = len(np.unique(values, axis=0))
    assert len(np.unique(labels[:, 1])) == min(2, n_distinct)


def test_scikit_learn_would_warn_where_ours_tells():
    """One exact pass is none to converge in: no pass before it to compare with."""
    values = stretched(n_rows=3000)
    rows = Rows(values)
    (ours,) = ALGORITHM.fit(rows, (4,), Settings(max_iter=1), Passes(), Path())
    assert not ours.attributes["converged"]
    with pytest.warns(ConvergenceWarning):
        GaussianMixture(4, max_iter=1, random_state=0).fit(values)
