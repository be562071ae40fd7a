"""Local outlier factor of every row, from a graph of nearest neighbours.

References
----------
Breunig, M. M., Kriegel, H.-P., Ng, R. T. & Sander, J. (2000). LOF: identifying density-based local
outliers. SIGMOD. The constant that keeps densities of repeated rows finite is scikit-learn's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamclust.outliers.measures.base import MeasureColumn, MeasureInputs, ScaledColumns
from streamclust.outliers.measures.neighbor_distance import KTH, mean_of_known, neighbor_bytes
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings

_LEAST = 1e-10


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


MEASURE = LOF()
