"""Length of what the components leave of a row: what is unlike all others in no usual way."""

from collections.abc import Sequence
from typing import Any

from streamclust.outliers.measures.base import MeasureInputs, ScaledColumns
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.settings import Settings


class Residual(ScaledColumns):
    """The residual, which the projection of the rows has told already."""

    version = 1
    depends_on = ()
    reads = ("residual",)
    weight = 1 / 9

    def block_bytes(self, rows: Rows, n_neighbors: int) -> int:
        return 0

    def write(
        self, inputs: MeasureInputs, outputs: Sequence[Any], settings: Settings, passes: Passes
    ) -> None:
        """There is nothing to write."""


MEASURE = Residual()
