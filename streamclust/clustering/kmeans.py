"""k-means by exact Lloyd passes over all rows, from seeds and mini-batches, or by the mini-batches
alone: seeds, then one shuffled pass; and what algorithms whose clusters are centres share."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.clustering.breathing import NEAREST_BYTES
from streamclust.clustering.kmeans_sweep import FittedKMeans, SweepSettings, fit_sweep
from streamclust.clustering.seeding import sample_size
from streamclust.memory import Need
from streamclust.passes import BLOCKS_A_WINDOW, Passes, Rows
from streamclust.passes.accumulators import SLICE_ROWS, Assignment, LloydStep
from streamclust.settings import Settings

# The settings of `SweepSettings`, and the seed.
DEPENDS_ON = ("n_init", "max_iter", "tol", "batch_size", "random_state")

# Of mini-batches alone, as `sklearn.cluster.MiniBatchKMeans`.
_RESTARTS = 3


class NearestCenter:
    """Labels rows by the nearest centre of each clustering.

    Parameters
    ----------
    clusterings : sequence of Clustering
        Each with ``centers`` of shape (n_clusters, n_columns).
    """

    def __init__(self, clusterings: Sequence[Clustering]) -> None:
        self.assignment = Assignment([c.arrays["centers"] for c in clusterings])

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return self.assignment(values)[0]


class ContinuingCenters:
    """The part of an algorithm by which its centres go on learning: see `moved_centers`."""

    def partial_fit(
        self,
        clusterings: Sequence[Clustering],
        counts: Sequence[np.ndarray],
        rows: Rows,
        new: Rows,
        settings: Settings,
        passes: Passes,
    ) -> list[Clustering]:
        centers = [c.arrays["centers"] for c in clusterings]
        sums = passes.reduce("moving centres", new, LloydStep(centers)).result()
        moved = [
            moved_centers(before.astype(np.float64), count, sizes, means).astype(before.dtype)
            for before, count, (sizes, means, _) in zip(centers, counts, sums, strict=True)
        ]
        return [
            replace(clustering, arrays={**clustering.arrays, "centers": after})
            for clustering, after in zip(clusterings, moved, strict=True)
        ]

    def partial_fit_needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        return passing_needs(rows, ks)


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
        Rows that each centre has seen, or their weights.
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
    seen = counts + sizes
    rates = sizes / np.where(seen > 0, seen, 1)
    apart = np.where(sizes[:, None] > 0, means - centers, 0)
    return centers + rates[:, None] * apart


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


def sweep_settings(settings: Settings) -> SweepSettings:
    """The settings of a run that concern a sweep of k-means."""
    return SweepSettings(
        n_init=settings.n_init,
        max_iter=settings.max_iter,
        tol=settings.tol,
        batch_size=settings.batch_size,
        seed=settings.random_state,
    )


def clustering_of(fit: FittedKMeans) -> Clustering:
    """A k-means of a sweep as it is stored."""
    return Clustering(
        len(fit.centers),
        {"centers": fit.centers},
        {"n_iter": fit.n_iter, "converged": fit.converged},
    )


def seeding_needs(rows: Rows, ks: Sequence[int]) -> list[Need]:
    """Memory of the sample, its k-means runs, and the mini-batch windows."""
    # Each worker's k-means run copies its part of the sample.
    size = sample_size(max(ks))
    # What breathing holds of a row: the nearest centres and their distances.
    nearest = rows.n_rows * NEAREST_BYTES if rows.n_rows < size else 0
    sample = size * rows.row_bytes
    window = min(BLOCKS_A_WINDOW * rows.rows_a_block, rows.n_rows) * rows.row_bytes
    return [
        Need(fixed=2 * sample, per_block=3 * sample + nearest),
        Need(fixed=sample, per_block=2 * window),
    ]


def passing_needs(rows: Rows, ks: Sequence[int], fixed: int = 0) -> list[Need]:
    """Memory of a block, its labels by all k, and the products with all centres."""
    labelled = rows.rows_a_block * len(ks) * 8
    products = SLICE_ROWS * (sum(ks) * 2 + rows.n_columns * 2 + 16 * len(ks)) * 8
    return [Need(fixed=fixed, per_block=2 * rows.block_bytes + 2 * labelled + products)]


class KMeans(ContinuingCenters):
    """See `streamclust.clustering.kmeans_sweep`."""

    version = 4
    depends_on = DEPENDS_ON
    takes_k = True
    labeller = NearestCenter

    def needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        sample = sample_size(max(ks)) * rows.row_bytes
        return [*seeding_needs(rows, ks), *passing_needs(rows, ks, fixed=sample)]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        fitted = fit_sweep(rows, ks, sweep_settings(settings), passes)
        return [clustering_of(fitted[k]) for k in ks]


class MiniBatchKMeans(ContinuingCenters):
    """See `streamclust.clustering.kmeans_sweep`, its first two stages with few restarts."""

    version = 4
    depends_on = ("batch_size", "random_state")
    takes_k = True
    labeller = NearestCenter

    def needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        return [*seeding_needs(rows, ks), *passing_needs(rows, ks)]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        few = replace(sweep_settings(settings), n_init=_RESTARTS, max_iter=0)
        fitted = fit_sweep(rows, ks, few, passes)
        # Nothing is iterated to convergence that could fail to converge.
        return [clustering_of(replace(fitted[k], converged=True)) for k in ks]
