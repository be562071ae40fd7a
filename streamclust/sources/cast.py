"""Rows given in another floating-point type than their file has."""

from __future__ import annotations

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, WrappedSource


class Cast(WrappedSource):
    """Rows of another source, rounded to the nearest value of `dtype`.

    Parameters
    ----------
    source : ArraySource
    dtype : dtype
    """

    def __init__(self, source: ArraySource, dtype: np.dtype) -> None:
        super().__init__(source)
        self.dtype = dtype
        self.working_bytes += self.shape[1] * source.dtype.itemsize

    def check_unchanged(self) -> None:
        """As of the source that is read."""
        self.source.check_unchanged()

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`.

        Raises
        ------
        SourceError
            When a finite value is beyond the range of `dtype`, or all of a row are below it.
        """
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
        # A tail of tiny values may well be zeros; not a whole row.
        lost = ~cast.any(axis=1) & rows.any(axis=1)
        if lost.any():
            row = int(np.flatnonzero(lost)[0])
            raise SourceError(
                f"{self.path}: row {start + row} holds up to {np.abs(rows[row]).max():.6g}, which "
                f"{self.dtype} has as 0: leave out --store-dtype"
            )
        return cast


def rounded(source: ArraySource, dtype: str | np.dtype | None) -> ArraySource:
    """A source whose rows are of a narrower floating-point type; itself where they are, or are
    integers, or no type is given."""
    if dtype is None or source.dtype.kind != "f":
        return source
    narrow = np.dtype(dtype).itemsize < source.dtype.itemsize
    return Cast(source, np.dtype(dtype)) if narrow else source
