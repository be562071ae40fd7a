"""Which of the values in a pickle are the rows, and which their paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, StoredArray, check_layout, stored_as
from streamclust.sources.formats.appended_arrays import joined
from streamclust.sources.members import NO_PATHS, note_of_unread, rank_of_name
from streamclust.sources.pickled.frames import INDEX, Made, Unread, frame_of
from streamclust.sources.pickled.items import TEXT, Array, ByteSpan, Global, Items, Kinds, Run
from streamclust.sources.pickled.named import (
    AGAIN,
    MOST_NAMED,
    Texts,
    lacking,
    named_values,
    texts_of,
    value_of,
)
from streamclust.sources.pickled.rows import FloatRows, RowPlaces, WithPaths
from streamclust.sources.pickled.texts import TextPlaces

WAY_OUT = "only plain numpy arrays, what holds them, and DataFrames are read; use np.save"


Stored = Callable[[Array], StoredArray]


def table_of(path: Path, value: object, member: str | None, stored: Stored) -> ArraySource:
    """The rows that a pickle holds, with their paths if there are any.

    Parameters
    ----------
    path : Path
    value : object
        What stands for the value of the pickle.
    member : str or None
        Which of several.
    stored : callable
        Makes the source of an array.

    Raises
    ------
    SourceError
        If there are none, or several.
    """
    is_frame = isinstance(value, Made)
    if isinstance(value, Made):
        named = list(frame_of(path, value, stored).items())
    else:
        found = rows_of(path, value, stored)
        if found is not None:
            if member is not None:
                raise SourceError(f"{path}: holds one array: leave out /{member}")
            return found
        named = list(named_values(path, value))
    tables = {name: table for name, one in named if (table := rows_of(path, one, stored))}
    if not tables:
        if any(map(_is_text_row, (*_values(value), *_values([one for _, one in named])))):
            raise SourceError(f"{path}: holds rows as text, {AGAIN}")
        raise SourceError(f"{path}: refused: holds {described(value)}, not an array: {WAY_OUT}")
    told = ", ".join(
        f"{name} ({table.shape[0]} x {table.shape[1]})" for name, table in tables.items()
    )
    if member is None and len(tables) > 1:
        raise SourceError(f"{path}: holds several arrays, {told[:400]}: name one, {path}/NAME")
    name = next(iter(tables)) if member is None else member
    if name not in tables:
        raise SourceError(f"{path}: holds no array {name!r}, but {told[:400]}: name one of these")
    table = tables[name]
    if table.has_paths:
        return table
    is_named = is_frame or (isinstance(value, Items) and value.width == 2)
    listed, texts = _paths_among(path, len(table), named, is_named)
    if is_frame:
        others = (one for one, _ in named if one not in (*tables, listed, INDEX))
        table.note = note_of_unread(path, others)
    return table if texts is None else WithPaths(table, texts)


def _paths_among(
    path: Path, n_rows: int, named: list[tuple[str, object]], is_named: bool
) -> tuple[str, Texts | None]:
    """The likeliest of the lists of texts that are as long, and its name; None where none is."""
    ranked = []
    for name, one in named:
        rank = rank_of_name(name) if is_named else 0
        # The names of a frame's rows are their paths where no column is.
        rank = NO_PATHS - 1 if name == INDEX else rank
        if rank == NO_PATHS:
            continue
        if isinstance(one, Unread):
            raise SourceError(f"{path}: {name}: {one.reason}: save the paths as a list of str")
        if found := texts_of(path, one):
            ranked.append((rank, name, found))
        elif is_named and (row := lacking(one)) is not None:
            raise SourceError(f"{path}: {name}: row {row} has no path that is text: each needs one")
    fitting = [one for one in ranked if len(one[2]) == n_rows]
    if ranked and not fitting:
        raise SourceError(
            f"{path}: holds {n_rows} rows, and {len(ranked[0][2])} paths: save as many of both"
        )
    _, name, texts = min(fitting, key=lambda one: one[0], default=(0, "", None))
    return name, texts


def _values(value: object) -> list[object]:
    """What a list, dict or tuple begins with."""
    if isinstance(value, Items):
        first = value.entries[0] if value.entries else ()
        return list(first) if isinstance(first, tuple) else []
    if isinstance(value, list):
        return [inner for one in value for inner in _values(one)]
    return list(value) if isinstance(value, tuple) else []


def _is_text_row(value: object) -> bool:
    """Whether it is, or holds, an array whose bytes are held as text."""
    if isinstance(value, tuple):
        return any(isinstance(one, Array) and _is_text_row(one) for one in value)
    if not isinstance(value, Array) or value.content is None:
        return False
    return isinstance(value.content[3], ByteSpan) and value.content[3].encoding != "raw"


def rows_of(path: Path, value: object, stored: Stored) -> ArraySource | None:
    """The rows that a value is; None where it is something else.

    Raises
    ------
    SourceError
        If they do not fit together.
    """
    if isinstance(value, ArraySource):
        return value
    if isinstance(value, Array):
        is_table = value.content and len(value.content[0]) == 2 and value.content[1].kind in "fiu"
        return stored(value) if is_table else None
    if isinstance(value, tuple):
        items = Items()
        items.extend(list(value))
        value = items
    if not isinstance(value, Items) or not len(value):
        return None
    if value.width == 1 and (batches := _batches(value)):
        return joined(map(stored, batches))
    return _rows(path, value)


def _batches(items: Items) -> list[Array] | None:
    """The arrays of a list that holds nothing but two-dimensional ones, with more rows than one."""
    arrays, is_of_rows = [], True
    for kinds, parts in items.each():
        one = parts[0] if kinds is None else value_of(kinds, parts)
        if not isinstance(one, Array) or one.content is None or len(one.content[0]) != 2:
            return None
        is_of_rows = is_of_rows and one.content[0][0] == 1
        arrays.append(one)
    return None if is_of_rows else arrays


@dataclass(frozen=True)
class _RowKind:
    """What an item is that is a row.

    Attributes
    ----------
    width : int
    dtype : dtype or None
        None for floats of Python.
    text, row : int
        Which of its places is that of its path, or -1, and which that of the row.
    """

    width: int
    dtype: np.dtype | None
    text: int
    row: int

    @property
    def told(self) -> str:
        return f"{self.width} {self.dtype or 'float'}{'s' * (self.dtype is None)}"


def _row_kind(kinds: Kinds) -> _RowKind | None:
    parts = [kind for kind in kinds if kind not in ("(", ")")]
    texts = [i for i, kind in enumerate(parts) if kind == TEXT]
    rows = [i for i, kind in enumerate(parts) if kind != TEXT and kind[0] in ("array", "floats")]
    if len(rows) != 1 or len(texts) > 1 or len(parts) != len(rows) + len(texts):
        return None
    kind = parts[rows[0]]
    text = texts[0] if texts else -1
    if kind[0] == "floats":
        return _RowKind(kind[1], None, text, rows[0])
    shape, dtype = kind[1], kind[2]
    if len(shape) == 2 and shape[0] == 1:
        shape = shape[1:]
    return _RowKind(shape[0], dtype, text, rows[0]) if len(shape) == 1 else None


def _rows(path: Path, items: Items) -> ArraySource | None:
    """The rows of a list, or of a dict by paths; None where its first item is none."""
    kind, n_rows = None, 0
    for entry in items.entries:
        own = _row_kind(entry.kinds) if isinstance(entry, Run) else None
        if kind is None or own != kind:
            if n_rows == 0 and own is not None:
                kind = own
            elif kind is None or (own is None and len(items) <= MOST_NAMED):
                return None
            else:
                raise SourceError(_ragged(path, entry, n_rows, kind, own))
        n_rows += entry.count if isinstance(entry, Run) else 1
    if kind is None or (items.width == 2 and kind.text != 0):
        return None
    runs = [entry for entry in items.entries if isinstance(entry, Run)]
    places = _joined(run.places[kind.row] for run in runs)
    source: ArraySource
    if kind.dtype is None:
        dtype = np.dtype(np.float64)
        source = FloatRows(path, check_layout(path, (n_rows, kind.width), dtype), places, dtype)
    else:
        shape = check_layout(path, (n_rows, kind.width), kind.dtype)
        source = RowPlaces(path, shape, stored_as(kind.dtype), kind.dtype, places)
    if kind.text < 0:
        return source
    return WithPaths(source, TextPlaces(path, _joined(run.places[kind.text] for run in runs)))


def _joined(places: Iterable[Any]) -> np.ndarray:
    return np.concatenate([np.asarray(held, np.int64) for held in places])


def _ragged(path: Path, entry: object, row: int, kind: _RowKind, own: _RowKind | None) -> str:
    where, what = "", "something else"
    if isinstance(entry, Run) and entry.places:
        where = f" at byte {entry.places[0 if own is None else own.row][0]}"
    elif isinstance(entry, tuple):
        what = described(entry[-1])
    if own is not None:
        what = f"{own.told} {'with' if own.text >= 0 else 'without'} a path"
        if (own.text >= 0) == (kind.text >= 0):
            what = own.told
    return (
        f"{path}: row {row}{where} is {what}, where those before are {kind.told}: rows of one set "
        "are of one width and type"
    )


def described(value: object) -> str:
    """What a value is, in words."""
    if isinstance(value, ByteSpan):
        return "text" if value.is_text else "bytes"
    if isinstance(value, Items | tuple):
        what = "a tuple" if isinstance(value, tuple) else "a list"
        if isinstance(value, Items) and value.width == 2:
            what = "a dict"
        return f"{what} of {len(value)} items"
    if isinstance(value, Made):
        return f"a {value.target.name}"
    names = {Global: "a name", Array: "an array"}
    return names.get(type(value), "a number" if isinstance(value, int) else "nothing")
