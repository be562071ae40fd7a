"""What layouts have in common whose positions are projections on axes."""

import numpy as np

from streamclust.layouts.base import Fitted
from streamclust.memory import Need
from streamclust.passes.blocks import Rows

PIECE_ROWS = 4096  # projected at once: their float64 copy stays in the processor's cache


class OnAxes:
    """Projects rows on axes.

    Parameters
    ----------
    fitted : Fitted
        With ``axes`` of shape (n_columns, n_dimensions) and an ``origin`` (n_columns,).
    """

    def __init__(self, fitted: Fitted) -> None:
        self.axes = fitted.arrays["axes"]
        self.origin = fitted.arrays["origin"]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        positions = np.empty((len(values), self.axes.shape[1]), np.float32)
        for start in range(0, len(values), PIECE_ROWS):
            piece = slice(start, start + PIECE_ROWS)
            positions[piece] = (values[piece] - self.origin) @ self.axes
        return positions


class AxesLayout:
    """A layout by axes: all of a `Layout` but `fit`, which finds ``axes`` and ``origin``."""

    version = 1
    depends_on: tuple[str, ...] = ()

    def check(self, n_rows: int) -> None:
        """Whatever the rows, they have axes; those that they lack are 0."""

    def needs(self, name: str, rows: Rows, n_dimensions: int) -> list[Need]:
        """Memory of scatter matrices and their decomposition, and of blocks and positions."""
        square = 8 * rows.n_columns**2
        block = rows.rows_a_block * rows.n_columns * np.dtype(rows.array.dtype).itemsize
        placed = 2 * 4 * rows.rows_a_block * n_dimensions + 2 * 8 * PIECE_ROWS * rows.n_columns
        summed = 4 * square + 8 * PIECE_ROWS * rows.n_columns
        return [Need(name, fixed=8 * square, per_block=2 * block + max(placed, summed))]

    def placement(self, fitted: Fitted) -> OnAxes:
        return OnAxes(fitted)
