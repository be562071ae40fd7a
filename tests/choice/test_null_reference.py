"""The gap to data without structure."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from streamclust.choice import gap_statistic as module
from streamclust.choice.gap_statistic import NullReference, gap, is_gap, structureless
from streamclust.passes import Passes


def gap_of(rows, k, seed=0):
    """The gap of a k-means of rows."""
    fitted = KMeans(k, n_init=5, random_state=0).fit(rows)
    reference = NullReference(np.atleast_2d(np.cov(rows.T)), len(rows), seed)([k], Passes())[0]
    return gap(reference, fitted.inertia_, len(rows))


def test_a_reference_has_the_covariance():
    random = np.random.default_rng(0)
    mixing = random.standard_normal((3, 3))
    covariance = mixing @ mixing.T
    drawn = structureless(covariance, (50_000, 3), random, np.random.Generator.standard_normal)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.05 * np.trace(covariance))


def test_the_gap_is_that_to_references_drawn_here():
    random = np.random.default_rng(0)
    rows = make_blobs(4000, 2, centers=4, cluster_std=0.5, random_state=0)[0]
    inertia = KMeans(4, n_init=5, random_state=0).fit(rows).inertia_
    variances, axes = np.linalg.eigh(np.cov(rows.T))
    gaps = []
    for drawn in (random.standard_normal((4000, 2)), random.uniform(-1, 1, (4000, 2)) * 3**0.5):
        peer = KMeans(4, n_init=5, random_state=0).fit(drawn * np.sqrt(variances) @ axes.T)
        gaps.append(np.log(peer.inertia_ / inertia))
    found, error = gap_of(rows, 4)
    assert found == pytest.approx(min(gaps), abs=5 * error)
    assert gap_of(rows, 4) == (found, error)
    assert is_gap(found, error)


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [400, 2000, 6000])
@pytest.mark.parametrize("kind", ["gaussian", "cube"])
def test_no_gap_without_structure(monkeypatch, n_rows, kind):
    # More rows than are drawn, without the many rows that it would take.
    monkeypatch.setattr(module, "MOST_ROWS", 4000)
    random = np.random.default_rng(1)
    rows = random.random((n_rows, 8)) if kind == "cube" else random.standard_normal((n_rows, 8))
    rows *= 0.7 ** np.arange(8)
    assert not any(is_gap(*gap_of(rows, k)) for k in (2, 7, 20))


def test_rows_that_do_not_vary_have_none():
    rows = np.repeat([[0.0, 0.0], [1.0, 1.0]], 20, axis=0)
    assert np.isnan(gap(NullReference(np.cov(rows.T), 40, 0)([2], Passes())[0], 0.0, 40)).all()
    assert np.isnan(gap(NullReference(np.zeros((2, 2)), 40, 0)([2], Passes())[0], 0.0, 40)).all()


def test_ks_between_the_knots_are_near_a_reference_of_their_own(monkeypatch):
    random = np.random.default_rng(0)
    rows = random.standard_normal((3000, 6)) * [3, 2, 2, 1, 1, 0.5]
    reference = NullReference(np.cov(rows.T), len(rows), 0)
    ks = [7, 13, 20, 28, 33]
    between = reference(ks, Passes())
    assert reference([20], Passes())[0] == between[2]
    monkeypatch.setattr(module, "_KNOTS", tuple(range(1, 40)))
    for (log, error), (own, own_error) in zip(between, reference(ks, Passes()), strict=True):
        assert log == pytest.approx(own, abs=0.01)
        assert error == pytest.approx(own_error, rel=0.1)
