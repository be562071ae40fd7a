"""k-means by exact Lloyd passes over all rows, from seeds and mini-batches; and what algorithms
whose clusters are centres have in common."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.clustering.continuing import moved_centers
from streamclust.clustering.kmeans_sweep import FittedKMeans, SweepSettings, fit_sweep, sample_size
from streamclust.memory import Need
from streamclust.passes import BLOCKS_A_WINDOW, Passes, Rows
from streamclust.passes.accumulators import SLICE_ROWS, Assignment, LloydStep
from streamclust.settings import Settings

# The settings of `SweepSettings`, and the seed.
DEPENDS_ON = ("n_init", "max_iter", "tol", "batch_size", "random_state")


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
    """The part of an algorithm by which its centres go on learning: see
    `streamclust.clustering.continuing.moved_centers`."""

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

    def partial_fit_needs(
        self, name: str, rows: Rows, ks: Sequence[int], settings: Settings
    ) -> list[Need]:
        return passing_needs(name, rows, ks)


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


def seeding_needs(name: str, rows: Rows, ks: Sequence[int]) -> list[Need]:
    """Memory of the sample, its k-means runs, and the mini-batch windows."""
    row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
    # Each worker's k-means run copies its part of the sample.
    sample = sample_size(max(ks)) * row_bytes
    window = min(BLOCKS_A_WINDOW * rows.rows_a_block, rows.n_rows) * row_bytes
    return [
        Need(name, fixed=2 * sample, per_block=3 * sample),
        Need(name, fixed=sample, per_block=2 * window),
    ]


def passing_needs(name: str, rows: Rows, ks: Sequence[int], fixed: int = 0) -> list[Need]:
    """Memory of a block, its labels by all k, and the products with all centres."""
    block = rows.rows_a_block * rows.n_columns * np.dtype(rows.array.dtype).itemsize
    labelled = rows.rows_a_block * len(ks) * 8
    products = SLICE_ROWS * (sum(ks) * 2 + rows.n_columns * 2 + 16 * len(ks)) * 8
    return [Need(name, fixed=fixed, per_block=2 * block + 2 * labelled + products)]


class KMeans(ContinuingCenters):
    """See `streamclust.clustering.kmeans_sweep`."""

    version = 1
    depends_on = DEPENDS_ON
    takes_k = True

    def needs(self, name: str, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        sample = sample_size(max(ks)) * row_bytes
        return [*seeding_needs(name, rows, ks), *passing_needs(name, rows, ks, fixed=sample)]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        fitted = fit_sweep(rows, ks, sweep_settings(settings), passes)
        return [clustering_of(fitted[k]) for k in ks]

    def labeller(self, clusterings: Sequence[Clustering]) -> NearestCenter:
        return NearestCenter(clusterings)


ALGORITHM = KMeans()
