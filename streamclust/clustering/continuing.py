"""Clusters that go on learning from further rows."""

from collections.abc import Sequence

import numpy as np

from streamclust.clustering.em import REGULARISATION, FittedMixture, grouped, maximised
from streamclust.passes.accumulators.bisection import Splits
from streamclust.passes.accumulators.gaussians import EMStep, Mixture, PosteriorMoments, Units
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes

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


def continued_mixtures(
    mixtures: Sequence[Mixture],
    units: Units,
    counts: Sequence[int],
    rows: Rows,
    new: Rows,
    passes: Passes,
) -> list[FittedMixture]:
    """Mixtures after a step of incremental EM over further rows [1]_, and how likely all rows are.

    What a mixture has seen is told by its weights, means and covariances, times the number of
    rows: the sufficient statistics of the old rows stay as they are, those of the new ones join.

    Parameters
    ----------
    mixtures : sequence of Mixture
        In `units`.
    units : Units
    counts : sequence of int
        Rows that each mixture was fitted to.
    rows, new : Rows
        All rows, and the new ones among them.
    passes : Passes

    Returns
    -------
    list of FittedMixture
        The components in their order; of each `n_iter` is 1.

    References
    ----------
    .. [1] Neal, R. M. & Hinton, G. E. (1998). A view of the EM algorithm that justifies
       incremental, sparse, and other variants. In Learning in Graphical Models. Kluwer.
    """
    found: dict[int, FittedMixture] = {}
    for group in grouped(dict(enumerate(mixtures))):
        own = [mixtures[i] for i in group]
        told = passes.reduce("EM step of the new rows", new, EMStep(own, units)).result()
        moved = [
            maximised(mixture, _joined(mixture, counts[i], moments))
            for i, mixture, moments in zip(group, own, told, strict=True)
        ]
        seen = passes.reduce("likelihood of all rows", rows, EMStep(moved, units)).result()
        for i, mixture, moments in zip(group, moved, seen, strict=True):
            n_rows = int(moments.counts.sum())
            mean = moments.log_likelihood / n_rows
            found[i] = FittedMixture(mixture, units, mean, n_rows, n_iter=1, converged=False)
    return [found[i] for i in range(len(mixtures))]


def _joined(mixture: Mixture, count: int, told: PosteriorMoments) -> PosteriorMoments:
    """The moments of the rows that a mixture was fitted to, and of those that an E step saw."""
    full = mixture.covariances.ndim == 3
    # The M step adds it anew.
    before = mixture.covariances.copy()
    if full:
        np.einsum("kii->ki", before)[...] -= REGULARISATION
    else:
        before = np.maximum(before - REGULARISATION, 0)
    sizes = mixture.weights * count + told.sizes
    share = told.sizes / np.maximum(sizes, np.finfo(float).tiny)
    apart = np.where(share[:, None] > 0, told.means - mixture.means, 0)
    squares = apart[:, :, None] * apart[:, None, :] if full else apart**2
    share = share.reshape(-1, *[1] * (before.ndim - 1))
    new = np.where(share > 0, told.covariances, 0)
    covariances = before + share * (new - before) + share * (1 - share) * squares
    means = mixture.means + share.reshape(-1, 1) * apart
    return PosteriorMoments(sizes, means, covariances, told.counts, told.log_likelihood)
