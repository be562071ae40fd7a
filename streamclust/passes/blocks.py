"""Rows of an array cut into blocks whose size depends on the array alone, parts of it included."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

RAW_BLOCK_BYTES = 32 * 2**20
REDUCED_BLOCK_BYTES = 8 * 2**20
_MOST_ROWS = 2**17


def block_rows(row_bytes: int, n_rows: int, block_bytes: int = RAW_BLOCK_BYTES) -> int:
    """Rows of a block: the largest power of two that keeps it within `block_bytes`, or all.

    Powers of two align: every larger block is a whole number of smaller ones, so a pass that
    reads one array and writes another never has two writers in one chunk.
    """
    rows = max(1, block_bytes // max(1, row_bytes))
    return max(1, min(1 << (rows.bit_length() - 1), _MOST_ROWS, n_rows))


@dataclass(frozen=True)
class Span:
    """Consecutive rows that one task works through."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def part(self) -> slice:
        """What takes these rows out of an array."""
        return slice(self.start, self.stop)


def spans_of(n_rows: int, size: int) -> list[Span]:
    """Cut rows into spans of `size`; the last may be shorter."""
    return [Span(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


@dataclass(frozen=True)
class Block:
    """The valid rows of a span, and which of the span's rows they are (None: all)."""

    span: Span
    values: np.ndarray
    extras: tuple[np.ndarray, ...]
    mask: np.ndarray | None


@dataclass(frozen=True)
class Shape:
    """The shape and type of an array that is not there yet: of `Rows` that are planned.

    Parameters
    ----------
    shape : tuple of int
        (n_rows, n_columns)
    dtype : dtype
    """

    shape: tuple[int, int]
    dtype: Any


class Columns:
    """Arrays of shape (n_rows,), such as labels of several clusterings, as the columns of one.

    Parameters
    ----------
    arrays : sequence of array-like of int32, shape (n_rows,)
        One at least.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = list(arrays)
        self.shape = (int(self.arrays[0].shape[0]), len(self.arrays))
        self.dtype = np.dtype(np.int32)

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.stack([array[part] for array in self.arrays], axis=1)


@dataclass(frozen=True)
class Rows:
    """A 2-D array to go through, with what belongs to its rows.

    Parameters
    ----------
    array : array-like of shape (n_rows, n_columns)
        Anything with ``shape``, ``dtype`` and row slices: numpy, memmap, Zarr, dask, a source.
    valid : array-like of bool of shape (n_rows,), optional
        Rows that are False are passed over.
    extras : tuple of array-like of shape (n_rows, ...)
        Handed along with the rows, e.g. labels or weights.
    numbered : bool
        Hand the row numbers (int64) along too, as the last extra.
    rows_a_block : int, optional
        By default 8 to 32 MiB of rows: results depend on it, so it never follows the budget.
    """

    array: Any
    valid: Any = None
    extras: tuple[Any, ...] = ()
    numbered: bool = False
    rows_a_block: int = 0

    def __post_init__(self) -> None:
        if self.rows_a_block == 0:
            object.__setattr__(self, "rows_a_block", block_rows(self.row_bytes, self.n_rows))

    @property
    def n_rows(self) -> int:
        return int(self.array.shape[0])

    @property
    def n_columns(self) -> int:
        return int(self.array.shape[1])

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""
        return np.dtype(self.array.dtype).itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, extras not counted."""
        return self.n_columns * self.itemsize

    @property
    def block_bytes(self) -> int:
        """Bytes of a block of rows, extras not counted."""
        return self.rows_a_block * self.row_bytes

    def having(self, **changes: Any) -> "Rows":
        """The same rows with other extras, numbering or block size."""
        return replace(self, **changes)

    def spans(self, rows: int = 0) -> list[Span]:
        """Cut all rows into spans of `rows` (a block each by default)."""
        return spans_of(self.n_rows, max(rows, self.rows_a_block))

    def read(self, span: Span) -> Block:
        """Read a span at once."""
        part = slice(span.start, span.stop)
        values = np.asarray(self.array[part])
        extras = tuple(np.asarray(extra[part]) for extra in self.extras)
        if self.numbered:
            extras += (np.arange(span.start, span.stop),)
        if self.valid is None:
            return Block(span, values, extras, None)
        mask = np.asarray(self.valid[part])
        if mask.all():
            return Block(span, values, extras, None)
        return Block(span, values[mask], tuple(extra[mask] for extra in extras), mask)

    def blocks(self, span: Span) -> Iterator[Block]:
        """Read a span block by block."""
        for start in range(span.start, span.stop, self.rows_a_block):
            yield self.read(Span(start, min(start + self.rows_a_block, span.stop)))


class Part:
    """Consecutive rows of an array, to read and to write; can be pickled as the array can.

    Parameters
    ----------
    array : array-like of shape (n_rows, ...)
        With row slices; of a Zarr array, chunks and fill value are told as they are.
    start : int
        The first row.
    stop : int, optional
        The row after the last; that of the array by default.
    """

    def __init__(self, array: Any, start: int, stop: int | None = None) -> None:
        self.array = array
        self.start = start
        n_rows = (int(array.shape[0]) if stop is None else stop) - start
        self.shape = (n_rows, *array.shape[1:])
        self.dtype = array.dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        return self.array.chunks

    @property
    def fill_value(self) -> Any:
        return self.array.fill_value

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.asarray(self.array[self._there(rows)])

    def __setitem__(self, rows: slice, values: np.ndarray) -> None:
        self.array[self._there(rows)] = values

    def _there(self, rows: slice) -> slice:
        start, stop, _ = rows.indices(self.shape[0])
        return slice(self.start + start, self.start + stop)


class Stacked:
    """The rows of several arrays, one after another, to read.

    Parameters
    ----------
    arrays : sequence of array-like of shape (n_rows, n_columns)
        Of one type and width.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = list(arrays)
        self.shape = (sum(int(array.shape[0]) for array in arrays), *arrays[0].shape[1:])
        self.dtype = arrays[0].dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.shape[0])
        parts, first = [], 0
        for array in self.arrays:
            here = slice(max(start - first, 0), min(stop - first, int(array.shape[0])))
            if here.start < here.stop:
                parts.append(np.asarray(array[here]))
            first += int(array.shape[0])
        if not parts:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def read_rows(array: Any, start: int, stop: int) -> np.ndarray:
    """Rows `start` to `stop`, at most a chunk's.

    Zarr reads whole chunks. Where arrays of different widths are read side by side, in blocks of
    the widest, the chunks of a narrow one would be read many times over: of an uncompressed array
    on disk the rows are read alone.
    """
    chunk = array.chunks[0]
    file = _chunk_file(array, start // chunk)
    if file is None or stop > (start // chunk + 1) * chunk:
        return np.asarray(array[start:stop])
    n_columns = int(np.prod(array.shape[1:]))
    first, count = start % chunk, stop - start
    offset = first * n_columns * array.dtype.itemsize
    values = np.fromfile(file, array.dtype, count * n_columns, offset=offset)
    if values.size < count * n_columns:  # damaged: Zarr says how
        return np.asarray(array[start:stop])
    return values.reshape(count, *array.shape[1:])


def rows_at(array: Any, rows: np.ndarray) -> np.ndarray:
    """Rows of a Zarr array by their numbers, in any order, a chunk in memory at a time."""
    chunk = array.chunks[0]
    dtype = object if array.dtype.kind in "TU" else array.dtype
    values = np.empty((len(rows), *array.shape[1:]), dtype)
    for number in np.unique(rows // chunk):
        here = rows // chunk == number
        start = int(number) * chunk
        part = np.asarray(array[start : start + chunk], dtype)
        values[here] = part[rows[here] - start]
    return values


def _chunk_file(array: Any, number: int) -> Path | None:
    """The file of a chunk of whole rows that is stored as it is; None where there is none."""
    folder = getattr(getattr(array, "store", None), "root", None)
    if not isinstance(folder, Path) or not _is_plain(array):
        return None
    key = array.metadata.encode_chunk_key((number,) + (0,) * (array.ndim - 1))
    file = folder / array.path / key
    if not file.exists():
        return None
    if check := getattr(array.store, "check_chunk", None):
        check(f"{array.path}/{key}".lstrip("/"))
    return file


def _is_plain(array: Any) -> bool:
    from zarr.codecs import BytesCodec, Crc32cCodec

    codecs: Any = getattr(array.metadata, "codecs", ())
    # A checksum stands behind the values.
    others = [codec for codec in codecs if not isinstance(codec, Crc32cCodec)]
    little = len(others) == 1 and isinstance(others[0], BytesCodec)
    whole = array.chunks[1:] == array.shape[1:]
    return bool(little and whole and getattr(others[0].endian, "value", None) in (None, "little"))
