"""Micro-clusters: a bounded number of means, with their sizes, that stand for all rows."""

from dataclasses import dataclass

import numpy as np

from streamclust.accumulators.clusters import LloydStep
from streamclust.accumulators.sample import UniformSample
from streamclust.models.neighbors.cells import fit_cells, sample_size
from streamclust.passes import Passes, Rows

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
