"""Local outlier factor of every row, from a graph of nearest neighbours.

References
----------
Breunig, M. M., Kriegel, H.-P., Ng, R. T. & Sander, J. (2000). LOF: identifying density-based local
outliers. SIGMOD. The constant that keeps densities of repeated rows finite is scikit-learn's.
"""

import numpy as np

_LEAST = 1e-10


class NeighborDistances:
    """Distance to the last neighbour and mean distance, (n_rows,) float32, as a transform.

    Missing neighbours (index -1) are left out; rows without any have NaN.
    """

    def __call__(self, distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        known = indices >= 0
        kth = np.where(known, distances, -np.inf).max(axis=1)
        kth[~known.any(axis=1)] = np.nan
        return kth.astype(np.float32), _mean(distances, known).astype(np.float32)


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
        return (1 / (_mean(reach, indices >= 0) + _LEAST),)


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
        self, distances: np.ndarray, indices: np.ndarray, own: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        return (_mean(self.density[indices], indices >= 0) / own,)


def _mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Row means of the known values, float64; NaN where none is."""
    total = np.where(known, values, 0).sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return total / known.sum(axis=1)
