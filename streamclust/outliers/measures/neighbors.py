"""Distances to the nearest neighbours of every row, from their graph, and local outlier factors.

References
----------
Breunig, M. M., Kriegel, H.-P., Ng, R. T. & Sander, J. (2000). LOF: identifying density-based local
outliers. SIGMOD. The constant that keeps densities of repeated rows finite is scikit-learn's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamclust.outliers.measures.base import MeasureColumn, MeasureInputs, ScaledColumns
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings

# The columns of the distance to the last neighbour, and of the mean one.
KTH, MEAN = "knn_kth", "knn_mean"

_LEAST = 1e-10


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


class ReachabilityDensity:
    """Local reachability density, (n_rows,) float64, as a transform.

    Parameters
    ----------
    kth : ndarray of shape (n_all_rows,)
        Distance of every row to its last neighbour.
    """

    def __init__(self, kth: np.ndarray) -> None:
        self.kth = kth

    def __call__(self, distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        reach = np.maximum(distances, self.kth[indices])
        return (1 / (mean_of_known(reach, indices >= 0) + _LEAST),)


class LocalOutlierFactor:
    """Local outlier factor, (n_rows,) float64, as a transform: about 1 where density is even.

    Parameters
    ----------
    density : ndarray of shape (n_all_rows,)
        Local reachability density of every row.
    """

    def __init__(self, density: np.ndarray) -> None:
        self.density = density

    def __call__(
        self, distances: np.ndarray, indices: np.ndarray, own_density: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        return (mean_of_known(self.density[indices], indices >= 0) / own_density,)


class LOF(ScaledColumns):
    """The local outlier factor."""

    version = 1
    reads = (KTH,)
    columns = (
        MeasureColumn("lof", np.float64),
        MeasureColumn("density", np.float64, is_kept=False),
    )
    weight = 1 / 9

    def block_bytes(self, rows: Rows, n_neighbors: int) -> int:
        return neighbor_bytes(rows, n_neighbors)

    def write(
        self, inputs: MeasureInputs, outputs: Sequence[Any], settings: Settings, passes: Passes
    ) -> None:
        factor, density = outputs
        neighbors = inputs.neighbors
        assert neighbors is not None
        reachability = ReachabilityDensity(inputs.columns[KTH][...])
        passes.write("reachability", neighbors, reachability, [density])
        rows = neighbors.having(extras=(*neighbors.extras, density))
        passes.write("local outlier factor", rows, LocalOutlierFactor(density[...]), [factor])
