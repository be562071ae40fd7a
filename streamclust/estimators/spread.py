"""How far apart values may be for the distances between rows to be finite."""

import math
from typing import Any

import numpy as np

from streamclust.errors import SettingsError

_SUMMED_ROWS = 2**30


def largest_spread(n_columns: int, dtype: Any = np.float32) -> float:
    """Tell by how much columns may vary: from there on sums of squared distances may be infinite.

    Of two rows the sum of the squares, and twice the product, is at most ``4 * n_columns`` squares
    of the spread; sums over a billion rows have to fit `dtype`, which is that of the neighbour
    graph unless it is given.
    """
    return math.sqrt(float(np.finfo(dtype).max) / (4 * n_columns * _SUMMED_ROWS))


def near_enough(values: np.ndarray) -> np.ndarray:
    """Give rows back, unless squared distances between them may be infinite.

    Raises
    ------
    SettingsError
        For them.
    """
    largest = max(float(values.max()), -float(values.min()))
    if 2 * largest >= largest_spread(values.shape[1]):
        raise SettingsError(
            f"values of up to {largest:.1g} are too large for squared distances: use "
            "scaling='l2', or divide the columns first"
        )
    return values
