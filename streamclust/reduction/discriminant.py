"""Fisher's linear discriminant axes, from the sums over clusters alone."""

import numpy as np

# Directions whose share of the (scaled) scatter, or of the spread of the means, is below this
# are rounding, not data.
NOTHING = 1e-9

# A column that varies by less than this part of its mean varies by rounding.
CONSTANT = 1e-12


def discriminant_axes(
    sizes: np.ndarray, means: np.ndarray, total_scatter: np.ndarray, n_axes: int = 2
) -> np.ndarray:
    """Axes along which the clusters lie farthest apart, as compared with their own spread.

    The axes maximise between-cluster against total scatter, which is the same as against the
    within-cluster scatter (total − between) but stays defined where that is singular: columns
    without variance are left out of the axes. Along every axis the pooled standard deviation
    within clusters is 1, and the axes are uncorrelated within clusters, as those of
    scikit-learn's ``LinearDiscriminantAnalysis(solver="eigen")``.

    k clusters have at most k − 1 such axes. The rest are the directions of largest
    within-cluster spread among those uncorrelated with the axes before, so that a plane to
    look at can be had of two clusters too.

    Parameters
    ----------
    sizes : ndarray of shape (n_clusters,)
        Rows of each cluster; empty ones are left out.
    means : ndarray of shape (n_clusters, n_columns)
        Cluster means; those of empty clusters are not looked at.
    total_scatter : ndarray of shape (n_columns, n_columns)
        Sum over the same rows of (x − mean)(x − mean)ᵀ.
    n_axes : int

    Returns
    -------
    ndarray of float64 of shape (n_columns, n_axes)
        Of each axis the entry that moves the rows most is positive. Axes that the rows do not
        have, for want of columns with variance, are zero.

    References
    ----------
    Fisher, R. A. (1936). The use of multiple measurements in taxonomic problems. Annals of
    Eugenics 7(2). Fukunaga, K. (1990). Introduction to Statistical Pattern Recognition, ch. 10.
    """
    sizes, means = sizes[sizes > 0].astype(np.float64), means[sizes > 0].astype(np.float64)
    n_rows = sizes.sum()
    center = sizes @ means / n_rows
    scale = _scale(total_scatter, center, n_rows)
    total = total_scatter * scale * scale[:, None]
    centred = (means - center) * scale
    roots = np.sqrt(sizes)[:, None] * centred
    axes = _separating(roots, total)[:, :n_axes]
    within = total - roots.T @ roots
    if axes.shape[1] < n_axes:
        axes = np.hstack([axes, _spreading(within, axes, n_axes - axes.shape[1])])
    axes = axes * _unit_factors(axes, within, total, n_rows)
    return np.pad(_with_signs(axes) * scale[:, None], ((0, 0), (0, n_axes - axes.shape[1])))


def _scale(total_scatter: np.ndarray, center: np.ndarray, n_rows: float) -> np.ndarray:
    """What makes every column's scatter 1; 0 for columns that do not vary."""
    deviation = np.sqrt(np.diag(total_scatter).astype(np.float64))
    varies = deviation > CONSTANT * np.sqrt(n_rows) * np.abs(center)
    return np.divide(1, deviation, out=np.zeros_like(deviation), where=varies)


def _separating(roots: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Axes that separate the means, best first; ``roots.T @ roots`` is the between scatter."""
    values, vectors = np.linalg.eigh(total)
    real = values > NOTHING * values[-1]
    whitening = vectors[:, real] / np.sqrt(values[real])
    _, spread, rows = np.linalg.svd(roots @ whitening, full_matrices=False)
    return whitening @ rows[spread**2 > NOTHING].T


def _spreading(within: np.ndarray, axes: np.ndarray, n_axes: int) -> np.ndarray:
    """Leading principal axes of `within` among the directions uncorrelated with `axes`."""
    basis = np.linalg.qr(within @ axes).Q
    allowed = np.eye(len(within)) - basis @ basis.T
    values, vectors = np.linalg.eigh(allowed @ within @ allowed)
    leading = slice(None, -n_axes - 1, -1)
    return vectors[:, leading][:, values[leading] > NOTHING]


def _unit_factors(
    axes: np.ndarray, within: np.ndarray, total: np.ndarray, n_rows: float
) -> np.ndarray:
    """Factors that make the variance within clusters 1."""
    spread = np.einsum("ij,ik,kj->j", axes, within, axes)
    # Clusters without any spread along an axis would be infinitely far apart.
    floor = NOTHING * np.einsum("ij,ik,kj->j", axes, total, axes)
    return np.sqrt(n_rows / np.maximum(spread, floor))


def _with_signs(axes: np.ndarray) -> np.ndarray:
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    return axes * np.where(largest < 0, -1, 1)
