"""Clusters that go on learning from further rows."""

from collections.abc import Sequence

import numpy as np

from streamclust.passes.accumulators import Splits

# Sizes and means of the sides of each split.
Sides = Sequence[tuple[np.ndarray, np.ndarray]]


def moved_centers(
    centers: np.ndarray, counts: np.ndarray, sizes: np.ndarray, means: np.ndarray
) -> np.ndarray:
    """Centres after further rows, each the mean of all rows that it has seen.

    The step of mini-batch k-means with a learning rate of one over the rows seen [1]_, taken of a
    whole batch at once. Of a k-means that has converged, whose centres are the means of their rows,
    it is one exact step of Lloyd's over all rows, of which the old ones are not read.

    Parameters
    ----------
    centers : ndarray of shape (n_clusters, n_columns)
    counts : ndarray of shape (n_clusters,)
        Rows that each centre has seen.
    sizes : ndarray of shape (n_clusters,)
        Further rows of each cluster.
    means : ndarray of shape (n_clusters, n_columns)
        Theirs; whatever stands for those of no rows is not heeded.

    Returns
    -------
    ndarray of float64, shape (n_clusters, n_columns)

    References
    ----------
    .. [1] Sculley, D. (2010). Web-scale k-means clustering. WWW '10.
    """
    rates = sizes / np.maximum(counts + sizes, 1)
    apart = np.where(sizes[:, None] > 0, means - centers, 0)
    return centers + rates[:, None] * apart


def moved_splits(splits: Splits, shift: np.ndarray, sizes: np.ndarray, told: Sides) -> Splits:
    """Splits of a tree after further rows: the centres of each move by `moved_centers`, as those of
    a 2-means of the rows that come to it.

    Rows come to a split as they did before; where one high in the tree moves, it is the next
    descent that brings old rows to other splits below.

    Parameters
    ----------
    splits : Splits
    shift : ndarray of shape (n_columns,)
        Subtracted from centres while they move, so that a large common offset costs no digits.
    sizes : ndarray of int, shape (n_splits + 1,)
        Rows of each slot when all splits are taken, without the further ones.
    told : list of tuple of ndarray
        Of each split the sizes and means of its sides among the further rows, as
        `streamclust.passes.accumulators.bisection.SplitSums` tells them.

    Returns
    -------
    Splits
    """
    held, centers = sizes.copy(), splits.centers.astype(np.float64)
    # Backwards, so that a slot holds again what it held when it was cut.
    for i in reversed(range(len(splits))):
        cut = splits.slots[i]
        counts = held[[cut, i + 1]]
        further, means = told[i]
        centers[i] = moved_centers(centers[i] - shift, counts, further, means - shift) + shift
        held[cut] += held[i + 1]
    return Splits(splits.slots, centers.astype(splits.centers.dtype))


def largest_move(before: np.ndarray, after: np.ndarray) -> float:
    """The largest move of a mean, in parts of its distance to the nearest other mean before.

    Parameters
    ----------
    before, after : ndarray of shape (n_clusters, n_columns)
        NaN for clusters without rows, which are passed over.

    Returns
    -------
    float
        NaN where there are no two means, infinite where two that part were one.
    """
    known = ~(np.isnan(before) | np.isnan(after)).any(axis=1)
    before, after = before[known], after[known]
    if len(before) < 2:
        return float("nan")
    nearest = np.empty(len(before))
    for j, mean in enumerate(before):
        squared = ((before - mean) ** 2).sum(axis=1)
        squared[j] = np.inf
        nearest[j] = np.sqrt(squared.min())
    moved = np.sqrt(((after - before) ** 2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(moved == 0, 0, moved / nearest)
    return float(shares.max())
