"""Rows of an array cut into blocks whose size depends on the array alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
            row_bytes = self.array.shape[1] * np.dtype(self.array.dtype).itemsize
            object.__setattr__(self, "rows_a_block", block_rows(row_bytes, self.n_rows))

    @property
    def n_rows(self) -> int:
        return int(self.array.shape[0])

    @property
    def n_columns(self) -> int:
        return int(self.array.shape[1])

    def having(self, **changes: Any) -> "Rows":
        """The same rows with other extras, numbering or block size."""
        return replace(self, **changes)

    def spans(self, rows: int = 0) -> list[Span]:
        """Cut all rows into spans of `rows` (a block each by default)."""
        size = max(rows, self.rows_a_block)
        return [Span(i, min(i + size, self.n_rows)) for i in range(0, self.n_rows, size)]

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
