"""The silhouette of a uniform sample of rows against all rows, with its interval."""

from typing import NamedTuple

import numpy as np

# Of a normal distribution, 95.4 % lies within so many standard errors.
STANDARD_ERRORS = 2.0


class Silhouette(NamedTuple):
    """The estimated mean silhouette of all rows, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def silhouettes(sums: np.ndarray, sizes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Silhouettes of sampled rows, each from its distances to all rows of every cluster.

    Parameters
    ----------
    sums : ndarray of shape (n_sampled, n_clusters)
        Sum of a row's distances to the rows of each cluster; of the own one the row itself is
        one, at distance 0.
    sizes : ndarray of shape (n_clusters,)
        Rows of each cluster.
    labels : ndarray of int of shape (n_sampled,)
        The own cluster of each row; noise (-1) has no silhouette.

    Returns
    -------
    ndarray of shape (n_told,)
        Of the rows that are not noise; 0 for those alone in their cluster.

    References
    ----------
    Rousseeuw, P. J. (1987). Silhouettes: a graphical aid to the interpretation and validation of
    cluster analysis. Journal of Computational and Applied Mathematics 20.
    """
    told = np.flatnonzero(labels >= 0)
    sums, labels = sums[told], labels[told]
    each = np.arange(len(labels))
    own_size = sizes[labels]
    own = sums[each, labels] / np.maximum(own_size - 1, 1)
    means = np.divide(sums, sizes, out=np.full(sums.shape, np.inf), where=sizes > 0)
    means[each, labels] = np.inf
    other = means.min(axis=1)
    larger = np.maximum(own, other)
    defined = (own_size > 1) & np.isfinite(other) & (larger > 0)
    return np.divide(other - own, larger, out=np.zeros(len(own)), where=defined)


def estimated_mean(values: np.ndarray, n_rows: int) -> Silhouette:
    """Estimate the mean over `n_rows` rows from a sample of them drawn without replacement.

    The interval is the mean and two standard errors, with the correction for a finite
    population; it has no width where all rows were drawn. NaN without values.

    References
    ----------
    Cochran, W. G. (1977). Sampling techniques, 3rd edition, section 2.6. Wiley.
    """
    if len(values) == 0:
        return Silhouette(np.nan, np.nan, np.nan)
    mean = float(values.mean())
    if len(values) == 1:
        return Silhouette(mean, -1.0, 1.0) if n_rows > 1 else Silhouette(mean, mean, mean)
    left = max(0.0, 1 - len(values) / n_rows)
    margin = STANDARD_ERRORS * float(values.std(ddof=1)) * np.sqrt(left / len(values))
    return Silhouette(mean, max(-1.0, mean - margin), min(1.0, mean + margin))
