"""The gap to data without structure."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from streamclust.models.structureless import Gap, is_gap, structureless

RANDOM = np.random.default_rng(0)


def test_a_reference_has_the_rows_mean_and_covariance():
    rows = RANDOM.standard_normal((20_000, 3)) @ RANDOM.standard_normal((3, 3)) + 50
    drawn = structureless(rows, np.random.default_rng(1), np.random.Generator.standard_normal)
    np.testing.assert_allclose(drawn.mean(axis=0), rows.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(rows.T), atol=0.15)


def test_the_gap_is_that_of_two_references_drawn_here():
    rows = make_blobs(8000, 2, centers=4, cluster_std=0.5, random_state=0)[0]
    fitted = KMeans(4, n_init=5, random_state=0).fit(rows[:4000])
    variances, axes = np.linalg.eigh(np.cov(rows.T))
    gaps = []
    for drawn in (RANDOM.standard_normal((8000, 2)), RANDOM.uniform(-1, 1, (8000, 2)) * 3**0.5):
        reference = drawn * np.sqrt(variances) @ axes.T
        peer = KMeans(4, n_init=5, random_state=0).fit(reference[:4000])
        gaps.append(np.log(peer.score(reference[4000:]) / fitted.score(rows[4000:])))
    gap, error = Gap(rows, 0)(4)
    assert gap == pytest.approx(min(gaps), abs=4 * error)
    assert Gap(rows, 0)(4) == (gap, error)
    assert is_gap(gap, error)


@pytest.mark.parametrize("n_rows", [400, 4000])
@pytest.mark.parametrize("kind", ["gaussian", "cube"])
def test_no_gap_without_structure(n_rows, kind):
    rows = RANDOM.random((n_rows, 8)) if kind == "cube" else RANDOM.standard_normal((n_rows, 8))
    rows *= 0.7 ** np.arange(8)
    assert not any(is_gap(*Gap(rows, 0)(k)) for k in (2, 7, 20))
