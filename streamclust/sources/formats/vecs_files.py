"""Vectors of nearest-neighbour benchmarks, ``.fvecs``, ``.bvecs`` and ``.ivecs``: each row stands
behind its number of columns.

Reference: the TEXMEX corpus, http://corpus-texmex.irisa.fr
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, check_layout, check_only_array, opened

_DTYPES = {".fvecs": "<f4", ".bvecs": "u1", ".ivecs": "<i4"}
ENDINGS = tuple(_DTYPES)
_COUNT = np.dtype("<i4")


def is_one(path: Path, head: bytes) -> bool:
    """Whether it is called so, and is a whole number of rows of the first one's columns."""
    dtype = _DTYPES.get(path.suffix.lower())
    columns = int.from_bytes(head[:4], "little")
    return (
        dtype is not None
        and 0 < columns < 2**24
        and path.stat().st_size % (_COUNT.itemsize + columns * np.dtype(dtype).itemsize) == 0
    )


@dataclass(eq=False)
class Vectors(ArraySource):
    """Rows that stand behind their numbers of columns."""

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    stored: np.dtype
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        # A block is read with the numbers, and then without.
        self.working_bytes = self.shape[1] * self.stored.itemsize

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        width = _COUNT.itemsize + self.shape[1] * self.stored.itemsize
        content = np.empty((stop - start, width), np.uint8)
        if not len(content):
            return np.empty((0, self.shape[1]), self.dtype)
        with opened(self.path) as file:
            file.readinto(content.reshape(-1).data, start * width)
        counts = content[:, : _COUNT.itemsize].copy().view(_COUNT)[:, 0]
        others = np.flatnonzero(counts != self.shape[1])
        if len(others):
            raise SourceError(
                f"{self.path}: row {start + others[0]} has {counts[others[0]]} columns, and the "
                f"first {self.shape[1]}: rows of one set have as many"
            )
        if self.stored.itemsize == _COUNT.itemsize:  # copied faster than bytes are
            rows = np.ascontiguousarray(content.view(self.stored)[:, 1:])
        else:
            rows = np.ascontiguousarray(content[:, _COUNT.itemsize :]).view(self.stored)
        return rows.astype(self.dtype, copy=False)


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open a file of vectors, whose type its ending tells.

    Raises
    ------
    SourceError
        When it is no whole number of rows.
    """
    check_only_array(path, member)
    stored = np.dtype(_DTYPES[path.suffix.lower()])
    with open(path, "rb") as file:
        columns = int.from_bytes(file.read(4), "little")
        size = os.fstat(file.fileno()).st_size
    width = _COUNT.itemsize + columns * stored.itemsize
    if size % width:
        raise SourceError(
            f"{path}: its {size} bytes are no whole number of rows of {columns} columns: "
            "copy it again"
        )
    shape = check_layout(path, (size // width, columns), stored)
    return Vectors(path, shape, stored.newbyteorder("="), stored)
