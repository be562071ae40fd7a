"""Arrays in numpy's own format, ``.npy``."""

from __future__ import annotations

import io
import os
from io import FileIO
from pathlib import Path
from typing import Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import (
    ArraySource,
    RawBytes,
    StoredArray,
    check_layout,
    check_only_array,
    stored_array,
)
from streamclust.sources.formats.appended_arrays import all_arrays

# numpy reads a header whole before it looks at its length, so it is given no more than this.
HEADER_LIMIT = 1 << 16
# The magic string, the version, and the length of the header.
_PREAMBLE = 12

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


ENDINGS = (".npy",)


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins as numpy's files do."""
    return head.startswith(b"\x93NUMPY")


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open a ``.npy`` file: C or Fortran order, any byte order, never a pickle.

    Arrays that np.save appended to it follow the first, as rows of one array.

    Raises
    ------
    SourceError
        If a header is not one of numpy's, an array is no table of numbers or unlike
        the first, or the file ends before its array does, or goes on after it.
    """
    check_only_array(path, member)
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        return all_arrays(path, size, _Arrays(path, file, size).array_at)


class _Arrays:
    """The arrays of an open file."""

    def __init__(self, path: Path, file: FileIO, size: int) -> None:
        self.path = path
        self.file = file
        self.size = size
        self._last: tuple[bytes, Header] | None = None

    def array_at(self, start: int) -> tuple[StoredArray, int]:
        """The array whose header begins at byte `start`, and where it ends."""
        head = self._head(start)
        # Batches are mostly alike, and numpy takes as long for a header as the rest together.
        if self._last is None or self._last[0] != head:
            self._last = head, read_header(self.path, head)
        shape, order, dtype, length = self._last[1]
        rows, columns = check_layout(self.path, shape, dtype)
        width, first = columns * dtype.itemsize, start + length
        missing = rows * width - (self.size - first)
        if missing > 0:
            raise SourceError(
                f"{self.path}: ends before its array does: {missing} of {rows * width} bytes are "
                f"missing ({-(-missing // width)} of {rows} rows): copy or save the file again"
            )
        payload = RawBytes(first, rows * width)
        return stored_array(self.path, shape, dtype, order, payload), first + payload.size

    def _head(self, start: int) -> bytes:
        """The header that begins at byte `start`, as far as it is there."""
        self.file.seek(start)
        head = self.file.read(_PREAMBLE)
        # Behind the version: the length of what follows, in two bytes, or in four since version 2.
        n_bytes = 2 if head[6:7] == b"\x01" else 4
        length = 8 + n_bytes + int.from_bytes(head[8 : 8 + n_bytes], "little")
        head += self.file.read(max(0, min(length, HEADER_LIMIT) - len(head)))
        return head[:length]


Header = tuple[tuple[int, ...], Literal["C", "F"], np.dtype, int]


def read_header(path: Path, content: bytes) -> Header:
    """Shape, order, dtype and length of the header that `content` begins with.

    Raises
    ------
    SourceError
        If it is not one of numpy's.
    """
    head = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(head)
        if version not in _HEADER_READERS:
            raise ValueError(f"version {version} is for structured arrays only")
        shape, fortran, dtype = _HEADER_READERS[version](head)
    except Exception as error:  # numpy's parser lets many kinds of error out of a bad header
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"{path}: is not a .npy file, or its header is damaged ({reason}): "
            f"save the array again with np.save"
        ) from error
    return shape, "F" if fortran else "C", dtype, head.tell()
