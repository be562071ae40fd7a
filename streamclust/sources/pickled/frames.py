"""Data frames in pickles, as pandas 1.3 to 3 write them: blocks of columns, and names for these.

References: ``BlockManager.__reduce__`` in ``pandas.core.internals.managers``, ``_reduce_array`` in
``pyarrow.array``. Whatever else of pandas is met, as columns of dates, is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, StoredArray
from streamclust.sources.pickled.items import Array, ByteSpan, Global, Items, Run
from streamclust.sources.pickled.named import named_values, texts_of
from streamclust.sources.pickled.rows import ArrowTexts
from streamclust.sources.pickled.texts import TextPlaces

_MOST_COLUMNS = 1 << 20
# Unlike a name: columns may be called so.
INDEX = "(index)"


def _globals(*lines: str) -> set[Global]:
    return {Global(*line.split()) for line in lines}


_FRAME = _globals("pandas DataFrame", "pandas.core.frame DataFrame")
_MANAGER = _globals("pandas.core.internals.managers BlockManager")
_BLOCK = _globals("pandas._libs.internals _unpickle_block")
_SLICE = _globals("builtins slice", "__builtin__ slice")
_NEW_INDEX = _globals("pandas.core.indexes.base _new_Index")
_PLAIN_INDEX = _globals("pandas Index", "pandas.core.indexes.base Index")
_RESTORE = _globals("pyarrow.lib _restore_array")
_CHUNKED = _globals("pyarrow.lib chunked_array")
_BUFFER = _globals("pyarrow.lib py_buffer")
_TYPE = _globals("pyarrow.lib type_for_alias")
_BYTEARRAY = _globals("builtins bytearray", "__builtin__ bytearray")
_ARROW_TEXTS = _globals(
    "pandas.arrays ArrowStringArray", "pandas.core.arrays.string_arrow ArrowStringArray"
)
_TEXTS = _globals("pandas._libs.arrays __pyx_unpickle_NDArrayBacked")
# Of numbers that may be missing, or are mostly 0.
_NUMBERS_BESIDE = ("FloatingArray", "IntegerArray", "SparseArray")
_ARROW_NUMBERS = re.compile(r"halffloat|float|double|u?int\d+")
_BESIDE = _SLICE | _RESTORE | _CHUNKED | _BUFFER | _TYPE | _BYTEARRAY


def is_of_frames(target: Global) -> bool:
    """Whether data frames refer to it: nothing of it is called."""
    return target in _BESIDE or target.module.partition(".")[0] == "pandas"


@dataclass(eq=False)
class Made:
    """What a call stands for, and the state that it got."""

    target: Global
    arguments: tuple[Any, ...]
    state: object = None


@dataclass(eq=False)
class Columns(ArraySource):
    """Columns of one type in several blocks.

    Attributes
    ----------
    blocks : list of (StoredArray, ndarray of int)
        Each with the places of its columns.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    blocks: list[tuple[StoredArray, np.ndarray]]
    order: Literal["C", "F"] = "F"

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop` of all blocks."""
        rows = np.empty((stop - start, self.shape[1]), self.dtype)
        for block, places in self.blocks:
            rows[:, places] = block.read_rows(start, stop)
        return rows


@dataclass(frozen=True)
class Unread:
    """A column that cannot be read, and why: no harm where it is not that of the paths."""

    reason: str


class _Unknown(Exception):
    """What was met is not as pandas is known to write it."""


def frame_of(path: Path, made: Made, stored: Callable[[Array], StoredArray]) -> dict[str, object]:
    """What a data frame holds: by their types numbers, by their names other columns, its index.

    Raises
    ------
    SourceError
        If it is not as pandas is known to write it.
    """
    try:
        return _Frame(path, made, stored).values()
    except _Unknown as error:
        raise SourceError(
            f"{path}: refused: {error}: where you trust it, "
            "pandas.read_pickle(FILE).to_parquet('FILE.parquet')"
        ) from None


class _Frame:
    """A data frame, taken apart."""

    def __init__(self, path: Path, made: Made, stored: Callable[[Array], StoredArray]) -> None:
        self.path, self.stored = path, stored
        if made.target not in _FRAME:
            raise _Unknown(f"holds a {made.target.name} of {made.target.module}, not a DataFrame")
        manager = self._state(made).get("_mgr")
        if not isinstance(manager, Made) or manager.target not in _MANAGER:
            raise _Unknown("a DataFrame of an older pandas than 1.3, or a newer than is known")
        if len(manager.arguments) != 2:
            raise _Unknown("a DataFrame without blocks and axes")
        blocks, axes = manager.arguments
        axes = list(_values(axes))
        if len(axes) != 2:
            raise _Unknown("a DataFrame without two axes")
        self.axes: list[Any] = axes
        self.blocks = list(_values(blocks))

    def values(self) -> dict[str, object]:
        numbers: dict[np.dtype, list[tuple[Array, np.ndarray]]] = {}
        columns: list[tuple[int, object]] = []
        for block in self.blocks:
            if not isinstance(block, Made) or block.target not in _BLOCK:
                raise _Unknown("a block of unknown kind")
            if len(block.arguments) < 2:
                raise _Unknown("a block without a place")
            values, places = block.arguments[0], self._places(block.arguments[1])
            content = values.content if isinstance(values, Array) else None
            if content and len(content[0]) == 2 and content[0][0] != len(places):
                raise _Unknown(f"a block of {content[0][0]} columns at {len(places)} places")
            if content and content[1].kind in "fiu" and len(content[0]) == 2:
                numbers.setdefault(content[1], []).append((_transposed(content), places))
            elif content and isinstance(content[3], Items):
                columns += zip(places.tolist(), self._objects(content), strict=True)
            elif isinstance(values, Made) and len(places) == 1:
                self._check_are_no_numbers(values, int(places[0]))
                kind = values.target.name
                texts = self._texts(values) or Unread(f"is a column of pandas' {kind}")
                columns.append((int(places[0]), texts))
            else:
                columns += ((place, Unread("is no column of texts")) for place in places.tolist())
        found: dict[str, object] = {}
        for place, column in sorted(columns, key=lambda one: one[0]):
            found[self._name(place)] = column
        for dtype, blocks in numbers.items():
            found[str(dtype)] = self._columns(blocks)
        found[INDEX] = self._index(self.axes[1])
        return found

    def _check_are_no_numbers(self, values: Made, place: int) -> None:
        """Refuse a column of numbers that is in no array of numpy: it would be left out."""
        kind = values.target.name
        word = self._arrow_word(values) if kind == "ArrowExtensionArray" else ""
        if kind in _NUMBERS_BESIDE or _ARROW_NUMBERS.fullmatch(word):
            raise _Unknown(
                f"column {self._name(place)} is a {word or kind} of pandas' own, and numbers of "
                "numpy's types are read: astype('float32'), or"
            )

    def _arrow_word(self, values: Made) -> str:
        """The name of the type of a column that Arrow holds; empty where it is not told."""
        made = self._state(values).get("_pa_array")
        if isinstance(made, Made) and made.target in _CHUNKED and made.arguments:
            made = next(_values(made.arguments[0]), None)
        state = made.arguments[0] if isinstance(made, Made) and made.arguments else None
        words = getattr(state[0], "arguments", None) if isinstance(state, tuple) and state else None
        return words[0].word or "" if words and isinstance(words[0], ByteSpan) else ""

    def _columns(self, blocks: list[tuple[Array, np.ndarray]]) -> ArraySource:
        """The columns of one type in their order."""
        sources = [(self.stored(array), places) for array, places in blocks]
        places = np.concatenate([places for _, places in sources])
        ranks = np.argsort(np.argsort(places, kind="stable"), kind="stable")
        first = sources[0][0]
        if any(len(source) != len(first) for source, _ in sources):
            raise _Unknown("blocks of different numbers of rows")
        if len(sources) == 1 and (ranks == np.arange(len(ranks))).all():
            return first
        ends = np.cumsum([source.shape[1] for source, _ in sources])
        split = np.split(ranks, ends[:-1])
        blocks_at = [(source, own) for (source, _), own in zip(sources, split, strict=True)]
        return Columns(self.path, (len(first), int(ends[-1])), first.dtype, blocks_at)

    def _places(self, value: object) -> np.ndarray:
        """Which columns a block holds."""
        if isinstance(value, Made) and value.target in _SLICE:
            sides = value.arguments
            if len(sides) != 3 or not all(type(side) is int for side in sides) or sides[2] < 1:
                raise _Unknown("a block of unknown place")
            places = range(*sides)
            if not places.start >= 0 or not len(places) <= _MOST_COLUMNS or sides[1] >= 1 << 32:
                raise _Unknown("a block of unknown place")
            return np.asarray(places, np.int64)
        content = value.content if isinstance(value, Array) else None
        if content is None or len(content[0]) != 1 or content[1].kind not in "iu":
            raise _Unknown("a block of unknown place")
        if not 0 < content[0][0] <= _MOST_COLUMNS:
            raise _Unknown("a block of unknown place")
        shape, dtype, order, span = content
        table = self.stored(Array(((shape[0], 1), dtype, order, span)))
        return table.read(0, len(table))[:, 0].astype(np.int64)

    def _objects(self, content: Any) -> Iterator[Items]:
        """The columns of a block of objects."""
        shape, _, order, items = content
        if len(shape) != 2:
            raise _Unknown("a block of objects that is no table")
        n_columns, n_rows = shape
        if len(items) != n_columns * n_rows or (n_columns > 1 and order == "F"):
            raise _Unknown("several columns of objects in one block")
        for column in range(n_columns):
            yield items.part(column * n_rows, (column + 1) * n_rows)

    def _name(self, place: int) -> str:
        """What a column is called, among others that may have numbers for names."""
        names = self._index(self.axes[0])
        if isinstance(names, Array) and names.content and isinstance(names.content[3], Items):
            names = names.content[3]
        if isinstance(names, Items):
            one = TextPlaces(self.path, names.part(place, place + 1).text_places())
            return next(iter(one), str(place))
        texts = texts_of(self.path, names)
        return next(islice(texts or (), place, None), str(place))

    def _index(self, index: object) -> object:
        """The values of an index that is no range."""
        if not isinstance(index, Made) or index.target not in _NEW_INDEX:
            return None
        if len(index.arguments) != 2 or index.arguments[0] not in _PLAIN_INDEX:
            return None
        found = dict(named_values(self.path, index.arguments[1])).get("data")
        return self._texts(found) if isinstance(found, Made) else found

    def _texts(self, made: Made) -> object:
        """Texts as pandas holds them beside objects: in an array, or as Arrow does."""
        if made.target in _TEXTS and isinstance(made.state, tuple):
            arrays = [one for one in made.state if isinstance(one, Array)]
            content = arrays[0].content if arrays else None
            # Of two dimensions where it is a column, though it has but one.
            if content and isinstance(content[3], Items):
                return content[3]
        if made.target in _ARROW_TEXTS:
            return self._arrow(self._state(made).get("_pa_array"))
        return None

    def _arrow(self, made: object) -> object:
        if not isinstance(made, Made):
            return None
        chunks = [made]
        if made.target in _CHUNKED and made.arguments:
            chunks = [one for one in _values(made.arguments[0]) if isinstance(one, Made)]
        try:
            return ArrowTexts(self.path, [self._chunk(one) for one in chunks])
        except _Unknown as error:
            return Unread(str(error))

    def _chunk(self, made: Made) -> tuple[int, int, int, int, int]:
        """Number of texts, bytes of an offset, where the offsets and texts stand, and how long."""
        if made.target not in _RESTORE or len(made.arguments) != 1:
            raise _Unknown("texts of Arrow of unknown kind")
        state = made.arguments[0]
        if not isinstance(state, tuple) or len(state) != 7:
            raise _Unknown("texts of Arrow of unknown kind")
        kind, count, n_nulls, offset, buffers, *_ = state
        words = getattr(kind, "arguments", None)
        word = words[0].word if words and isinstance(words[0], ByteSpan) else None
        sizes = {"large_string": 8, "string": 4}
        held = [one for one in _values(buffers) if isinstance(one, Made)]
        if word not in sizes or offset != 0 or len(held) != 2 or type(count) is not int:
            raise _Unknown("texts of Arrow with missing values, or of a part of an array")
        if n_nulls != 0:
            raise _Unknown(f"{n_nulls} missing texts")
        offsets, content = map(self._buffer, held)
        if not count >= 0 or offsets.length < (count + 1) * sizes[word]:
            raise _Unknown("texts of Arrow of unknown kind")
        return count, sizes[word], offsets.start, content.start, content.length

    def _buffer(self, made: Made) -> ByteSpan:
        """The bytes of a buffer."""
        value: object = made
        for allowed in (_BUFFER, _BYTEARRAY):
            if isinstance(value, Made) and value.target in allowed and len(value.arguments) == 1:
                value = value.arguments[0]
        if not isinstance(value, ByteSpan) or value.encoding != "raw":
            raise _Unknown("a buffer of Arrow of unknown kind")
        return value

    def _state(self, made: Made) -> dict[str, object]:
        return dict(named_values(self.path, made.state))


def _transposed(content: Any) -> Array:
    """A block holds a row a column."""
    shape, dtype, order, span = content
    return Array((shape[::-1], dtype, "C" if order == "F" else "F", span))


def _values(value: object) -> Iterator[object]:
    """What a list or tuple holds, but for numbers and texts."""
    if isinstance(value, tuple):
        yield from value
    elif isinstance(value, Items):
        for entry in value.entries:
            if not isinstance(entry, Run):
                yield entry[-1]
