"""Internal indices of a clustering: exact ones of sums over clusters, silhouettes of a sample."""

from typing import NamedTuple

import numpy as np


def calinski_harabasz(sizes: np.ndarray, means: np.ndarray, within: float) -> float:
    """Calinski-Harabasz index (variance ratio): higher is better.

    Parameters
    ----------
    sizes : ndarray of shape (n_clusters,)
        Rows of each cluster; empty ones are left out.
    means : ndarray of shape (n_clusters, n_columns)
        Label means.
    within : float
        Sum over all rows of the squared distance to their label mean.

    Returns
    -------
    float
        NaN with fewer than two clusters, as the index is not defined there.

    References
    ----------
    Calinski, T. & Harabasz, J. (1974). A dendrite method for cluster analysis.
    Communications in Statistics 3(1).
    """
    sizes, means = _occupied(sizes, means)
    n_rows, k = sizes.sum(), len(sizes)
    if k < 2 or n_rows <= k:
        return float("nan")
    center = sizes @ means / n_rows
    between = sizes @ ((means - center) ** 2).sum(axis=1)
    return 1.0 if within == 0 else float(between * (n_rows - k) / (within * (k - 1)))


def davies_bouldin(sizes: np.ndarray, means: np.ndarray, distances: np.ndarray) -> float:
    """Davies-Bouldin index: lower is better.

    Parameters
    ----------
    sizes : ndarray of shape (n_clusters,)
    means : ndarray of shape (n_clusters, n_columns)
        Label means.
    distances : ndarray of shape (n_clusters,)
        Sum over a cluster's rows of the distance to its label mean.

    Returns
    -------
    float
        NaN with fewer than two clusters.

    References
    ----------
    Davies, D. L. & Bouldin, D. W. (1979). A cluster separation measure. IEEE Transactions on
    Pattern Analysis and Machine Intelligence 1(2).
    """
    spread = distances[sizes > 0] / sizes[sizes > 0]
    sizes, means = _occupied(sizes, means)
    if len(sizes) < 2:
        return float("nan")
    apart = np.sqrt(((means[:, None] - means[None]) ** 2).sum(axis=2))
    if np.allclose(spread, 0) or np.allclose(apart, 0):
        return 0.0
    apart[apart == 0] = np.inf
    return float(((spread[:, None] + spread) / apart).max(axis=1).mean())


def explained_share(sizes: np.ndarray, means: np.ndarray, within: float) -> float:
    """Share of the rows' variance that the clusters explain, 0 to 1."""
    sizes, means = _occupied(sizes, means)
    if not len(sizes):
        return float("nan")
    center = sizes @ means / sizes.sum()
    between = float(sizes @ ((means - center) ** 2).sum(axis=1))
    return between / (between + within) if between + within > 0 else 0.0


def effective_clusters(sizes: np.ndarray) -> float:
    """How many clusters of equal size would be as uneven: e to the entropy of their shares.

    References
    ----------
    Hill, M. O. (1973). Diversity and evenness: a unifying notation and its consequences. Ecology
    54(2); the number of order 1.
    """
    shares = sizes[sizes > 0] / max(1, sizes.sum())
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def _occupied(sizes: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return sizes[sizes > 0], means[sizes > 0]


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
    ndarray of shape (n_clustered,)
        Of the rows that are not noise; 0 for those alone in their cluster.

    References
    ----------
    Rousseeuw, P. J. (1987). Silhouettes: a graphical aid to the interpretation and validation of
    cluster analysis. Journal of Computational and Applied Mathematics 20.
    """
    clustered = np.flatnonzero(labels >= 0)
    sums, labels = sums[clustered], labels[clustered]
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
