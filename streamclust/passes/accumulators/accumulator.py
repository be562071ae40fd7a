"""Statistics that see the rows once, block by block, in any split and any order of merging.

An accumulator is made empty; `update` shows it a block of rows, `merge` joins it with another
that saw other rows, `result` tells what it knows. An empty one is the identity of `merge`, and
merging is associative to rounding, so a pass may be cut anywhere and run anywhere.
"""

from typing import Any, Protocol, Self

import numpy as np


class Accumulator(Protocol):
    """What a `reduce` pass needs of a statistic."""

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See a block: rows of the data, and of the arrays that go with it."""

    def merge(self, other: Self) -> None:
        """Take in what another accumulator of the same settings saw."""

    def result(self) -> Any:
        """Tell what was accumulated."""
