"""The indices against scikit-learn and brute force."""

import numpy as np
import pytest
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

from streamclust.metrics.internal_indices import calinski_harabasz, davies_bouldin, explained_share
from streamclust.passes.accumulators.clusters import ClusterSpread, ClusterSums
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes


def indices(values, labels, shift=None):
    """Sums in two streaming passes, for the columns of `labels` at once."""
    n_clusters = (labels.max(0) + 1).tolist()
    shift = values.mean(0) if shift is None else shift
    rows = Rows(values, extras=(labels,), rows_a_block=500)
    sums = Passes().reduce("", rows, ClusterSums(n_clusters, shift)).result()
    spread = ClusterSpread([means for _, means in sums], shift)
    spreads = Passes().reduce("", rows, spread).result()
    return [(*a, *b) for a, b in zip(sums, spreads, strict=True)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1e4])
@pytest.mark.parametrize("scale", [1, 1e-4])
def test_equal_to_scikit_learn(blobs, dtype, offset, scale):
    rng = np.random.default_rng(0)
    values = (blobs[0].astype(np.float64) * scale + offset * scale).astype(dtype)
    labels = np.stack([blobs[1], rng.integers(0, 7, 3000), (blobs[1] == 0) * 1], axis=1)
    exact = values.astype(np.float64)
    exact -= exact.mean(axis=0)  # scikit-learn loses digits of the indices to the offset
    for c, (sizes, means, squares, distances, _) in enumerate(indices(values, labels)):
        own = labels[:, c]
        np.testing.assert_array_equal(sizes, np.bincount(own))
        assert calinski_harabasz(sizes, means, squares.sum()) == pytest.approx(
            calinski_harabasz_score(exact, own), rel=1e-6
        )
        assert davies_bouldin(sizes, means, distances) == pytest.approx(
            davies_bouldin_score(exact, own), rel=1e-6
        )
        brute = sum(((exact[own == j] - exact[own == j].mean(0)) ** 2).sum() for j in set(own))
        total = (exact**2).sum()
        assert squares.sum() == pytest.approx(brute, rel=1e-6)
        assert explained_share(sizes, means, squares.sum()) == pytest.approx(
            1 - brute / total, rel=1e-5
        )


@pytest.mark.parametrize("deviation", [1e-3, 1e-5, 1e-6, 1e-7, 0])
@pytest.mark.parametrize("offset", [0, 1000])
def test_tight_clusters_keep_their_digits(deviation, offset):
    rng = np.random.default_rng(0)
    # Eighths: the mean of equal rows is exact for scikit-learn too.
    centers = np.rint(rng.standard_normal((4, 32)) * 80) / 8 + offset
    groups = rng.integers(0, 4, 3000)
    values = centers[groups] + deviation * rng.standard_normal((3000, 32))
    shift = values.mean(0)
    sizes, means, squares, distances, silhouettes = indices(values, groups[:, None], shift)[0]
    assert (squares.sum() == 0) == (deviation == 0)
    assert calinski_harabasz(sizes, means, squares.sum()) == pytest.approx(
        calinski_harabasz_score(values, groups), rel=1e-6
    )
    # scikit-learn's Davies-Bouldin index itself has no digits left here.
    own = np.stack([values[groups == j].mean(0) for j in range(4)])[groups]
    apart = np.sqrt(((values - own) ** 2).sum(1))
    np.testing.assert_allclose(distances, np.bincount(groups, apart), rtol=1e-6)
    assert silhouettes / 3000 == pytest.approx(1, abs=1e-2)


def test_constant_rows_have_no_silhouette():
    values, labels = np.full((50, 3), 0.1), np.zeros((50, 2), int)
    labels[:25, 1] = 1
    spread = ClusterSpread([np.array([[0.1] * 3, [np.nan] * 3]), np.full((2, 3), 0.1)], values[0])
    spread.update(values, labels)
    for squares, _, silhouette in spread.result():
        assert not squares.any()
        assert silhouette == 0


def test_simplified_silhouette_is_that_of_brute_force(blobs):
    values, groups = blobs[0].astype(np.float64), blobs[1]
    means = np.stack([values[groups == j].mean(0) for j in range(5)])
    apart = np.sqrt(((values[:, None] - means[None]) ** 2).sum(2))
    own = apart[np.arange(3000), groups]
    apart[np.arange(3000), groups] = np.inf
    other = apart.min(1)
    expected = ((other - own) / np.maximum(own, other)).mean()
    (*_, silhouettes) = indices(values, groups[:, None])[0]
    assert silhouettes / 3000 == pytest.approx(expected, rel=1e-9)


def test_noise_and_empty_labels_are_left_out(blobs):
    values, groups = blobs[0].astype(np.float64), blobs[1].copy()
    groups[groups == 1] = 6  # 1 and 5 stay empty
    groups[::10] = -1
    kept = groups >= 0
    sizes, means, squares, distances, silhouettes = indices(values, groups[:, None])[0]
    assert sizes[[1, 5]].tolist() == [0, 0]
    assert np.isfinite(silhouettes)
    assert calinski_harabasz(sizes, means, squares.sum()) == pytest.approx(
        calinski_harabasz_score(values[kept], groups[kept]), rel=1e-9
    )
    assert davies_bouldin(sizes, means, distances) == pytest.approx(
        davies_bouldin_score(values[kept], groups[kept]), rel=1e-9
    )


def test_one_cluster_has_no_index(blobs):
    sizes, means, squares, distances, _ = indices(blobs[0], np.zeros((3000, 1), int))[0]
    assert np.isnan(calinski_harabasz(sizes, means, squares.sum()))
    assert np.isnan(davies_bouldin(sizes, means, distances))
    assert explained_share(sizes, means, squares.sum()) == pytest.approx(0, abs=1e-12)
