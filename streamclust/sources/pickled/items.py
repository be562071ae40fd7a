"""What lists, dicts and tuples in a pickle hold: not their items, but where these stand.

Items of one kind take eight bytes a piece of them that stands in the file. What is neither text
nor plain array, nor a number, is kept as it is, and may therefore not be much.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

# A kind of items, as a tuple of the kinds of its parts, in which brackets part tuples.
Kinds = tuple[Any, ...]
NUMBER = ("number",)
TEXT = "text"
# The pickler of Python ends a batch of items after so many.
BATCH = 1000
_LONGEST_TUPLE = 8
_MOST_SIDES = 4
# A float takes nine bytes; so does the head of a frame, which may stand between two of them.
CELL = 9
_BETWEEN_BATCHES = 2


class Float(int):
    """A float that was left in the file: the byte where its opcode stands."""


@dataclass(frozen=True)
class Global:
    """A name that a pickle refers to."""

    module: str
    name: str


@dataclass(frozen=True)
class ByteSpan:
    """Bytes or text that were left in the file; `small` is the content of a short one."""

    start: int
    length: int
    encoding: str
    is_text: bool
    small: bytes | None
    place: int = 0  # of its opcode
    is_old: bool = False  # a str of Python 2, which may be text

    @property
    def parts(self) -> tuple[Kinds, tuple[int, ...]] | None:
        """What an item of a list is that is this text."""
        return ((TEXT,), (self.place,)) if self.is_text or self.is_old else None

    @property
    def word(self) -> str | None:
        """The content as ASCII, or None if it is long or something else."""
        if self.small is None or not self.small.isascii():
            return None
        return self.small.decode("ascii")


@dataclass(eq=False)
class Array:
    """An array to be; its content comes with a BUILD.

    Attributes
    ----------
    content : (shape, dtype, order, ByteSpan or Items) or None
        Arrays of objects hold a list.
    """

    content: Content | None = None

    @property
    def parts(self) -> tuple[Kinds, tuple[int, ...]] | None:
        """What an item of a list is that is this array, if it stands in the file as in memory."""
        if self.content is None:
            return None
        shape, dtype, order, span = self.content
        if not isinstance(span, ByteSpan) or span.encoding != "raw":
            return None
        if len(shape) > _MOST_SIDES or span.length != n_bytes_of(shape, dtype):
            return None
        return (("array", shape, dtype, order),), (span.start,)

    @classmethod
    def at(cls, kind: Kinds, place: int) -> Array:
        """The array of a kind whose bytes stand at a place."""
        _, shape, dtype, order = kind
        span = ByteSpan(place, n_bytes_of(shape, dtype), "raw", False, None)
        return cls((shape, dtype, order, span))


def n_bytes_of(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Bytes that an array takes."""
    return math.prod(shape) * dtype.itemsize


@dataclass(eq=False)
class Run:
    """Consecutive items of one kind.

    Attributes
    ----------
    kinds : tuple
        Of the parts of an item.
    places : list of array of int64
        Where the parts stand, but for those that are numbers.
    width : int
        Values that an item is: 2 in a dict.
    """

    kinds: Kinds
    places: list[array[int]]
    count: int = 0
    width: int = 1
    is_open: bool = False

    @classmethod
    def of(cls, kinds: Kinds, n_places: int, width: int) -> Run:
        """An empty one, to which items are added."""
        return cls(kinds, [array("q") for _ in range(n_places)], 0, width, True)

    def add(self, places: Sequence[int]) -> None:
        """Add an item."""
        for held, place in zip(self.places, places, strict=True):
            held.append(place)
        self.count += 1


@dataclass(eq=False)
class Items:
    """A list or tuple, or with `width` 2 a dict.

    Attributes
    ----------
    entries : list of Run or tuple
        In their order; a tuple is an item that is kept as it is.
    floats : (int, int, int)
        How many floats it begins with, and where the first and the last stand.
    """

    width: int = 1
    entries: list[Run | tuple[Any, ...]] = field(default_factory=list)
    floats: tuple[int, int, int] = (0, 0, 0)

    def __len__(self) -> int:
        return sum(one.count if isinstance(one, Run) else 1 for one in self.entries)

    @property
    def parts(self) -> tuple[Kinds, tuple[int, ...]] | None:
        """What an item of another list is that is this one: a row of floats, or numbers."""
        if self.width != 1 or len(self.entries) != 1:
            return None
        run = self.entries[0]
        if not isinstance(run, Run) or run.kinds != NUMBER:
            return None
        if self.floats[0] == run.count:
            return (("floats", run.count),), (self.floats[1],)
        return (("numbers", run.count),), ()

    def extend(self, values: list[Any]) -> int:
        """Add values; how many had to be kept, or begin a run, or -1 where a key lacks its value.

        A run at the beginning does not count, nor one behind items that were leaped over, of which
        there are as many.
        """
        kept = place = 0
        if self.width == 1 and values and type(values[0]) is Float:
            self._note_floats(values)
        while place < len(values):
            if isinstance(values[place], Run):
                if values[place].width != self.width:
                    return -1
                self.entries.append(values[place])
                place += 1
                continue
            item = tuple(values[place : place + self.width])
            if len(item) < self.width or isinstance(item[-1], Run):
                return -1
            kept += self._add(item)
            place += self.width
        return kept

    def _add(self, item: tuple[Any, ...]) -> bool:
        """Add an item; whether it is kept, or begins a run."""
        parts = parts_of(item)
        if parts is None:
            self.entries.append(item)
            return True
        kinds, places = parts
        last = self.entries[-1] if self.entries else None
        if isinstance(last, Run) and last.is_open and last.kinds == kinds:
            last.add(places)
            return False
        run = Run.of(kinds, len(places), self.width)
        run.add(places)
        self.entries.append(run)
        return last is not None and (not isinstance(last, Run) or last.is_open)

    def _note_floats(self, values: list[Any]) -> None:
        count, first, last = self.floats
        if count != len(self) or (count and count % BATCH):
            return
        for value in values:
            if type(value) is not Float:
                return
            gap = value - last
            batch = _BETWEEN_BATCHES * (count % BATCH == 0)
            if count and gap - batch not in (CELL, 2 * CELL):
                return
            count, first, last = count + 1, first if count else int(value), int(value)
        self.floats = count, first, last

    def part(self, start: int, stop: int) -> Items:
        """Consecutive items."""
        found, place = Items(self.width), 0
        for entry in self.entries:
            count = entry.count if isinstance(entry, Run) else 1
            first, last = max(start - place, 0), min(stop - place, count)
            place += count
            if first >= last:
                continue
            if isinstance(entry, Run):
                places = [held[first:last] for held in entry.places]
                entry = Run(entry.kinds, places, last - first, entry.width)
            found.entries.append(entry)
        return found

    def text_places(self) -> np.ndarray:
        """Where the items stand that are texts, and nothing else."""
        runs = [one for one in self.entries if isinstance(one, Run) and one.kinds == (TEXT,)]
        return np.concatenate([np.empty(0, np.int64), *(np.asarray(run.places[0]) for run in runs)])

    def each(self) -> Iterator[tuple[Kinds, tuple[int, ...]] | tuple[None, tuple[Any, ...]]]:
        """Every item: its kinds and places, or None and what is kept of it."""
        for entry in self.entries:
            if isinstance(entry, Run):
                for number in range(entry.count):
                    yield entry.kinds, tuple(held[number] for held in entry.places)
            else:
                yield None, entry


Content = tuple[tuple[int, ...], np.dtype, Literal["C", "F"], ByteSpan | Items]


def parts_of(values: tuple[Any, ...]) -> tuple[Kinds, tuple[int, ...]] | None:
    """The kinds of the parts of an item, and where those stand that are no numbers."""
    kinds: list[Any] = []
    places: list[int] = []
    for value in values:
        parts: tuple[Kinds, tuple[int, ...]] | None
        if value is None or isinstance(value, int):
            parts = NUMBER, ()
        elif isinstance(value, tuple):
            parts = None if len(value) > _LONGEST_TUPLE else _flat(value)
        else:
            parts = getattr(value, "parts", None)
        if parts is None:
            return None
        kinds += parts[0]
        places += parts[1]
    return tuple(kinds), tuple(places)


def _flat(value: tuple[Any, ...]) -> tuple[Kinds, tuple[int, ...]] | None:
    """The parts of a tuple that holds no other tuples."""
    if any(isinstance(part, tuple) for part in value):
        return None
    parts = parts_of(value)
    return parts and (("(", *parts[0], ")"), parts[1])
