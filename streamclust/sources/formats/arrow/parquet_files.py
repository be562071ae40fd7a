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
    named_path_column,
    reading,
    rows_of,
    texts_of,
    with_width,
)
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".parquet", ".pq")
_PIECE_BYTES = 4 * 2**20
_TEXTS_AT_ONCE = 65_536
# What is read of a column at once; whole columns of a group would otherwise be held.
_BUFFER_BYTES = 2**20


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
    order: Literal["C", "F"] = "C"
    # Pages and dictionaries of a few columns, and Arrow's own pool.
    working_bytes: int = 64 * 2**20

    def __post_init__(self) -> None:
        self.has_paths = self.columns.paths is not None

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """Rows from the beginning of a row group on."""
        group = int(np.searchsorted(self.groups, row, side="right")) - 1
        n_rows = max(1, _PIECE_BYTES // (self.shape[1] * self.dtype.itemsize))
        with _opened(self.file) as file:
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
        of_groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    shape = check_layout(path, (n_rows, columns.width or 0), columns.dtype)
    groups = np.cumsum([0, *of_groups], dtype=np.int64)
    return ParquetRows(path, shape, columns.dtype, path, columns, groups)


def iter_paths(path: Path, member: str | None = None) -> Iterator[str]:
    """The column of paths of a table, whatever else it holds.

    Raises
    ------
    SourceError
        When it has none.
    """
    with _opened(path) as file:
        name = named_path_column(path, file.schema_arrow)
        yield from texts_of(path, name, file.iter_batches(_TEXTS_AT_ONCE, columns=[name]))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with reading(path, "a Parquet file"):
        from pyarrow import parquet

        with parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            yield file
