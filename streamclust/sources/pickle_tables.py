"""Which of the values in a pickle are the rows, and which their paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.appended_arrays import joined
from streamclust.sources.base import ArraySource, StoredArray, check_layout, stored_as
from streamclust.sources.paths import PATH_RANKS, path_rank
from streamclust.sources.pickle_frames import Made, frame_of
from streamclust.sources.pickle_items import TEXT, Array, ByteSpan, Global, Items, Kinds, Run
from streamclust.sources.pickle_rows import FixedTexts, FloatRows, RowPlaces, WithPaths
from streamclust.sources.pickle_texts import TextPlaces, only_text

WAY_OUT = "only plain numpy arrays, what holds them, and DataFrames are read; use np.save"

_AGAIN = "written by protocol 2 or less: load it and pickle it again with protocol 4"
_MOST_NAMED = 1000
_MOST_TOLD = 8

Stored = Callable[[Array], StoredArray]
Texts = TextPlaces | FixedTexts


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
    if isinstance(value, Made):
        value = frame_of(path, value, stored)
    found = value if isinstance(value, ArraySource) else rows_of(path, value, stored)
    if found is not None:
        if member is not None:
            raise SourceError(f"{path}: holds one array: leave out /{member}")
        return found
    named = list(_named(path, value))
    tables = {name: table for name, one in named if (table := rows_of(path, one, stored))}
    if not tables:
        if any(map(_is_text_row, _values(value))):
            raise SourceError(f"{path}: holds rows as text, {_AGAIN}")
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
    is_dict = isinstance(value, Items) and value.width == 2
    return _with_paths(path, table, named, is_dict)


def _with_paths(
    path: Path, table: ArraySource, named: list[tuple[str, object]], is_dict: bool
) -> ArraySource:
    """The table with the likeliest of the lists of texts that are as long."""
    texts = ((name, found) for name, one in named if (found := texts_of(path, one)))
    ranked = [(path_rank(name) if is_dict else 0, found) for name, found in texts]
    ranked = [(rank, found) for rank, found in ranked if rank < PATH_RANKS]
    fitting = [(rank, found) for rank, found in ranked if len(found) == len(table)]
    if not fitting:
        if ranked:
            raise SourceError(
                f"{path}: holds {len(table)} rows, and {len(ranked[0][1])} paths: save as many of "
                "both"
            )
        return table
    return WithPaths.of(table, min(fitting, key=lambda one: one[0])[1])


def _values(value: object) -> list[object]:
    """What a list, dict or tuple begins with."""
    if isinstance(value, tuple):
        value = [value]
    elif isinstance(value, Items):
        value = [entry for entry in value.entries[:1] if isinstance(entry, tuple)]
    return [inner for one in value for inner in one] if isinstance(value, list) else []


def _is_text_row(value: object) -> bool:
    """Whether it is, or holds, an array whose bytes are held as text."""
    if isinstance(value, tuple):
        return any(isinstance(one, Array) and _is_text_row(one) for one in value)
    if not isinstance(value, Array) or value.content is None:
        return False
    return isinstance(value.content[3], ByteSpan) and value.content[3].encoding != "raw"


def _named(path: Path, value: object) -> Iterator[tuple[str, object]]:
    """Names and values of a dict; those of a list or tuple are numbers."""
    if isinstance(value, tuple):
        yield from ((str(number), one) for number, one in enumerate(value))
    if not isinstance(value, Items) or len(value) > _MOST_NAMED:
        return
    for number, (kinds, parts) in enumerate(value.each()):
        if value.width == 1:
            yield str(number), parts[0] if kinds is None else _value(kinds, parts)
        elif kinds is None:
            key = parts[0]
            if isinstance(key, ByteSpan) and key.parts:
                yield only_text(path, key.place), parts[1]
        elif kinds[0] == TEXT:
            yield only_text(path, parts[0]), _value(kinds[1:], parts[1:])


def _value(kinds: Kinds, places: tuple[int, ...]) -> object:
    """An array, or None for anything else."""
    is_array = len(kinds) == 1 and kinds[0] != TEXT and kinds[0][0] == "array"
    return Array.at(kinds[0], places[0]) if is_array else None


def texts_of(path: Path, value: object) -> Texts | None:
    """Texts, if it is a list or array of them."""
    if isinstance(value, TextPlaces | FixedTexts):
        return value
    if isinstance(value, Array) and value.content:
        shape, dtype, _, inner = value.content
        if len(shape) == 1 and isinstance(inner, Items):
            found = texts_of(path, inner)
            return found if found and len(found) == shape[0] else None
        if len(shape) == 1 and dtype.kind in "US" and isinstance(inner, ByteSpan):
            if value.parts is None:
                raise SourceError(f"{path}: holds an array of texts as text: {_AGAIN}")
            return FixedTexts(path, inner.start, shape[0], dtype)
        return None
    if not isinstance(value, Items | tuple) or not len(value):
        return None
    if isinstance(value, tuple):
        spans = [one for one in value if isinstance(one, ByteSpan) and one.parts]
        if len(spans) < len(value):
            return None
        return TextPlaces(path, np.asarray([one.place for one in spans], np.int64))
    runs = [entry for entry in value.entries if isinstance(entry, Run) and entry.kinds == (TEXT,)]
    if value.width != 1 or len(runs) < len(value.entries):
        return None
    return TextPlaces(path, np.concatenate([np.asarray(run.places[0]) for run in runs]))


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
        one = parts[0] if kinds is None else _value(kinds, parts)
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
            elif kind is None or (own is None and len(items) <= _MOST_NAMED):
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
    return WithPaths.of(source, TextPlaces(path, _joined(run.places[kind.text] for run in runs)))


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
