"""Tables in Arrow's own formats: Feather and IPC files, streams, and folders of Hugging Face data
sets, which are such streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from streamclust.errors import SourceError
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
from streamclust.sources.formats.arrow.lists import UNPACKING_BYTES, ListColumn, list_column
from streamclust.sources.formats.arrow.messages import (
    FILE_MAGIC,
    STREAM_MARK,
    Batch,
    batches_of,
    buffers_of,
    is_file,
)
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".arrow", ".feather", ".ipc", ".arrows")
_STATE = "state.json"
_SPLITS = "dataset_dict.json"
# Arrow's own pool.
_POOL_BYTES = 48 * 2**20
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


class _Part(NamedTuple):
    """A file of rows, its record batches, and where its lists are; None where Arrow's library is
    to read them."""

    file: Path
    batches: list[Batch]
    lists: ListColumn | None

    @property
    def n_rows(self) -> int:
        return sum(batch.rows for batch in self.batches)

    @property
    def rows(self) -> list[int]:
        return [batch.rows for batch in self.batches]


@dataclass(eq=False)
class ArrowRows(SequentialSource):
    """Rows of a table.

    Attributes
    ----------
    parts : list of _Part
    columns : Columns
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    parts: list[_Part]
    columns: Columns
    working_bytes: int
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        self.has_paths = self.columns.paths is not None
        self.note = self.columns.note

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """Rows, as near as can be from `row` on."""
        start = 0
        for part in self.parts:
            if row < start + part.n_rows:
                read = _read_by_arrow if part.lists is None else _read_lists
                yield from read(part, self.columns, self.shape[1], start, row - start)
            start += part.n_rows

    def iter_paths(self) -> Iterator[str]:
        """The column of paths."""
        name = self.columns.paths
        assert name is not None
        return texts_of(self.path, name, _of_files([part.file for part in self.parts], name))


def _read_lists(
    part: _Part, columns: Columns, width: int, start: int, row: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Rows from `row` on of a file whose first is `start`."""
    assert part.lists is not None
    n_rows = rows_a_piece(columns, width)
    for batch in part.batches:
        if row < batch.rows:
            skip = max(0, row)
            yield from part.lists.pieces(part.file, batch, width, n_rows, start, skip)
        start, row = start + batch.rows, row - batch.rows


def _read_by_arrow(
    part: _Part, columns: Columns, width: int, start: int, row: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The same, from the beginning of a record batch on, or of a stream."""
    n_rows = rows_a_piece(columns, width)
    first = int(np.searchsorted(np.cumsum(part.rows), row, "right")) if is_file(part.file) else 0
    start += sum(part.rows[:first])
    for batch in _batches(part.file, columns.values, part.rows, first):
        for place in range(0, len(batch), n_rows):
            rows = batch.slice(place, n_rows)
            yield start, rows_of(part.file, columns, rows, start)
            start += len(rows)
        batch = rows = None  # before the next one is read


def open_array(path: Path, member: str | None = None) -> ArrowRows:
    """Open the column of lists of a table, or its columns of numbers.

    Raises
    ------
    SourceError
        When there are none, or several columns of lists of which none is named.
    """
    files = _files(path) if path.is_dir() else (path,)
    schema = _schema(files[0])
    columns = columns_of(path, schema, member)
    parts = []
    for file in files:
        own, found = _schema(file), batches_of(file)
        _check_alike(file, own, schema, columns)
        parts.append(_Part(file, found.batches, list_column(own, columns, found)))
    n_rows = sum(part.n_rows for part in parts)
    if n_rows and columns.width is None:
        columns = _with_width(path, columns, parts)
    shape = check_layout(path, (n_rows, columns.width or 0), columns.dtype)
    row_bytes = shape[1] * columns.dtype.itemsize
    working = UNPACKING_BYTES
    for part in parts:
        for number, batch in enumerate(part.batches):
            if batch.rows * row_bytes > batch.body_bytes * _MOST_UNPACKED:
                what = f"record batch {number} is too short for its rows"
                raise damaged(part.file, ValueError(what))
        if part.lists is None and part.batches:
            # As it was packed, and as it is unpacked.
            largest = max(part.batches, key=lambda batch: batch.body_bytes)
            packed = buffers_of(part.file, largest).codec is not None
            held = largest.body_bytes + packed * largest.rows * row_bytes
            working = max(working, _POOL_BYTES + held)
    return ArrowRows(path, shape, columns.dtype, parts, columns, working)


def _check_alike(file: Path, schema: Any, first: Any, columns: Columns) -> None:
    for name in columns.values:
        if name not in schema.names:
            raise SourceError(f"{file}: has no column '{name}', which shards before it have")
        kinds = [one.field(name).type for one in (schema, first)]
        if kinds[0] != kinds[1]:
            raise SourceError(f"{file}: '{name}' is {kinds[0]}, and {kinds[1]} in the first shard")


def _with_width(path: Path, columns: Columns, parts: Sequence[_Part]) -> Columns:
    for part in parts:
        if part.n_rows and part.lists is not None:
            return replace(columns, width=part.lists.width(part.file, part.batches))
    return with_width(path, columns, _of_files([part.file for part in parts], *columns.values))


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
        rows = [batch.rows for batch in batches_of(file).batches]
        yield from _batches(file, names, rows)


def _batches(path: Path, names: Sequence[str], rows: list[int], first: int = 0) -> Iterator[Any]:
    """Columns of the record batches of a file, from `first` on, or of all of a stream."""
    schema = _schema(path)
    # Not mapped: mapped pages would count as resident memory.
    with reading(path, "an Arrow file") as pyarrow, pyarrow.OSFile(str(path)) as source:
        if missing := [name for name in names if name not in schema.names]:  # of paths, at most
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
    """The record batches, which must have as many rows as their heads told; none is held while
    the next one is read."""
    batches = iter(batches)
    for number, told in enumerate([*rows, None]):
        batch = next(batches, None)
        if told is None and batch is None:
            return
        if batch is None or len(batch) != told:
            raise damaged(path, ValueError(f"record batch {number} is not of {told} rows"))
        yield batch
        del batch
