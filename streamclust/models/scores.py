"""Internal indices of a clustering, from the sums over its clusters."""

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
