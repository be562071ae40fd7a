"""Layouts whose positions are projections on axes: principal components, and discriminant axes."""

import numpy as np

from streamclust.layouts.base import FittedLayout, RowSums
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.reduction import discriminant_axes
from streamclust.settings import Settings

PIECE_ROWS = 4096  # projected at once: their float64 copy stays in the processor's cache


class AxesProjection:
    """Projects rows on axes.

    Parameters
    ----------
    fitted : FittedLayout
        With ``axes`` of shape (n_columns, n_dimensions) and an ``origin`` (n_columns,).
    """

    def __init__(self, fitted: FittedLayout) -> None:
        self.axes = fitted.arrays["axes"]
        self.origin = fitted.arrays["origin"]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        positions = np.empty((len(values), self.axes.shape[1]), np.float32)
        for start in range(0, len(values), PIECE_ROWS):
            piece = slice(start, start + PIECE_ROWS)
            positions[piece] = (values[piece] - self.origin) @ self.axes
        return positions


class LinearLayout:
    """All of a `Layout` but `fit`, which finds ``axes`` and ``origin``."""

    version = 1
    depends_on: tuple[str, ...] = ()

    def check(self, n_rows: int) -> None:
        """Whatever the rows, they have axes; those that they lack are 0."""

    def needs(self, rows: Rows, n_dimensions: int) -> list[Need]:
        """Memory of scatter matrices and their decomposition, and of blocks and positions."""
        square = 8 * rows.n_columns**2
        placed = 2 * 4 * rows.rows_a_block * n_dimensions + 2 * 8 * PIECE_ROWS * rows.n_columns
        summed = 4 * square + 8 * PIECE_ROWS * rows.n_columns
        return [Need(fixed=8 * square, per_block=2 * rows.block_bytes + max(placed, summed))]

    def placement(self, fitted: FittedLayout) -> AxesProjection:
        return AxesProjection(fitted)


class PCA(LinearLayout):
    """The first columns of the reduced rows, which are principal components in order already;
    those that are lacking are 0."""

    of_clusters = False
    axis_name = "principal component"

    def fit(
        self, rows: Rows, sums: RowSums, n_dimensions: int, settings: Settings, passes: Passes
    ) -> FittedLayout:
        axes = np.eye(rows.n_columns, n_dimensions)
        squares = np.diag(sums.scatter)
        # Of rows that are all alike, nothing is shown by any axis.
        share = float(squares[:n_dimensions].sum() / max(squares.sum(), np.finfo(float).tiny))
        origin = np.zeros(rows.n_columns)
        return FittedLayout({"axes": axes, "origin": origin}, {"variance_share": share})


class LDA(LinearLayout):
    """The axes along which the clusters of a clustering lie farthest apart, by linear discriminant
    analysis (`streamclust.reduction.discriminant`); rows in no cluster are placed like the others.
    """

    of_clusters = True
    axis_name = "discriminant axis"

    def fit(
        self, rows: Rows, sums: RowSums, n_dimensions: int, settings: Settings, passes: Passes
    ) -> FittedLayout:
        assert sums.sizes is not None
        assert sums.means is not None
        axes = discriminant_axes(sums.sizes, sums.means, sums.scatter, n_dimensions)
        filled = sums.sizes > 0
        origin = np.average(sums.means[filled], axis=0, weights=sums.sizes[filled])
        return FittedLayout({"axes": axes, "origin": origin})
