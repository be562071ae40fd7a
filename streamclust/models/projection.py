"""The projection of rows on principal components, as small state that is called on blocks."""

from dataclasses import dataclass

import numpy as np

from streamclust.accumulators.covariance import compute_dtype
from streamclust.models.scaling import unit_rows

PIECE_VALUES = 2**20  # values centred at once


@dataclass(frozen=True, eq=False)
class Projection:
    """Rows to reduced rows, (x − mean) @ matrix: small, picklable, called on blocks.

    Attributes
    ----------
    mean : ndarray of float64, shape (n_features,)
    matrix : ndarray of float64, shape (n_features, n_components)
        The components, with the scale of the columns and the whitening folded in.
    unit_input, unit_output : bool
        Whether rows are made of unit length before, and after.
    """

    mean: np.ndarray
    matrix: np.ndarray
    unit_input: bool = False
    unit_output: bool = False

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Project rows of shape (n_rows, n_features) to (n_rows, n_components).

        float32 (and what it holds exactly) is computed and returned in float32, all else in
        float64. Rows are centred before the product, a piece at a time: taking the product of
        the mean away afterwards would lose digits where means are large.
        """
        dtype = compute_dtype(values.dtype)
        mean, matrix = self.mean.astype(dtype), self.matrix.astype(dtype, copy=False)
        rest = ((self.mean - mean) @ self.matrix).astype(dtype)
        n_features, n_components = matrix.shape
        out = np.empty((len(values), n_components), dtype)
        step = min(max(PIECE_VALUES // n_features, 1), max(len(values), 1))
        centred = np.empty((step, n_features), dtype)
        for start in range(0, len(values), step):
            piece = values[start : start + step]
            if self.unit_input:
                piece = unit_rows(piece)
            work = np.subtract(piece, mean, out=centred[: len(piece)], casting="same_kind")
            reduced = np.matmul(work, matrix, out=out[start : start + step])
            reduced -= rest
            if self.unit_output:
                unit_rows(reduced, out=reduced)
        return out
