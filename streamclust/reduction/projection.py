"""The projection of rows on principal components, as small state that is called on blocks."""

from dataclasses import dataclass

import numpy as np

from streamclust.passes import unit_rows
from streamclust.passes.accumulators import compute_dtype

PIECE_VALUES = 2**20  # values centred at once
_NOTHING = 1e-5  # of a row's square: what float32 products leave of zero


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
        return self._project(values, None)

    def with_residual(self, values: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project rows, and tell how far they lie from the components' subspace.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_features)
        scale : ndarray of shape (n_features,)
            What the columns are divided by. For projections on orthonormal components only,
            neither whitened nor of unit output.

        Returns
        -------
        reduced : ndarray of shape (n_rows, n_components)
        residual : ndarray of shape (n_rows,)
            Length of what the components leave of the scaled, centred row, by Pythagoras; 0 where
            that is within the rounding of the row's length.
        """
        squares = np.empty(len(values))
        reduced = self._project(values, _Squares(squares, scale))
        left = squares - np.einsum("ij,ij->i", reduced, reduced, dtype=np.float64)
        left[left < _NOTHING * squares] = 0
        return reduced, np.sqrt(left)

    def _project(self, values: np.ndarray, squares: "_Squares | None") -> np.ndarray:
        dtype = compute_dtype(values.dtype)
        mean, matrix = self.mean.astype(dtype), self.matrix.astype(dtype, copy=False)
        rest = ((self.mean - mean) @ self.matrix).astype(dtype)
        n_features, n_components = matrix.shape
        out = np.empty((len(values), n_components), dtype)
        step = min(max(PIECE_VALUES // n_features, 1), max(len(values), 1))
        centred = np.empty((step, n_features), dtype)
        for start in range(0, len(values), step):
            piece = values[start : start + step]
            work = centred[: len(piece)]
            if self.unit_input:
                piece = unit_rows(piece, out=work)
            np.subtract(piece, mean, out=work, casting="same_kind")
            if squares is not None:
                squares.see(start, work)
            reduced = np.matmul(work, matrix, out=out[start : start + step])
            reduced -= rest
            if self.unit_output:
                unit_rows(reduced, out=reduced)
        return out


class _Squares:
    """Squared lengths of scaled rows, filled in piece by piece."""

    def __init__(self, out: np.ndarray, scale: np.ndarray) -> None:
        self.out = out
        self.weights = 1 / np.square(scale)

    def see(self, start: int, work: np.ndarray) -> None:
        weights = self.weights.astype(work.dtype)
        self.out[start : start + len(work)] = np.einsum("ij,ij,j->i", work, work, weights)
