"""Which groups of rows, such as the images of a vehicle, lie wholly inside one cluster."""

import numpy as np


def whole_groups(groups: np.ndarray, labels: np.ndarray, n_clusters: int) -> np.ndarray:
    """Groups met in each cluster: those that are split, those that are wholly inside, and how many
    would be by chance.

    Parameters
    ----------
    groups : ndarray of int, shape (n_rows,)
        Below 0 a row of no group.
    labels : ndarray of int, shape (n_rows,)
        Below 0: in no cluster, not counted.
    n_clusters : int

    Returns
    -------
    ndarray of float64, shape (3, n_clusters)
        Of groups with two labelled rows or more; by chance, were labels dealt to rows at random.
    """
    known = (groups >= 0) & (labels >= 0)
    _, codes, sizes = np.unique(groups[known], return_inverse=True, return_counts=True)
    pairs, counts = np.unique(codes * n_clusters + labels[known], return_counts=True)
    group, cluster = np.divmod(pairs, n_clusters)
    several, whole = sizes[group] > 1, counts == sizes[group]
    split, inside = (
        np.bincount(cluster[several & own], minlength=n_clusters) for own in (~whole, whole)
    )
    shares = np.bincount(labels[known], minlength=n_clusters) / max(1, len(codes))
    by_size = np.bincount(sizes[sizes > 1])
    chance = (by_size[:, None] * shares ** np.arange(len(by_size))[:, None]).sum(axis=0)
    return np.stack([split, inside, chance])
