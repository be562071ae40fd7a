"""Arrays in packed files: numpy's, pickles and joblib's in gzip, bzip2, xz, zstd or zlib."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import check_layout, check_only_array, stored_as
from streamclust.sources.formats.npy_files import HEADER_LIMIT, read_header
from streamclust.sources.formats.plain_pickles import PlainArray, read_plain
from streamclust.sources.formats.unpacking import packing_of, unpacked, working_bytes
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".z")
_PIECE_BYTES = 2**20
# Of what stands behind the values of an array: opcodes, which are fewer.
_TAIL_BYTES = 64
_NUMPY = b"\x93NUMPY"


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins as packed files do."""
    return packing_of(head) is not None


@dataclass(eq=False)
class PackedRows(SequentialSource):
    """Rows that are unpacked one after another.

    Attributes
    ----------
    file : Path
    stored : dtype
        As they are unpacked.
    first : int
        Where they begin in what is unpacked.
    tail : bytes or None
        What has to stand behind them, as a regular expression; None where that was read when the
        file was opened.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    file: Path
    stored: np.dtype
    first: int
    tail: bytes | None
    working_bytes: int
    order: Literal["C", "F"] = "C"

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """All rows, and at last whether anything follows."""
        width = self.shape[1] * self.stored.itemsize
        n_rows = max(1, _PIECE_BYTES // width)
        with unpacked(self.file) as content:
            _fill(self.file, content, np.empty(self.first, np.uint8))
            for start in range(0, len(self), n_rows):
                shape = min(n_rows, len(self) - start), self.shape[1]
                values = np.empty(shape, self.stored)
                _fill(self.file, content, values.reshape(-1).view(np.uint8))
                yield start, values.astype(self.dtype, copy=False)
            if self.tail is not None:
                self._check_end(content.read(_TAIL_BYTES), self.tail)

    def _check_end(self, found: bytes, tail: bytes) -> None:
        if re.fullmatch(tail, found, re.DOTALL):
            return
        if re.match(tail, found, re.DOTALL):
            raise SourceError(
                f"{self.file}: goes on behind its array: unpack it first, where arrays may follow "
                "one another"
            )
        raise SourceError(f"{self.file}: does not end as its array has to: pack it again")


def open_array(path: Path, member: str | None = None) -> PackedRows:
    """Open a packed file of one array. A pickle of protocol 5 is unpacked once to see its end.

    Raises
    ------
    SourceError
        When it holds anything else, or columns one after another.
    """
    check_only_array(path, member)
    with unpacked(path) as content:
        head = content.read(HEADER_LIMIT)
        found = _described(path, head, content)
    table = check_layout(path, found.shape, found.dtype)
    _check_size(path, table[0] * table[1] * found.dtype.itemsize)
    if found.order == "F" and min(table) > 1:
        raise SourceError(
            f"{path}: is packed column after column, and cannot be read by rows: unpack it first, "
            "or pack np.ascontiguousarray of the array"
        )
    return PackedRows(
        path=path,
        shape=table,
        dtype=stored_as(found.dtype),
        file=path,
        stored=found.dtype,
        first=found.start,
        tail=found.tail,
        working_bytes=working_bytes(path),
    )


def _check_size(path: Path, n_bytes: int) -> None:
    """Refuse an array of more bytes than can be packed in the file: nobody waits for it, and no
    memory is taken for its rows."""
    with open(path, "rb") as file:
        packing = packing_of(file.read(8))
        packed = os.fstat(file.fileno()).st_size
    if packing is None or n_bytes > packed * packing.most:
        raise SourceError(
            f"{path}: ends before its array does: {packed} packed bytes cannot hold the {n_bytes} "
            "that it tells of: copy or pack it again"
        )


def _described(path: Path, head: bytes, content: IO[bytes]) -> PlainArray:
    if head.startswith(_NUMPY):
        shape, order, dtype, length = read_header(path, head)
        return PlainArray(shape, order, dtype, length, b"")
    if head[:1] == b"\x80":
        return read_plain(path, _Again(head, content))
    if not head:
        raise SourceError(f"{path}: is cut short, or holds nothing: copy or pack it again")
    what = "a tar archive" if head[257:262] == b"ustar" else "no array that is known"
    raise SourceError(
        f"{path}: holds {what}: unpack it first, or pack a .npy file or the pickle of an array"
    )


class _Again(io.RawIOBase):
    """A stream whose beginning was read, from the beginning on."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self.head = io.BytesIO(head)
        self.rest = rest

    def read(self, size: int = -1) -> bytes:
        data = self.head.read(size)
        return data + self.rest.read(size - len(data)) if len(data) < size else data

    def readline(self, size: int | None = -1) -> bytes:
        return self.head.readline(size)


def _fill(path: Path, content: IO[bytes], buffer: np.ndarray) -> None:
    n_bytes = content.readinto(buffer.data)  # type: ignore[attr-defined]
    if n_bytes < len(buffer):
        raise SourceError(f"{path}: ends before its array does: copy or pack it again")
