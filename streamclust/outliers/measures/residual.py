"""Length of what the components leave of a row, which its projection has told already."""

from streamclust.outliers.measures.base import ScaledColumns


class Residual(ScaledColumns):
    """The residual: large for what is unlike all others in no usual way."""

    version = 1
    reads = ("residual",)
    weight = 1 / 9


MEASURE = Residual()
