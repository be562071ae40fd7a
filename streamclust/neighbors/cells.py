"""Cells: a partition of the rows into neighbourhoods by k-means, and the cells next to each row."""

from dataclasses import dataclass

import numpy as np

from streamclust.neighbors.candidates import nearest_columns
from streamclust.passes import Passes

# Below this number of rows there is one cell: comparing all with all takes no second.
ALL_WITH_ALL = 8192
# Recall measured on 416,314 rows and four times as many: 384 rows and 12 probes 0.973 and 0.953,
# 256 and 18 0.983 and 0.966, 192 and 24 0.986 and 0.967, which takes longer.
ROWS_A_CELL = 256
MOST_CELLS = 32_768
# Measured: 32 have no better recall, and are held while cells are learned.
_SAMPLED_A_CELL = 20
_MOST_SAMPLED = 2**16
_SAMPLED_A_PARENT = 512
_ITERATIONS = 10
_PIECE_ROWS = 1024


@dataclass(frozen=True)
class Cells:
    """Centres of the cells, and of the parents that they are parts of.

    Attributes
    ----------
    centers : ndarray of float32 of shape (n_cells, n_columns)
        Parent by parent: cells that follow each other mostly lie next to each other.
    parents : ndarray of float32 of shape (n_parents, n_columns)
    witnesses : ndarray of float32 of shape (n_witnesses, n_columns)
        A uniform sample of the rows, less the shift.
    shift : ndarray of shape (n_columns,)
        What is subtracted from rows before they are compared with centres, or with each other.
    """

    centers: np.ndarray
    parents: np.ndarray
    witnesses: np.ndarray
    shift: np.ndarray

    def __len__(self) -> int:
        return len(self.centers)


class CellFinder:
    """Finds the cells nearest to rows, among those nearest to sampled rows of the same parent.

    Few true ones are missed, and the work a row grows less than the number of cells.

    Parameters
    ----------
    cells : Cells
    count : int
        Cells to be found of each row; at most as many as there are.
    """

    def __init__(self, cells: Cells, count: int) -> None:
        self.cells = cells
        self.count = min(count, len(cells))
        near = _nearest(cells.witnesses, cells.centers, self.count)
        owners = _nearest(cells.witnesses, cells.parents, 1)[:, 0]
        around = _nearest(cells.parents, cells.centers, self.count)
        self.near_parent = [
            np.union1d(near[owners == parent], around[parent])
            for parent in range(len(cells.parents))
        ]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The nearest cells (n_rows, count), nearest first, of rows less the shift."""
        nearest = np.empty((len(values), self.count), np.uint16)
        owners = _nearest(values, self.cells.parents, 1)[:, 0]
        for parent in np.unique(owners):
            rows = np.flatnonzero(owners == parent)
            near = self.near_parent[parent]
            nearest[rows] = near[_nearest(values[rows], self.cells.centers[near], self.count)]
        return nearest


def _nearest(values: np.ndarray, centers: np.ndarray, count: int) -> np.ndarray:
    """Numbers (n_rows, count) of the centres nearest to rows, nearest first."""
    nearest = np.empty((len(values), count), np.int64)
    doubled = -2 * centers.T
    lengths = np.einsum("ij,ij->i", centers, centers)
    for start in range(0, len(values), _PIECE_ROWS):
        piece = slice(start, start + _PIECE_ROWS)
        keys = values[piece] @ doubled
        keys += lengths
        nearest[piece] = nearest_columns(keys, count)
    return nearest


def number_of_cells(n_rows: int) -> int:
    """Cells of so many rows, of the rows alone: a graph does not depend on the memory given."""
    return 1 if n_rows <= ALL_WITH_ALL else min(n_rows // ROWS_A_CELL, MOST_CELLS)


def sample_size(n_cells: int) -> int:
    """Rows of the sample that cells are learned from."""
    return min(max(n_cells, _SAMPLED_A_PARENT) * _SAMPLED_A_CELL, _MOST_SAMPLED)


def fit_cells(sample: np.ndarray, n_cells: int, seed: int, passes: Passes) -> Cells:
    """Learn cells from a uniform sample, in two levels: parents, then each one's own cells.

    Each parent has cells in proportion to its sampled rows, so that cells hold about equally many
    rows, also where rows lie densest; one level for all would take `sqrt(n_cells)` times as long.

    Parameters
    ----------
    sample : ndarray of shape (n_sampled, n_columns)
        In random order; one row at least.
    n_cells : int
        About as many are made, and fewer where rows are identical.
    seed : int
    passes : Passes
    """
    shift = sample.mean(axis=0)
    values = (sample - shift).astype(np.float32, copy=False)
    n_parents = round(np.sqrt(n_cells))
    n_witnesses = n_parents * _SAMPLED_A_PARENT
    # All products are taken by tasks: on one thread, so that none rounds in another way.
    ((parents, owners),) = passes.map(
        "seeding cells", _Parents(values, n_witnesses, seed), [n_parents], "level"
    )
    families = [values[owners == parent] for parent in range(len(parents))]
    shares = [(family, max(1, round(n_cells * len(family) / len(values)))) for family in families]
    centers = passes.map("seeding cells", _Split(seed), shares, "parent")
    return Cells(np.concatenate(centers)[:MOST_CELLS], parents, values[:n_witnesses].copy(), shift)


@dataclass(frozen=True)
class _Parents:
    """Centres of the upper level, and which of them each sampled row is nearest to."""

    values: np.ndarray
    n_witnesses: int
    seed: int

    def __call__(self, n_parents: int) -> tuple[np.ndarray, np.ndarray]:
        parents = _chained(_centers(self.values[: self.n_witnesses], n_parents, self.seed))
        return parents, _nearest(self.values, parents, 1)[:, 0]


@dataclass(frozen=True)
class _Split:
    """Centres of one parent's cells."""

    seed: int

    def __call__(self, share: tuple[np.ndarray, int]) -> np.ndarray:
        return _chained(_centers(*share, self.seed))


def _centers(values: np.ndarray, count: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    distinct = np.unique(values, axis=0)
    if len(distinct) <= count:
        return distinct
    model = KMeans(count, n_init=1, max_iter=_ITERATIONS, random_state=seed)
    return model.fit(values).cluster_centers_


def _chained(centers: np.ndarray) -> np.ndarray:
    """Centres so ordered that each is the nearest to the one before of those that are left."""
    order, left = [0], np.arange(1, len(centers))
    while len(left):
        differences = centers[left] - centers[order[-1]]
        nearest = int(np.einsum("ij,ij->i", differences, differences).argmin())
        order.append(int(left[nearest]))
        left = np.delete(left, nearest)
    return centers[order]
