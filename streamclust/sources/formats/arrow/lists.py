"""A column of lists of numbers, read from the bodies of record batches, in pieces: Arrow's library
holds a batch whole, and some writers put all rows into one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.formats.arrow.columns import (
    Columns,
    damaged,
    null_error,
    ragged_error,
    reading,
)
from streamclust.sources.formats.arrow.messages import Batch, Batches, Buffers, buffers_of

# What a zstd frame and its windows take.
UNPACKING_BYTES = 24 * 2**20
_AT_ONCE = 2**20


@dataclass(frozen=True)
class ListColumn:
    """Where a column of lists is among the buffers of a record batch.

    Attributes
    ----------
    name : str
    node, buffer, view : int
        What comes before it.
    place_type : dtype or None
        Of the places where lists end; None where all are of one length.
    stored : dtype
    """

    name: str
    node: int
    buffer: int
    view: int
    place_type: np.dtype | None
    stored: np.dtype

    def width(self, path: Path, batches: Sequence[Batch]) -> int:
        """Numbers of the first list, of which there is one."""
        assert self.place_type is not None
        for batch in batches:
            if batch.rows:
                with reading(path, "an Arrow file") as pyarrow, pyarrow.OSFile(str(path)) as file:
                    return _Found(path, file, self, batch, 0).first_width(self.place_type)
        return 0

    def pieces(
        self, path: Path, batch: Batch, width: int, n_rows: int, first: int, skip: int
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Rows of a batch with the number of the first of each piece.

        Parameters
        ----------
        first : int
            Number of the batch's first row.
        skip : int
            Rows that may be left out.
        """
        if not batch.rows:
            return
        with reading(path, "an Arrow file") as pyarrow, pyarrow.OSFile(str(path)) as file:
            found = _Found(path, file, self, batch, first)
            found.check(width)
            values, done = found.values(width, skip)
            while done < batch.rows:
                count = min(n_rows, batch.rows - done)
                yield first + done, values.read(count * width, self.stored).reshape(-1, width)
                done += count


def list_column(schema: Any, columns: Columns, batches: Batches) -> ListColumn | None:
    """The column of lists of a table; None where only Arrow's library can read it."""
    import pyarrow.types as types

    if not (columns.is_list and batches.is_little and sys.byteorder == "little"):
        return None
    (name,) = columns.values
    node = buffer = view = 0
    for field in schema:
        if field.name == name:
            kind = getattr(field.type, "storage_type", field.type)
            place_type = (
                None
                if types.is_fixed_size_list(kind)
                else np.dtype(np.int64 if types.is_large_list(kind) else np.int32)
            )
            return ListColumn(name, node, buffer, view, place_type, columns.dtype)
        taken = _taken(field.type)
        if taken is None:
            return None
        node, buffer, view = node + taken[0], buffer + taken[1], view + taken[2]
    return None


def _taken(kind: Any) -> tuple[int, int, int] | None:
    """Nodes, buffers and views of a column of a type; None where that is not known."""
    import pyarrow.types as types

    kind = getattr(kind, "storage_type", kind)
    if types.is_null(kind):
        return 1, 0, 0
    if types.is_primitive(kind) or types.is_fixed_size_binary(kind) or types.is_decimal(kind):
        return 1, 2, 0
    if types.is_dictionary(kind):
        return 1, 2, 0
    texts = (types.is_string, types.is_binary, types.is_large_string, types.is_large_binary)
    if any(is_one(kind) for is_one in texts):
        return 1, 3, 0
    if str(kind) in ("string_view", "binary_view"):
        return 1, 2, 1
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind)
    if is_list or types.is_fixed_size_list(kind) or types.is_struct(kind):
        nodes, buffers, views = 1, 1 + is_list, 0
        for number in range(kind.num_fields):
            if (inner := _taken(kind.field(number).type)) is None:
                return None
            nodes, buffers, views = nodes + inner[0], buffers + inner[1], views + inner[2]
        return nodes, buffers, views
    return None


class _Found:
    """The buffers of a column in a record batch of an open file."""

    def __init__(self, path: Path, file: Any, column: ListColumn, batch: Batch, first: int) -> None:
        self.path, self.file, self.column, self.first = path, file, column, first
        head: Buffers = buffers_of(path, batch)
        self.codec = head.codec
        start = column.buffer + sum(head.n_views[: column.view])
        n_buffers = 3 if column.place_type is None else 4
        self.buffers = head.buffers[start : start + n_buffers]
        nodes = head.nodes[column.node : column.node + 2]
        if len(nodes) < 2 or len(self.buffers) < n_buffers or nodes[0][0] != batch.rows:
            raise damaged(path, ValueError(f"'{column.name}' is not whole"))
        (self.rows, self.nulls), (self.n_values, self.inner_nulls) = nodes

    def check(self, width: int) -> None:
        """Refuse nulls, and lists of another length."""
        if self.nulls:
            raise null_error(self.path, self.column.name, self.first + self._first_null(0))
        if self.column.place_type is not None:
            self._check_places(width, self.column.place_type)
        if self.inner_nulls:
            row = self.first + self._first_null(len(self.buffers) - 2) // width
            raise null_error(self.path, self.column.name, row)
        if self.n_values < self.rows * width:
            raise damaged(self.path, ValueError(f"'{self.column.name}' is not whole"))

    def _check_places(self, width: int, dtype: np.dtype) -> None:
        reader = self._opened(1, (self.rows + 1) * dtype.itemsize)
        end = reader.read(1, dtype)
        if end[0] != 0:
            raise damaged(self.path, ValueError(f"'{self.column.name}' begins in between"))
        for done in range(0, self.rows, _AT_ONCE):
            places = np.append(end, reader.read(min(_AT_ONCE, self.rows - done), dtype))
            lengths, end = np.diff(places), places[-1:]
            others = np.flatnonzero(lengths != width)
            if len(others):
                row, length = self.first + done + int(others[0]), int(lengths[others[0]])
                raise ragged_error(self.path, self.column.name, row, length, width)

    def first_width(self, dtype: np.dtype) -> int:
        """Numbers of the first list."""
        start, end = self._opened(1, 2 * dtype.itemsize).read(2, dtype).tolist()
        return int(end - start)

    def values(self, width: int, skip: int) -> tuple[_Reader, int]:
        """What reads the values, and the rows that it leaves out."""
        row_bytes = width * self.column.stored.itemsize
        last = len(self.buffers) - 1
        reader = self._opened(last, self.rows * row_bytes, skip * row_bytes)
        return reader, skip if reader.is_raw else 0

    def _first_null(self, number: int) -> int:
        """The first value that is none, by the bits of a buffer."""
        n_bits = self.rows if number == 0 else self.n_values
        n_bytes = -(-n_bits // 8)
        reader = self._opened(number, n_bytes)
        for done in range(0, n_bytes, _AT_ONCE):
            bits = reader.read(min(_AT_ONCE, n_bytes - done), np.dtype(np.uint8))
            values = np.unpackbits(bits, bitorder="little")[: n_bits - 8 * done]
            if not values.all():
                return 8 * done + int(values.argmin())
        raise damaged(self.path, ValueError(f"'{self.column.name}' tells of nulls and has none"))

    def _opened(self, number: int, n_bytes: int, skip: int = 0) -> _Reader:
        """A reader of a buffer of so many bytes; of what is not packed, some may be left out."""
        import pyarrow

        start, length = self.buffers[number]
        codec, unpacked = self.codec, length
        if codec is not None:
            told = _Reader(self.path, self.file.get_stream(start, min(8, length)), is_raw=True)
            unpacked = int(told.read(1, np.dtype("<i8"))[0])
            start, length = start + 8, length - 8
            # What would not become smaller stands there as it is.
            if unpacked == -1:
                codec, unpacked = None, length
        if unpacked < n_bytes:
            raise damaged(self.path, ValueError(f"'{self.column.name}' is too short for its rows"))
        if codec is None:
            stream = self.file.get_stream(start + skip, length - skip)
            return _Reader(self.path, stream, is_raw=True)
        packed = self.file.get_stream(start, length)
        return _Reader(self.path, pyarrow.CompressedInputStream(packed, codec), is_raw=False)


@dataclass
class _Reader:
    """A stream of bytes, unpacked or as they stand in the file."""

    path: Path
    stream: Any
    is_raw: bool

    def read(self, count: int, dtype: np.dtype) -> np.ndarray:
        """The next values; SourceError where the stream ends before."""
        values = np.empty(count, dtype)
        buffer, done = values.view(np.uint8).data, 0
        while done < len(buffer):
            n_bytes = self.stream.readinto(buffer[done:])
            if n_bytes == 0:
                raise SourceError(f"{self.path}: ends within its values: copy or write it again")
            done += n_bytes
        return values
