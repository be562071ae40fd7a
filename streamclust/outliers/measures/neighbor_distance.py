"""Distances to the nearest neighbours of every row, from their graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamclust.outliers.measures.base import MeasureColumn, MeasureInputs, ScaledColumns
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings

# The columns of the distance to the last neighbour, and of the mean one.
KTH, MEAN = "knn_kth", "knn_mean"


class NeighborDistances:
    """Distance to the last neighbour and mean distance, (n_rows,) float32, as a transform.

    Missing neighbours (index -1) are left out; rows without any have NaN.
    """

    def __call__(self, distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        known = indices >= 0
        kth = np.where(known, distances, -np.inf).max(axis=1)
        kth[~known.any(axis=1)] = np.nan
        return kth.astype(np.float32), mean_of_known(distances, known).astype(np.float32)


def mean_of_known(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Row means of the known values, float64; NaN where none is."""
    total = np.where(known, values, 0).sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return total / known.sum(axis=1)


def neighbor_bytes(rows: Rows, n_neighbors: int) -> int:
    """Memory of the neighbours of a block, and of what is looked up of each."""
    return rows.rows_a_block * n_neighbors * (8 + 4 + 8 * 3)


class NeighborDistance(ScaledColumns):
    """The distance to the last neighbour; the mean one is kept, and not counted."""

    version = 1
    columns = (MeasureColumn(KTH), MeasureColumn(MEAN))
    weight = 1 / 9

    def block_bytes(self, rows: Rows, n_neighbors: int) -> int:
        return neighbor_bytes(rows, n_neighbors)

    def write(
        self, inputs: MeasureInputs, outputs: Sequence[Any], settings: Settings, passes: Passes
    ) -> None:
        assert inputs.neighbors is not None
        passes.write("neighbour distances", inputs.neighbors, NeighborDistances(), outputs)


MEASURE = NeighborDistance()
