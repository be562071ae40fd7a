"""Tables in Parquet: row groups, unpacked a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.sources.base import check_layout
from streamclust.sources.formats.arrow.columns import (
    Columns,
    columns_of,
    damaged,
    named_path_column,
    reading,
    rows_a_piece,
    rows_of,
    texts_of,
    with_width,
)
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".parquet", ".pq")
_TEXTS_AT_ONCE = 65_536
# What is read of all columns at once; whole columns of a group would otherwise be held.
_BUFFERS_BYTES = 16 * 2**20
_LEAST_BUFFER, _LARGEST_BUFFER = 2**14, 2**20
# What is held of a column: a page and a dictionary, which is also unpacked. Measured with the sizes
# that writers have by default, and what the allocator keeps.
_PAGES_BYTES, _DICTIONARY_BYTES = 2**21, 3 * 2**18
# Arrow's own pool.
_POOL_BYTES = 48 * 2**20


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins as Parquet does."""
    return head.startswith(b"PAR1")


@dataclass(eq=False)
class ParquetRows(SequentialSource):
    """Rows of a table.

    Attributes
    ----------
    file : Path
    columns : Columns
    groups : ndarray of int64, shape (n_groups + 1,)
        Rows before each row group, and all at last.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    file: Path
    columns: Columns
    groups: np.ndarray
    working_bytes: int
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        self.has_paths = self.columns.paths is not None
        self.note = self.columns.note

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """Rows from the beginning of a row group on."""
        group = int(np.searchsorted(self.groups, row, side="right")) - 1
        n_rows = rows_a_piece(self.columns, self.shape[1])
        with _opened(self.file, len(self.columns.values)) as file:
            start = int(self.groups[group])
            of_groups = {"row_groups": range(group, len(self.groups) - 1)}
            for batch in file.iter_batches(n_rows, columns=[*self.columns.values], **of_groups):
                yield start, rows_of(self.file, self.columns, batch, start)
                start += len(batch)

    def iter_paths(self) -> Iterator[str]:
        """The column of paths."""
        return iter_paths(self.file)


def open_array(path: Path, member: str | None = None) -> ParquetRows:
    """Open the column of lists of a table, or its columns of numbers.

    Raises
    ------
    SourceError
        When there are none, or several columns of lists of which none is named.
    """
    with _opened(path) as file:
        columns = columns_of(path, file.schema_arrow, member)
        batches = (
            batch
            for number in range(file.num_row_groups)
            for batch in file.iter_batches(1, row_groups=[number], columns=[*columns.values])
        )
        n_rows = file.metadata.num_rows
        if n_rows:
            columns = with_width(path, columns, batches)
        held = _held_bytes(file.metadata, len(columns.values))
        of_groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    shape = check_layout(path, (n_rows, columns.width or 0), columns.dtype)
    groups = np.cumsum([0, *of_groups], dtype=np.int64)
    pieces = rows_a_piece(columns, shape[1]) * shape[1] * columns.dtype.itemsize
    working = _POOL_BYTES + _BUFFERS_BYTES + held + 2 * pieces
    return ParquetRows(path, shape, columns.dtype, path, columns, groups, working)


def _held_bytes(metadata: Any, n_columns: int) -> int:
    """What reading the columns holds, of the largest row group.

    Sizes of single columns are not asked for: where they are damaged, that ends the process.
    """
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    whole = max((group.total_byte_size for group in groups), default=0)
    pages, dictionaries = n_columns * _PAGES_BYTES, n_columns * _DICTIONARY_BYTES
    return min(pages, max(0, whole)) + min(dictionaries, max(0, whole))


def iter_paths(path: Path, member: str | None = None) -> Iterator[str]:
    """The column of paths of a table, whatever else it holds.

    Raises
    ------
    SourceError
        When it has none.
    """
    with _opened(path) as file:
        name = named_path_column(path, file.schema_arrow)
        n_texts = 0
        for text in texts_of(path, name, file.iter_batches(_TEXTS_AT_ONCE, columns=[name])):
            yield text
            n_texts += 1
        if n_texts != file.metadata.num_rows:
            raise damaged(path, ValueError(f"'{name}' is not of {file.metadata.num_rows} rows"))


@contextmanager
def _opened(path: Path, n_columns: int = 1) -> Iterator[Any]:
    buffer_size = max(_LEAST_BUFFER, min(_LARGEST_BUFFER, _BUFFERS_BYTES // n_columns))
    with reading(path, "a Parquet file"):
        from pyarrow import parquet

        with parquet.ParquetFile(path, buffer_size=buffer_size, pre_buffer=False) as file:
            yield file
