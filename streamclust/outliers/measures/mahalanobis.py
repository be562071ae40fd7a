"""Mahalanobis distance of every row, by the covariance of the rows that are not far out; and length
of what the components leave of it, which its projection has told already."""

from typing import Self

import numpy as np

from streamclust.outliers.measures.base import (
    FittedMeasure,
    InductiveColumns,
    MeasureColumn,
    MeasureInputs,
    ScaledColumns,
)
from streamclust.outliers.measures.reference import FAR, NEAR, reference_gap
from streamclust.outliers.scores import RobustScale
from streamclust.passes import Passes, Rows, Transform, single_threaded
from streamclust.passes.accumulators import Covariance, Scatter
from streamclust.reduction import Projection
from streamclust.settings import Settings

# Rows that lie farther out than these are not of the core whose covariance is the yardstick.
CORE_NEAR, CORE_FAR, CORE_FAR_SHARE, CORE_GAP, CORE_LEAST = 2.0, 3.0, 0.97, 6.0, 0.90

# Smallest share of the largest variance: what lies in a direction where the core has none counts,
# but does not count for everything.
_FLOOR = 1e-6


def core_rows(
    near_z: np.ndarray, far: np.ndarray, far_z: np.ndarray, gap_z: np.ndarray
) -> np.ndarray:
    """Tell which rows are of the core: neither isolated nor of a small group.

    Mahalanobis distances from the covariance of all rows forgive what is many: a group of 2 % in
    one direction makes that direction wide. One reweighting step, as in fast-MCD [1]_, from the
    reference distances. Where there are many columns, a group need not be far out to be masked so;
    but it is much denser than what surrounds it, which ordinary rows never are by that much.

    Parameters
    ----------
    near_z, far_z, gap_z : ndarray of shape (n_rows,)
        Robust z of the near and far reference distances and of far over near; NaN for rows that
        are not valid.
    far : ndarray of shape (n_rows,)
        The far distances.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
        90 % of the valid rows at least.

    References
    ----------
    .. [1] Rousseeuw, P. J. & Van Driessen, K. (1999). A fast algorithm for the minimum covariance
       determinant estimator. Technometrics 41(3).
    """
    valid = np.isfinite(far)
    out = np.maximum(near_z / CORE_NEAR, far_z / CORE_FAR)
    out = np.maximum(out, gap_z / CORE_GAP)
    out[far > np.quantile(far[valid], CORE_FAR_SHARE)] = np.inf
    return valid & (out <= max(1.0, np.quantile(out[valid], CORE_LEAST, method="higher")))


class MahalanobisDistance:
    """Distance to the mean in units of the covariance, (n_rows,) float32, as a transform.

    Parameters
    ----------
    projection : Projection
        On axes of unit variance.
    """

    def __init__(self, projection: Projection) -> None:
        self.projection = projection

    @classmethod
    def of(cls, scatter: Scatter) -> Self:
        """By the covariance of the rows that a scatter is of."""
        # One BLAS thread: the decomposition's rounding must not depend on the machine's cores.
        with single_threaded():
            variances, axes = np.linalg.eigh(scatter.scatter / max(scatter.count, 1))
        smallest = _FLOOR * variances[-1]
        matrix = axes / np.sqrt(np.maximum(variances, smallest if smallest > 0 else 1.0))
        return cls(Projection(np.array(scatter.mean), np.ascontiguousarray(matrix)))

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        white = self.projection(values)
        return (np.sqrt(np.einsum("ij,ij->i", white, white)).astype(np.float32),)


class Mahalanobis(InductiveColumns):
    """The Mahalanobis distance by the covariance of the core."""

    version = 1
    reads = (NEAR, FAR)
    columns = (MeasureColumn("mahalanobis"),)
    weight = 1.0
    title = "Mahalanobis"

    def block_bytes(self, rows: Rows, n_neighbors: int) -> int:
        return rows.block_bytes

    def fit(self, inputs: MeasureInputs, settings: Settings, passes: Passes) -> FittedMeasure:
        core = inputs.rows.having(valid=_core(inputs))
        scatter = passes.reduce("covariance of the core", core, Covariance()).result()
        projection = MahalanobisDistance.of(scatter).projection
        return FittedMeasure({"mean": projection.mean, "matrix": projection.matrix})

    def transform(self, fitted: FittedMeasure) -> Transform:
        return MahalanobisDistance(Projection(fitted.arrays["mean"], fitted.arrays["matrix"]))


def _core(inputs: MeasureInputs) -> np.ndarray:
    near, far = inputs.columns[NEAR][...], inputs.columns[FAR][...]
    scale = RobustScale.of(near)
    gap = reference_gap(near, far, scale.floor)
    return core_rows(scale.z(near), far, RobustScale.of(far).z(far), RobustScale.of(gap).z(gap))


class Residual(ScaledColumns):
    """The residual: large for what is unlike all others in no usual way."""

    version = 1
    reads = ("residual",)
    weight = 1 / 9
