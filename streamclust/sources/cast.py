"""Rows given in another floating-point type than their file has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource


@dataclass(eq=False)
class Cast(ArraySource):
    """Rows of another source, rounded to the nearest value of `dtype`.

    Raises
    ------
    SourceError
        When a value that is finite is beyond the range of `dtype`.
    """

    source: ArraySource
    dtype: np.dtype

    def __post_init__(self) -> None:
        self.path, self.state = self.source.path, self.source.state
        self.shape, self.order = self.source.shape, self.source.order
        self.has_paths, self.is_sequential = self.source.has_paths, self.source.is_sequential
        block = self.shape[1] * self.source.dtype.itemsize
        self.working_bytes = self.source.working_bytes + block

    def iter_paths(self) -> Iterator[str]:
        """The paths of all rows in their order."""
        return self.source.iter_paths()

    def check_unchanged(self) -> None:
        """As of the source that is read."""
        self.source.check_unchanged()

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        rows = self.source.read(start, stop)
        with np.errstate(over="ignore", under="ignore"):
            cast = rows.astype(self.dtype)
        if not np.isfinite(cast).all():
            lost = np.isinf(cast) & np.isfinite(rows)
            if lost.any():
                row, column = np.argwhere(lost)[0]
                raise SourceError(
                    f"{self.path}: row {start + row} holds {rows[row, column]:.6g}, and "
                    f"{self.dtype} ends at {np.finfo(self.dtype).max:.6g}: leave out --store-dtype"
                )
        return cast


def rounded(source: ArraySource, dtype: str | np.dtype | None) -> ArraySource:
    """A source whose rows are of a narrower floating-point type; itself where they are, or are
    integers, or no type is given."""
    if dtype is None or source.dtype.kind != "f":
        return source
    narrow = np.dtype(dtype).itemsize < source.dtype.itemsize
    return Cast(source, np.dtype(dtype)) if narrow else source
