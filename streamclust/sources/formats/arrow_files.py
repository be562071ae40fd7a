"""Tables in Arrow's own formats: Feather and IPC files, streams, and folders of Hugging Face data
sets, which are such streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import check_layout
from streamclust.sources.formats.arrow_messages import (
    FILE_MAGIC,
    STREAM_MARK,
    batches_of,
    is_file,
)
from streamclust.sources.formats.columns import (
    Columns,
    columns_of,
    damaged,
    named_path_column,
    reading,
    rows_of,
    texts_of,
    with_width,
)
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".arrow", ".feather", ".ipc", ".arrows")
_STATE = "state.json"
_SPLITS = "dataset_dict.json"
_PIECE_BYTES = 4 * 2**20
# A byte of what is packed by zstd or LZ4 unpacks to no more.
_MOST_UNPACKED = 2**16


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins as Arrow's files and streams do, or is the folder of a data set."""
    if not head:
        return any((path / name).is_file() for name in (_STATE, _SPLITS))
    # A stream begins with the length of its schema, behind a mark.
    schema_bytes = int.from_bytes(head[4:8], "little")
    is_stream = head.startswith(STREAM_MARK) and 8 < schema_bytes < 2**28
    return is_stream or head.startswith(FILE_MAGIC)


@dataclass(eq=False)
class ArrowRows(SequentialSource):
    """Rows of a table.

    Attributes
    ----------
    files : tuple of Path
    columns : Columns
    batches : list of list of int
        Rows of the record batches of each file.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    files: tuple[Path, ...]
    columns: Columns
    batches: list[list[int]]
    working_bytes: int
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        self.has_paths = self.columns.paths is not None

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """Rows from the beginning of a record batch on, or of a stream; batches cut into some."""
        n_rows = max(1, _PIECE_BYTES // (self.shape[1] * self.dtype.itemsize))
        start = 0
        for file, of_file in zip(self.files, self.batches, strict=True):
            first = 0
            if start + sum(of_file) <= row:
                first = len(of_file)
            elif is_file(file):
                ends = np.cumsum(of_file)
                first = int(np.searchsorted(ends, row - start, side="right"))
            start += sum(of_file[:first])
            if first == len(of_file):
                continue
            for batch in _batches(file, self.columns.values, of_file, first):
                for place in range(0, len(batch), n_rows):
                    part = batch.slice(place, n_rows)
                    yield start, rows_of(file, self.columns, part, start)
                    start += len(part)

    def iter_paths(self) -> Iterator[str]:
        """The column of paths."""
        name = self.columns.paths
        assert name is not None
        return texts_of(self.path, name, _of_files(self.files, name))


def open_array(path: Path, member: str | None = None) -> ArrowRows:
    """Open the column of lists of a table, or its columns of numbers.

    Raises
    ------
    SourceError
        When there are none, or several columns of lists of which none is named.
    """
    files = _files(path) if path.is_dir() else (path,)
    columns = columns_of(path, _schema(files[0]), member)
    found = [batches_of(file) for file in files]
    n_rows = sum(sum(of_file.rows) for of_file in found)
    if n_rows:
        columns = with_width(path, columns, _of_files(files, *columns.values))
    shape = check_layout(path, (n_rows, columns.width or 0), columns.dtype)
    row_bytes = shape[1] * columns.dtype.itemsize
    working = 0
    for file, of_file in zip(files, found, strict=True):
        for number, (rows, body) in enumerate(zip(*of_file, strict=True)):
            if rows * row_bytes > body * _MOST_UNPACKED:
                raise damaged(file, ValueError(f"record batch {number} is too short for its rows"))
            # As it was packed, and as it is unpacked.
            working = max(working, body + rows * row_bytes)
    rows_of_files = [of_file.rows for of_file in found]
    return ArrowRows(path, shape, columns.dtype, files, columns, rows_of_files, working)


def iter_paths(path: Path, member: str | None = None) -> Iterator[str]:
    """The column of paths of a table, whatever else it holds.

    Raises
    ------
    SourceError
        When it has none.
    """
    files = _files(path) if path.is_dir() else (path,)
    name = named_path_column(path, _schema(files[0]))
    return texts_of(path, name, _of_files(files, name))


def _files(folder: Path) -> tuple[Path, ...]:
    """The streams of a data set's folder, as its state names them."""
    if (folder / _SPLITS).is_file():
        splits = sorted(one.name for one in folder.iterdir() if (one / _STATE).is_file())
        named = f": name one, as {folder.name}/{splits[0]}" if splits else ""
        raise SourceError(f"{folder}: holds {', '.join(splits) or 'no split'}{named}")
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        names = [one["filename"] for one in state["_data_files"]]
        files = tuple(folder / Path(name).name for name in names)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise SourceError(f"{folder}: its {_STATE} cannot be read: save it again") from None
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        raise SourceError(f"{folder}: lacks {', '.join(missing[:3]) or 'its files'}: copy it again")
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise SourceError(f"{folder}: its rows are in another order: save flatten_indices() of it")
    return files


def _schema(path: Path) -> Any:
    with reading(path, "an Arrow file") as pyarrow, pyarrow.OSFile(str(path)) as source:
        opened = pyarrow.ipc.open_file if is_file(path) else pyarrow.ipc.open_stream
        with opened(source) as batches:
            return batches.schema


def _of_files(files: Sequence[Path], *names: str) -> Iterator[Any]:
    """Columns of the record batches of several files."""
    for file in files:
        yield from _batches(file, names, batches_of(file).rows)


def _batches(path: Path, names: Sequence[str], rows: list[int], first: int = 0) -> Iterator[Any]:
    """Columns of the record batches of a file, from `first` on, or of all of a stream."""
    schema = _schema(path)
    # Not mapped: mapped pages would count as resident memory.
    with reading(path, "an Arrow file") as pyarrow, pyarrow.OSFile(str(path)) as source:
        if missing := [name for name in names if name not in schema.names]:
            raise SourceError(f"{path}: has no column '{missing[0]}', which shards before it have")
        places = [schema.get_field_index(name) for name in names]
        options = pyarrow.ipc.IpcReadOptions(included_fields=places)
        if is_file(path):
            with pyarrow.ipc.open_file(source, options=options) as file:
                made = (file.get_batch(number) for number in range(first, file.num_record_batches))
                yield from _of_told_rows(path, made, rows[first:])
        else:
            with pyarrow.ipc.open_stream(source, options=options) as stream:
                yield from _of_told_rows(path, stream, rows)


def _of_told_rows(path: Path, batches: Iterable[Any], rows: list[int]) -> Iterator[Any]:
    """The record batches, which must have as many rows as their heads told."""
    for number, (batch, told) in enumerate(zip_longest(batches, rows)):
        if batch is None or len(batch) != told:
            raise damaged(path, ValueError(f"record batch {number} is not of {told} rows"))
        yield batch
