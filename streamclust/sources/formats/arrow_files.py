"""Tables in Arrow's own formats: Feather and IPC files, streams, and folders of Hugging Face data
sets, which are such streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import check_layout
from streamclust.sources.formats.columns import (
    Columns,
    columns_of,
    import_pyarrow,
    path_column,
    rows_of,
    texts_of,
    with_width,
)
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".arrow", ".feather", ".ipc", ".arrows")
_FILE = b"ARROW1"
# A stream begins with the length of its schema, behind a mark.
_STREAM = b"\xff\xff\xff\xff"
_END = _STREAM + bytes(4)
_STATE = "state.json"
_SPLITS = "dataset_dict.json"
_PIECE_BYTES = 4 * 2**20


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins as Arrow's files and streams do, or is the folder of a data set."""
    if not head:
        return any((path / name).is_file() for name in (_STATE, _SPLITS))
    schema_bytes = int.from_bytes(head[4:8], "little")
    return head.startswith(_FILE) or (head.startswith(_STREAM) and 8 < schema_bytes < 2**28)


@dataclass(eq=False)
class ArrowRows(SequentialSource):
    """Rows of a table.

    Attributes
    ----------
    files : tuple of Path
    columns : Columns
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    files: tuple[Path, ...]
    columns: Columns
    working_bytes: int
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        self.has_paths = self.columns.paths is not None

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """All rows, a record batch cut into some."""
        n_rows = max(1, _PIECE_BYTES // (self.shape[1] * self.dtype.itemsize))
        start = 0
        for file in self.files:
            for batch in _batches(file):
                for first in range(0, len(batch), n_rows):
                    part = batch.slice(first, n_rows)
                    yield start, rows_of(file, self.columns, part, start)
                    start += len(part)

    def iter_paths(self) -> Iterator[str]:
        """The column of paths."""
        name = self.columns.paths
        assert name is not None
        batches = (batch for file in self.files for batch in _batches(file))
        return texts_of(self.path, name, batches)


def open_array(path: Path, member: str | None = None) -> ArrowRows:
    """Open the column of lists of a table, or its columns of numbers.

    A stream does not tell how many rows it has: it is read once for that.

    Raises
    ------
    SourceError
        When there are none, or several columns of lists of which none is named.
    """
    files = _files(path) if path.is_dir() else (path,)
    columns: Columns | None = None
    n_rows = largest = 0
    for file in files:
        counted = _n_rows(file)
        for batch in _batches(file):
            if columns is None:
                chosen = columns_of(path, batch.schema, member)
                columns = with_width(path, chosen, iter([batch])) if len(batch) else None
            largest = max(largest, batch.nbytes)
            if counted is not None and columns is not None:
                break
            n_rows += len(batch) * (counted is None)
        n_rows += counted or 0
    if columns is None:
        raise SourceError(f"{path}: has 0 rows: there is nothing to cluster")
    shape = check_layout(path, (n_rows, columns.width or 0), columns.dtype)
    # A batch as it is unpacked and as it was packed.
    return ArrowRows(path, shape, columns.dtype, files, columns, 2 * largest)


def iter_paths(path: Path, member: str | None = None) -> Iterator[str]:
    """The column of paths of a table, whatever else it holds.

    Raises
    ------
    SourceError
        When it has none.
    """
    files = _files(path) if path.is_dir() else (path,)
    name = next((path_column(batch.schema) for batch in _batches(files[0])), None)
    if name is None:
        raise SourceError(f"{path}: no column is called 'path': rename the one that is")
    return texts_of(path, name, (batch for file in files for batch in _batches(file)))


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


def _batches(path: Path) -> Iterator[Any]:
    """The record batches of a file or stream."""
    pyarrow = import_pyarrow(path, "an Arrow file")
    try:
        # Not mapped: mapped pages would count as resident memory.
        with pyarrow.OSFile(str(path)) as source:
            if _begins_as_file(path):
                with pyarrow.ipc.open_file(source) as file:
                    for number in range(file.num_record_batches):
                        yield file.get_batch(number)
            else:
                # A stream that breaks off between two batches would pass for whole.
                source.seek(max(0, source.size() - len(_END)))
                if source.read() != _END:
                    raise SourceError(f"{path}: breaks off before its end: copy or write it again")
                source.seek(0)
                with pyarrow.ipc.open_stream(source) as stream:
                    yield from stream
    except pyarrow.lib.ArrowException as error:
        raise _unreadable(path, error) from error
    except OSError as error:
        if error.errno:
            raise
        raise _unreadable(path, error) from error


def _n_rows(path: Path) -> int | None:
    """The rows of a file, as its metadata tell; None of a stream."""
    pyarrow = import_pyarrow(path, "an Arrow file")
    if not _begins_as_file(path):
        return None
    import pyarrow.dataset as dataset

    try:
        return int(dataset.dataset(path, format="ipc").count_rows())
    except (pyarrow.lib.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def _begins_as_file(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_FILE)) == _FILE


def _unreadable(path: Path, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())[:200]
    return SourceError(f"{path}: is damaged ({reason}): copy or write it again")
