"""Rows out of columns of Arrow tables: a column of lists, or many of numbers, and one of paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import check_layout
from streamclust.sources.members import descriptor_columns, name_of_paths, note_of_unread

_SHOWN = 12
# Of many columns, more rows at once are read faster.
_PIECE_BYTES, _WIDE_PIECE_BYTES = 4 * 2**20, 16 * 2**20
_TEXTS_AT_ONCE = 65_536
_TEXTS = ("string", "large_string", "string_view")


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are the descriptors, and which the paths.

    Attributes
    ----------
    values : tuple of str
        One column of lists, or columns of numbers in their order.
    is_list : bool
    width : int or None
        Numbers of a row; None where only the rows tell.
    dtype : dtype
    paths : str or None
    note : str
        What is to be said of others.
    """

    values: tuple[str, ...]
    is_list: bool
    width: int | None
    dtype: np.dtype
    paths: str | None
    note: str = ""


def import_pyarrow(path: Path, kind: str) -> Any:
    """Arrow's library, imported when it is met.

    Raises
    ------
    SourceError
        When it is not there.
    """
    try:
        import pyarrow
    except ImportError:
        raise SourceError(f"{path}: is {kind}: pip install 'streamclust[parquet]'") from None
    return pyarrow


@contextmanager
def reading(path: Path, kind: str) -> Iterator[Any]:
    """Arrow's library, what it says of a damaged file being told as ours.

    Raises
    ------
    SourceError
        When it is not there, or refuses what is read in the block.
    """
    pyarrow = import_pyarrow(path, kind)
    try:
        yield pyarrow
    except (pyarrow.lib.ArrowException, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
    except OSError as error:
        if error.errno:
            raise
        raise damaged(path, error) from error


def named_path_column(path: Path, schema: Any) -> str:
    """The column of paths.

    Raises
    ------
    SourceError
        When there is none.
    """
    with reading(path, "a table"):
        name = path_column(schema)
        known = ", ".join(schema.names[:_SHOWN])
    if name is None:
        raise SourceError(f"{path}: no column is called 'path' ({known}): rename one")
    return name


def path_column(schema: Any) -> str | None:
    """The column of paths among those of texts; None where there is none."""
    return name_of_paths(field.name for field in schema if str(_plain(field.type)) in _TEXTS)


def columns_of(path: Path, schema: Any, wanted: str | None) -> Columns:
    """Choose the columns of a table: those of lists first, then all floating-point ones, then all
    integers, but for those that number rows.

    Raises
    ------
    SourceError
        When none holds numbers, or several hold lists.
    """
    import pyarrow.types as types

    with reading(path, "a table"):
        paths = path_column(schema)
        fields = {field.name: field.type for field in schema}
    if len(fields) < len(schema):
        raise SourceError(f"{path}: two of its columns have one name: rename one")
    if wanted is not None and wanted not in fields:
        raise SourceError(f"{path}: holds no column '{wanted}', but {_listed(schema)}: name one")
    lists = {
        name: kind for name, kind in fields.items() if _is_list(kind) and wanted in (None, name)
    }
    if len(lists) > 1:
        names = ", ".join(list(lists)[:_SHOWN])
        first = next(iter(lists))
        raise SourceError(f"{path}: holds lists in {names}: name one, as {path.name}/{first}")
    if lists:
        ((name, kind),) = lists.items()
        width = kind.list_size if types.is_fixed_size_list(kind) else None
        return Columns((name,), True, width, _dtype(path, name, kind.value_type), paths)
    kinds = {
        name: "f" if types.is_floating(kind) else "i" if types.is_integer(kind) else "other"
        for name, kind in fields.items()
    }
    numbers = descriptor_columns(kinds)
    if wanted is not None or not numbers:
        raise SourceError(f"{path}: holds no column of lists of numbers, but {_listed(schema)}")
    dtype = np.result_type(*(_dtype(path, name, fields[name]) for name in numbers))
    note = note_of_unread(path, (name for name in fields if name not in (*numbers, paths)))
    return Columns(tuple(numbers), False, len(numbers), dtype, paths, note)


def rows_a_piece(columns: Columns, width: int) -> int:
    """How many rows are made of columns at once."""
    n_bytes = _PIECE_BYTES if columns.is_list else _WIDE_PIECE_BYTES
    return max(1, n_bytes // (width * columns.dtype.itemsize))


def rows_of(path: Path, columns: Columns, batch: Any, first: int) -> np.ndarray:
    """The rows of a record batch, of which the first is row `first` of the file.

    Raises
    ------
    SourceError
        For nulls, and for lists of another length.
    """
    if columns.is_list:
        column = checked_column(path, batch, columns.values[0])
        return _rows_of_lists(path, columns, column, first)
    rows = np.empty((len(batch), len(columns.values)), columns.dtype)
    for number, name in enumerate(columns.values):
        column = checked_column(path, batch, name)
        if column.null_count:
            raise null_error(path, name, first + _first_null(column))
        rows[:, number] = column.to_numpy(zero_copy_only=False)
    return rows


def _rows_of_lists(path: Path, columns: Columns, column: Any, first: int) -> np.ndarray:
    import pyarrow
    import pyarrow.compute as compute

    name, width = columns.values[0], columns.width
    assert width is not None
    if column.null_count:
        raise null_error(path, name, first + _first_null(column))
    if not pyarrow.types.is_fixed_size_list(column.type):
        lengths = np.asarray(compute.list_value_length(column))
        others = np.flatnonzero(lengths != width)
        if len(others):
            row, length = first + int(others[0]), int(lengths[others[0]])
            raise ragged_error(path, name, row, length, width)
    values = column.flatten()
    if values.null_count:
        raise null_error(path, name, first + _first_null(values) // width)
    flat = values.to_numpy(zero_copy_only=False)
    return flat.reshape(len(column), width).astype(columns.dtype, copy=False)


def with_width(path: Path, columns: Columns, batches: Iterator[Any]) -> Columns:
    """The columns with the length of the first row's list.

    Raises
    ------
    SourceError
        When there is none.
    """
    if columns.width is not None:
        return columns
    for batch in batches:
        column = checked_column(path, batch, columns.values[0])
        if len(column) and column[0].is_valid:
            width = len(column[0].values)
            return replace(columns, width=width)
        if len(column):
            raise null_error(path, columns.values[0], 0)
    raise SourceError(f"{path}: has 0 rows: there is nothing to cluster")


def texts_of(path: Path, name: str, batches: Iterator[Any]) -> Iterator[str]:
    """The texts of a column of record batches, one after the other.

    Raises
    ------
    SourceError
        For nulls.
    """
    first = 0
    for batch in batches:
        column = checked_column(path, batch, name)
        for start in range(0, len(column), _TEXTS_AT_ONCE):
            part = column.slice(start, _TEXTS_AT_ONCE)
            # Also the values of a dictionary may be missing.
            part = part.dictionary_decode() if hasattr(part, "dictionary_decode") else part
            if part.null_count:
                raise null_error(path, name, first + start + _first_null(part))
            yield from part.to_pylist()
        first += len(batch)


def checked_column(path: Path, batch: Any, name: str) -> Any:
    """A column whose bytes are known to be what its type tells.

    Arrow takes the places of lists and texts as they stand in a file, and reads, or ends the
    process, beyond its memory where they are wrong.

    Raises
    ------
    SourceError
        Where it is damaged.
    """
    import pyarrow

    try:
        column = batch.column(name)
        column.validate(full=True)
    except (pyarrow.lib.ArrowException, LookupError) as error:
        raise damaged(path, error) from error
    return column.storage if isinstance(column, pyarrow.ExtensionArray) else column


def damaged(path: Path, error: Exception) -> SourceError:
    """What is said of a file that Arrow cannot read."""
    reason = " ".join(str(error).split())[:200]
    return SourceError(f"{path}: is damaged ({reason}): copy or write it again")


def _first_null(column: Any) -> int:
    return int(np.flatnonzero(~np.asarray(column.is_valid()))[0])


def null_error(path: Path, name: str, row: int) -> SourceError:
    """What is said of a row without a value."""
    return SourceError(f"{path}: row {row} of '{name}' holds no value: fill or leave out such rows")


def ragged_error(path: Path, name: str, row: int, length: int, width: int) -> SourceError:
    """What is said of a list of another length."""
    return SourceError(
        f"{path}: row {row} of '{name}' has {length} numbers, and the first {width}: rows of one "
        "set have as many"
    )


def _plain(kind: Any) -> Any:
    """The type of the values of a dictionary, or of an extension's storage."""
    kind = getattr(kind, "storage_type", kind)
    return getattr(kind, "value_type", kind) if str(kind).startswith("dictionary") else kind


def _is_list(kind: Any) -> bool:
    import pyarrow.types as types

    kind = getattr(kind, "storage_type", kind)
    is_one = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return is_one and (types.is_floating(kind.value_type) or types.is_integer(kind.value_type))


def _dtype(path: Path, name: str, kind: Any) -> np.dtype:
    dtype = np.dtype(kind.to_pandas_dtype())
    check_layout(path, (1, 1), dtype)
    return dtype


def _listed(schema: Any) -> str:
    told: Sequence[str] = [f"{field.name} ({field.type})" for field in schema][:_SHOWN]
    more = f", and {len(schema) - _SHOWN} more" if len(schema) > _SHOWN else ""
    text = ", ".join(told) + more
    return "".join(c if c.isprintable() else "?" for c in text)
