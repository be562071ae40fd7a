"""What a transform makes of all rows, in memory: for columns that are held whole anyway."""

from typing import Any, Self

import numpy as np

from streamclust.passes import Transform


class Collected:
    """The results of a transform, in the order of the rows, as an accumulator.

    Parameters
    ----------
    transform : Transform
        Called with blocks of rows and their extras; can be pickled.
    """

    def __init__(self, transform: Transform) -> None:
        self.transform = transform
        self._parts: list[tuple[np.ndarray, ...]] = []

    def __deepcopy__(self, memo: Any) -> Self:
        # A transform has no state that rows change: blocks' accumulators share it.
        other = type(self)(self.transform)
        other._parts = list(self._parts)
        return other

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See rows."""
        self._parts.append(self.transform(values, *extras))

    def merge(self, other: Self) -> None:
        self._parts += other._parts

    def result(self) -> tuple[np.ndarray, ...]:
        """What was made of all rows seen, an array a result; nothing where there were none."""
        return tuple(map(np.concatenate, zip(*self._parts, strict=True)))
