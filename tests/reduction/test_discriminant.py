"""Discriminant axes against scikit-learn's, and where those are not defined."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from streamclust.reduction.discriminant import discriminant_axes

Sums = tuple[np.ndarray, np.ndarray, np.ndarray]


def blobs(n_clusters: int, n_columns: int = 6) -> tuple[np.ndarray, np.ndarray]:
    values, labels = make_blobs(3000, n_columns, centers=n_clusters, random_state=4)
    return values * 10.0 ** np.linspace(2, -2, n_columns) + 50, labels


def sums(values: np.ndarray, labels: np.ndarray, n_clusters: int) -> Sums:
    sizes = np.bincount(labels, minlength=n_clusters)
    means = np.full((n_clusters, values.shape[1]), np.nan)
    for j in np.unique(labels):
        means[j] = values[labels == j].mean(axis=0)
    centred = values - values.mean(axis=0)
    return sizes, means, centred.T @ centred


def within_covariance(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    centred = values.copy()
    for j in np.unique(labels):
        centred[labels == j] -= values[labels == j].mean(axis=0)
    return centred.T @ centred / len(values)


@pytest.mark.parametrize("n_clusters", [3, 5, 12])
def test_equal_to_scikit_learns_up_to_sign(n_clusters: int) -> None:
    values, labels = blobs(n_clusters)
    ours = discriminant_axes(*sums(values, labels, n_clusters))
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(values, labels).scalings_[:, :2]
    theirs *= np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9 * np.abs(theirs).max())


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 7])
def test_clusters_have_unit_uncorrelated_spread(n_clusters: int) -> None:
    values, labels = blobs(n_clusters)
    axes = discriminant_axes(*sums(values, labels, n_clusters), n_axes=4)
    spread = axes.T @ within_covariance(values, labels) @ axes
    np.testing.assert_allclose(spread, np.eye(4), atol=1e-8)


def test_two_clusters_get_a_second_axis_that_does_not_separate_them() -> None:
    values, labels = blobs(2)
    axes = discriminant_axes(*sums(values, labels, 2))
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(values, labels).scalings_[:, 0]
    cosine = theirs @ axes[:, 0] / np.linalg.norm(theirs) / np.linalg.norm(axes[:, 0])
    assert abs(cosine) == pytest.approx(1)
    first, second = (values[labels == j].mean(axis=0) @ axes for j in (0, 1))
    assert abs(first - second)[0] > 100 * abs(first - second)[1]


def test_empty_clusters_do_not_matter() -> None:
    values, labels = blobs(4)
    with_gaps = discriminant_axes(*sums(values, 2 * labels, 9))
    np.testing.assert_array_equal(with_gaps, discriminant_axes(*sums(values, labels, 4)))


def test_columns_without_variance_are_left_out() -> None:
    values, labels = blobs(4)
    padded = np.insert(values, [0, 3], 7.1, axis=1)
    axes = discriminant_axes(*sums(padded, labels, 4))
    expected = discriminant_axes(*sums(values, labels, 4))
    assert np.all(axes[[0, 4]] == 0)
    np.testing.assert_allclose(np.delete(axes, [0, 4], axis=0), expected, rtol=1e-6)


def test_a_repeated_column_does_no_harm() -> None:
    values, labels = blobs(4)
    twice = np.hstack([values, values[:, :1]])
    axes = discriminant_axes(*sums(twice, labels, 4))
    expected = values @ discriminant_axes(*sums(values, labels, 4))
    ours = twice @ axes
    ours, expected = ours - ours.mean(axis=0), expected - expected.mean(axis=0)
    expected *= np.sign((ours * expected).sum(axis=0))
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_clusters_without_spread_are_told_apart() -> None:
    corners = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    labels = np.repeat([0, 1, 2], 10)
    projected = corners @ discriminant_axes(*sums(corners[labels], labels, 3))
    apart = np.linalg.norm(projected[:, None] - projected, axis=2)
    assert np.isfinite(projected).all()
    assert apart[~np.eye(3, dtype=bool)].min() > 1


def test_axes_that_rows_do_not_have_are_zero() -> None:
    values, labels = blobs(3, n_columns=1)
    axes = discriminant_axes(*sums(values, labels, 3))
    assert axes.shape == (1, 2)
    assert axes[0, 0] > 0
    assert axes[0, 1] == 0


def test_signs_do_not_depend_on_the_order_of_clusters() -> None:
    values, labels = blobs(5)
    sizes, means, scatter = sums(values, labels, 5)
    turned = discriminant_axes(sizes[::-1], means[::-1], scatter)
    np.testing.assert_allclose(turned, discriminant_axes(sizes, means, scatter), rtol=1e-6)
