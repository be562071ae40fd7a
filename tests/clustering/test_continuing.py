"""Clusters that go on learning, against scikit-learn and brute force."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import make_blobs

from streamclust.clustering.gaussian_mixture import REGULARISATION, continued_mixtures
from streamclust.clustering.kmeans import largest_move, moved_centers
from streamclust.passes.accumulators.clusters import LloydStep
from streamclust.passes.accumulators.covariance import Covariance, CovarianceSketch, Scatter
from streamclust.passes.accumulators.gaussians import Mixture, Units
from streamclust.passes.accumulators.moments import Moments
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes
from streamclust.reduction.components import variance_kept


@pytest.fixture(scope="module")
def rows():
    return make_blobs(700, 5, centers=4, cluster_std=2.0, random_state=1)[0]


def test_centres_move_as_those_of_scikit_learn(rows):
    model = MiniBatchKMeans(4, init=rows[:4], n_init=1, reassignment_ratio=0, random_state=0)
    model.partial_fit(rows[:500])
    centers, counts = model.cluster_centers_.copy(), model._counts.copy()
    step = LloydStep([centers])
    step.update(rows[500:])
    ((sizes, means, _),) = step.result()
    model.partial_fit(rows[500:])
    moved = moved_centers(centers, counts, sizes, means)
    np.testing.assert_allclose(moved, model.cluster_centers_, rtol=1e-12)


def test_centres_without_new_rows_stay():
    centers, nothing = np.ones((2, 3)), np.full((2, 3), np.nan)
    nothing[1] = 4
    moved = moved_centers(centers, np.array([5, 0]), np.array([0, 2]), nothing)
    np.testing.assert_array_equal(moved, [[1, 1, 1], [4, 4, 4]])


def test_the_largest_move_is_in_parts_of_the_way_to_the_next():
    before = np.array([[0.0, 0], [0, 4], [9, 0], [np.nan, np.nan]])
    after = before + np.array([[0, 1], [0, 0], [0, 2], [0, 0]])
    assert largest_move(before, after) == pytest.approx(0.25)
    assert np.isnan(largest_move(before[:1], after[:1]))


@pytest.mark.parametrize("full", [False, True])
def test_mixtures_take_a_step_of_incremental_em(rows, full):
    old, new = rows[:500], rows[500:]
    units = Units(rows.mean(axis=0), rows.std(axis=0))
    rng = np.random.default_rng(0)
    parts = [units.of(old[i::3]) + rng.normal(0, 0.1, (len(old[i::3]), 5)) for i in range(3)]
    covariances = np.array([np.cov(part.T) if full else part.var(axis=0) for part in parts])
    weights, means = np.array([0.5, 0.3, 0.2]), np.array([part.mean(axis=0) for part in parts])
    mixture = Mixture(weights, means, covariances)
    (found,) = continued_mixtures([mixture], units, [500], Rows(rows), Rows(new), Passes())

    def posteriors(of):
        whole = found.mixture if of is None else of
        full_of = [c if full else np.diag(c) for c in whole.covariances]
        own = [multivariate_normal(m, c) for m, c in zip(whole.means, full_of, strict=True)]
        return lambda x: np.stack([w * o.pdf(x) for w, o in zip(whole.weights, own, strict=True)])

    scaled = units.of(new)
    densities = posteriors(mixture)(scaled)
    shares = densities / densities.sum(axis=0)
    sizes = shares.sum(axis=1)
    identity = REGULARISATION * (np.eye(5) if full else 1)
    for j in range(3):
        # Old rows as their moments tell them, new ones one by one.
        count, second = 500 * weights[j], covariances[j] - identity
        second = second if full else np.diag(second)
        total = count + sizes[j]
        middle = (count * means[j] + shares[j] @ scaled) / total
        squares = count * (second + np.outer(means[j], means[j]))
        squares = squares + (scaled * shares[j][:, None]).T @ scaled
        expected = squares / total - np.outer(middle, middle)
        expected = expected + identity if full else np.diag(expected) + identity
        np.testing.assert_allclose(found.mixture.weights[j], total / 700, rtol=1e-9)
        np.testing.assert_allclose(found.mixture.means[j], middle, atol=1e-9)
        np.testing.assert_allclose(found.mixture.covariances[j], expected, atol=1e-8)
    likely = np.log(posteriors(None)(units.of(rows)).sum(axis=0)) - np.log(units.scale).sum()
    assert found.log_likelihood == pytest.approx(likely.mean(), rel=1e-8)


def test_variance_kept_are_those_of_the_rows(rows):
    scale = np.array([1.0, 2, 1, 0.5, 1])
    covariance, sketch, moments = Covariance(), CovarianceSketch(5), Moments()
    for seen in (covariance, sketch, moments):
        seen.update(rows)
    components = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 2))).Q.T
    scaled = (rows - rows.mean(axis=0)) / scale
    total = (scaled**2).sum()
    expected = ((scaled @ components.T) ** 2).sum() / total
    best = (np.linalg.svd(scaled, compute_uv=False)[:2] ** 2).sum() / total
    scatter = covariance.result()
    writable = Scatter(scatter.count, scatter.mean, scatter.scatter.copy())
    for seen in (sketch.result(), writable):
        found = variance_kept(seen, moments.result(), components, scale)
        np.testing.assert_allclose(found, (expected, best), rtol=1e-9)
