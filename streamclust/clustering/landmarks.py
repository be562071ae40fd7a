"""Micro-clusters and other landmarks that stand for all rows, which are labelled by the nearest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.memory import Need
from streamclust.neighbors import fit_cells, sample_size
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import SLICE_ROWS, Assignment, LloydStep, UniformSample


class NearestLandmark:
    """Gives rows the label of the nearest landmark in each clustering.

    Clusterings that have their landmarks in common, as those of one tree, share the search.

    Parameters
    ----------
    clusterings : sequence of Clustering
        Each with ``landmarks`` of shape (n_landmarks, n_columns) and ``landmark_labels``.
    """

    def __init__(self, clusterings: Sequence[Clustering]) -> None:
        distinct: list[np.ndarray] = []
        self.sources: list[int] = []
        for clustering in clusterings:
            landmarks = clustering.arrays["landmarks"]
            known = [i for i, other in enumerate(distinct) if np.array_equal(other, landmarks)]
            self.sources.append(known[0] if known else len(distinct))
            if not known:
                distinct.append(landmarks)
        # The median: an outlier among the landmarks would cost the others' differences digits.
        shift = np.median(np.concatenate(distinct), axis=0)
        self.assignment = Assignment(distinct, shift)
        self.tables = [c.arrays["landmark_labels"].astype(np.int32) for c in clusterings]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        nearest = self.assignment(values)[0]
        found = zip(self.tables, self.sources, strict=True)
        return np.stack([table[nearest[:, source]] for table, source in found], axis=1)


def largest_first(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Number clusters from the heaviest on.

    Parameters
    ----------
    labels : ndarray of int of shape (n_landmarks,)
        From 0 on; those below 0 are kept.
    weights : ndarray of shape (n_landmarks,)
        Rows that each landmark stands for.

    Returns
    -------
    ndarray of int32 of shape (n_landmarks,)
    """
    inside = labels >= 0
    order = np.argsort(-np.bincount(labels[inside], weights[inside]), kind="stable")
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order))
    return np.where(inside, ranks[labels] if len(ranks) else -1, labels).astype(np.int32)


def labelling_need(rows: Rows, n_landmarks: int, n_clusterings: int) -> Need:
    """Memory of blocks, their labels, and the products with all landmarks."""
    labelled = rows.rows_a_block * n_clusterings * 8
    products = SLICE_ROWS * (n_landmarks * rows.itemsize + rows.n_columns * 16)
    # Kept once in the rows' dtype and once as float64, and turned for the product by each task.
    landmarks = n_landmarks * rows.n_columns
    return Need(
        fixed=landmarks * (rows.itemsize + 8) + n_landmarks * n_clusterings * 4,
        per_block=2 * rows.block_bytes + 2 * labelled + products + landmarks * (8 + rows.itemsize),
    )


# Exact passes over all rows.
N_PASSES = 2


@dataclass(frozen=True)
class MicroClusters:
    """Means of small groups of rows, none of them empty.

    Attributes
    ----------
    means : ndarray of shape (n_micro, n_columns)
        In the rows' dtype.
    sizes : ndarray of float64 of shape (n_micro,)
    """

    means: np.ndarray
    sizes: np.ndarray


def sampled_rows(most: int) -> int:
    """Rows that are sampled to seed so many micro-clusters."""
    return max(sample_size(most), most)


def micro_clusters(rows: Rows, most: int, seed: int, passes: Passes) -> MicroClusters:
    """Summarise rows by `most` micro-clusters at most, a k-means that all rows have shaped.

    Centres are seeded in two levels on a uniform sample and moved by two exact Lloyd passes. If
    there are no more than `most` rows, the rows themselves are the micro-clusters.

    Parameters
    ----------
    rows : Rows
        Of shape (n_rows, n_columns), without extras.
    most : int
    seed : int
    passes : Passes
    """
    sampled = rows.having(numbered=True)
    sample = passes.reduce("sampling rows", sampled, UniformSample(sampled_rows(most), seed))
    values, numbers = sample.result()
    if len(values) <= most:
        return MicroClusters(values[np.argsort(numbers)], np.ones(len(values)))
    cells = fit_cells(values, most, seed, passes)
    means, sizes = cells.centers + cells.shift, np.ones(len(cells))
    for number in range(1, N_PASSES + 1):
        step = LloydStep([means], cells.shift)
        name = f"micro-clusters, pass {number} of {N_PASSES}"
        ((sizes, means, _),) = passes.reduce(name, rows, step).result()
        means, sizes = means[sizes > 0], sizes[sizes > 0]
    return MicroClusters(means.astype(values.dtype, copy=False), sizes)
