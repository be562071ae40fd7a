"""Items of a pickle that are written alike, passed over many at a time.

Of two items that the machine walked, a template is made: the bytes that both have, and between
them what differs: a text and its length, the bytes of an array, floats, numbers in the memo. What
follows and fits the template does to the stack and memo what those two did.
"""

from __future__ import annotations

import pickle as op  # only the names of its opcodes are used
import pickletools
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from streamclust.sources.pickled.items import BATCH, TEXT, Kinds, Run
from streamclust.sources.pickled.window import Leap, Remembered, Window

_PUTS = {"BINPUT": 1, "LONG_BINPUT": 4}
_TEXTS = {"SHORT_BINUNICODE": 1, "BINUNICODE": 4, "SHORT_BINSTRING": 1, "BINSTRING": 4}
_BYTES = {"SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8}


@dataclass
class Template:
    """What consecutive items have in common.

    Places are those of bytes in an item without the variable text in it.

    Attributes
    ----------
    length : int
        Bytes of an item, but for those of a variable text.
    before, behind : pair of ndarray
        Places of the bytes that are alike, and these: up to the text, and from there on.
    text : (int, int, int) or None
        Where the length of the variable text stands, the bytes of that, and the place of the text.
    parts : list of (int, bool)
        Place of each part, and whether it comes behind the variable text.
    puts : list of (int, int, bool)
        Where a number in the memo is written, its bytes, and whether behind the text.
    roles : tuple
        For each number in the memo: which of the parts it is, or None.
    boundaries : frozenset of int
        Where opcodes begin.
    """

    width: int
    kinds: Kinds
    code: bytes
    length: int
    before: tuple[np.ndarray, np.ndarray]
    behind: tuple[np.ndarray, np.ndarray]
    text: tuple[int, int, int] | None
    parts: list[tuple[int, bool]]
    puts: list[tuple[int, int, bool]]
    roles: tuple[int | None, ...]
    boundaries: frozenset[int]

    def leap(self, window: Window, offset: int, memo: int) -> Leap | None:
        """Pass over the items from `offset` on that fit; None where the first does not."""
        data = window.data
        starts = np.asarray(self._starts(data, offset), np.int64)
        if not len(starts):
            return None
        values = np.frombuffer(data, np.uint8)
        lengths = np.zeros(len(starts), np.int64)
        if self.text:
            lengths = _numbers(values, starts + self.text[0], self.text[1])
        later = starts + lengths
        fits = np.ones(len(starts), bool)
        for base, (places, expected) in ((starts, self.before), (later, self.behind)):
            if len(places):
                fits &= (values[base[:, None] + places] == expected).all(axis=1)
        n_puts = len(self.roles)
        for number, (place, size, is_behind) in enumerate(self.puts):
            found = _numbers(values, (later if is_behind else starts) + place, size)
            fits &= found == memo + np.arange(len(starts)) * n_puts + number
        count = len(fits) if fits.all() else int(fits.argmin())
        count = self._up_to_bad_cut(window.cuts, starts, lengths, count)
        if not count:
            return None
        starts, later = starts[:count], later[:count]
        held = [array("q") for _ in self.parts]
        for own, (place, is_behind) in zip(held, self.parts, strict=True):
            own.frombytes(window.places((later if is_behind else starts) + place).tobytes())
        roles = tuple(None if r is None else (self.kinds_of_parts[r], held[r]) for r in self.roles)
        run = Run(self.kinds, held, count, self.width)
        return Leap(run, Remembered(count * n_puts, roles), int(later[-1]) + self.length)

    @property
    def kinds_of_parts(self) -> list[Any]:
        """Those of the kinds that have a place."""
        return placed(self.kinds)

    def _starts(self, data: bytes, offset: int) -> list[int] | np.ndarray:
        """Where items begin, if they are alike; all of them are in `data`."""
        if self.text is None:
            count = min(BATCH, (len(data) - offset) // self.length)
            return offset + np.arange(max(count, 0)) * self.length
        place, size, _ = self.text
        length = self.length
        starts: list[int] = []
        last = len(data) - length
        while offset <= last and len(starts) < BATCH:
            if size == 1:
                following = offset + length + data[offset + place]
            else:
                head = data[offset + place : offset + place + size]
                following = offset + length + int.from_bytes(head, "little")
            if following > len(data):
                break
            starts.append(offset)
            offset = following
        return starts

    def _up_to_bad_cut(
        self, cuts: list[int], starts: np.ndarray, lengths: np.ndarray, count: int
    ) -> int:
        """Items before the first in which a frame begins where no opcode does."""
        for cut in cuts:
            item = int(np.searchsorted(starts, cut, side="right")) - 1
            if not 0 <= item < count:
                continue
            place = cut - int(starts[item])
            if self.text and place >= self.text[2]:
                if place < self.text[2] + lengths[item]:
                    return item
                place -= int(lengths[item])
            if place not in self.boundaries and place < self.length:
                return item
        return count


def _numbers(values: np.ndarray, places: np.ndarray, size: int) -> np.ndarray:
    """The numbers of `size` bytes at these places."""
    bytes_of = values[places[:, None] + np.arange(size)].astype(np.int64)
    return np.asarray(bytes_of @ (256 ** np.arange(size)))


def placed(kinds: Kinds) -> list[Any]:
    """Those of the kinds that stand somewhere: not numbers, nor brackets."""
    return [kind for kind in kinds if kind == TEXT or kind[0] in ("array", "floats")]


@dataclass
class Example:
    """An item that the machine walked.

    Attributes
    ----------
    data : bytes
    start : int
        Where it stands in the file.
    memo : int
        How many values the memo had before it.
    kinds : tuple
    places : tuple of int
    """

    data: bytes
    start: int
    memo: int
    kinds: Kinds
    places: tuple[int, ...]

    def operations(self) -> list[_Operation]:
        """What it is made by, without heads of frames; nothing if it is no whole opcodes."""
        found, without = [], 0
        try:
            walked = pickletools.genops(self.data + op.STOP)
            opcodes = [(info.name, place or 0) for info, _, place in walked]
        except Exception:  # of damaged text, and whatever else
            return []
        for (name, place), (_, end) in pairwise(opcodes):
            if name == "FRAME":
                without += end - place
                continue
            begun = self.start + place
            held = begun + (1 + _BYTES[name] if name in _BYTES else 0)
            part = self.places.index(held) if held in self.places else None
            found.append(_Operation(name, place - without, self.data[place:end], part))
        return found


@dataclass
class _Operation:
    """An opcode with what follows it; `part` is the part of the item that begins with it."""

    name: str
    place: int
    data: bytes
    part: int | None

    @property
    def head(self) -> int:
        """Bytes before what it holds."""
        return 1 + _TEXTS.get(self.name, _BYTES.get(self.name, 0))

    @property
    def number(self) -> int:
        """What follows the opcode, as a number."""
        return int.from_bytes(self.data[1:], "little")


class _Different(Exception):
    """Two items have not enough in common."""


@dataclass
class _Draft:
    """A template in the making, opcode by opcode of the second of two items."""

    first: Example
    second: Example
    fixed: list[tuple[int, int]] = field(default_factory=list)
    text: tuple[int, int, int] | None = None
    puts: list[tuple[int, int, bool]] = field(default_factory=list)
    parts: dict[int, tuple[int, bool]] = field(default_factory=dict)
    boundaries: set[int] = field(default_factory=set)
    without: int = 0  # bytes of the variable text
    n_puts: int = 0
    n_floats: int = 0
    length: int = 0

    def add(self, old: _Operation, new: _Operation) -> None:
        """Take up an opcode that both items have."""
        place = new.place - self.without
        self.boundaries.add(place)
        self.fixed.append((place, new.data[0]))
        self.length = place + len(new.data)
        if old.part != new.part:
            raise _Different
        if new.part is not None:
            self._add_part(new, place, new.part)
        if new.name in _TEXTS and new.part is not None:
            self.text = place + 1, new.head - 1, place + new.head
            self.without += len(new.data) - new.head
            self.length = place + new.head
        elif new.name in _BYTES and new.part is not None:
            if len(new.data) != len(old.data):
                raise _Different
            self._fix(place, new.data[: new.head])
        elif new.name in _PUTS or new.name == "MEMOIZE":
            self._add_put(new, place)
        elif new.name == "BINFLOAT":
            self.n_floats += 1
        else:
            is_own = "GET" in new.name and new.number >= self.first.memo
            if is_own or old.data != new.data:
                raise _Different
            self._fix(place, new.data)

    def _fix(self, place: int, data: bytes) -> None:
        self.fixed += [(place + i, byte) for i, byte in enumerate(data[1:], 1)]

    def _add_part(self, new: _Operation, place: int, part: int) -> None:
        if part in self.parts or (new.name in _TEXTS and self.text):
            raise _Different
        held = new.head if new.name in _BYTES else 0
        self.parts[part] = place + held, self.text is not None

    def _add_put(self, new: _Operation, place: int) -> None:
        if new.name in _PUTS:
            if new.number != self.second.memo + self.n_puts:
                raise _Different
            self.puts.append((place + 1, _PUTS[new.name], self.text is not None))
        self.n_puts += 1

    def template(self, width: int, role_of: Callable[[int], int | None]) -> Template:
        """The template, if it tells all of the item."""
        first, second = self.first, self.second
        kinds = placed(second.kinds)
        n_floats = sum(kind[1] for kind in kinds if kind != TEXT and kind[0] == "floats")
        if len(self.parts) != len(kinds) or n_floats != self.n_floats:
            raise _Different
        if second.memo - first.memo != self.n_puts or len(self.puts) not in (0, self.n_puts):
            raise _Different
        behind = self.text[2] if self.text else self.length
        return Template(
            width=width,
            kinds=second.kinds,
            code=second.data[:1],
            length=self.length,
            before=_columns([one for one in self.fixed if one[0] < behind]),
            behind=_columns([one for one in self.fixed if one[0] >= behind]),
            text=self.text,
            parts=[self.parts[number] for number in range(len(kinds))],
            puts=self.puts,
            roles=tuple(role_of(second.memo + number) for number in range(self.n_puts)),
            boundaries=frozenset(self.boundaries),
        )


def learn(
    width: int, first: Example, second: Example, role_of: Callable[[int], int | None]
) -> Template | None:
    """A template of what two consecutive items have in common; None where that is too little.

    Parameters
    ----------
    width : int
        Values that an item is.
    role_of : callable
        Which part of the second item a number in the memo is, or None.
    """
    before, behind = first.operations(), second.operations()
    if not behind or [o.name for o in before] != [o.name for o in behind]:
        return None
    draft = _Draft(first, second)
    try:
        for old, new in zip(before, behind, strict=True):
            draft.add(old, new)
        return draft.template(width, role_of)
    except _Different:
        return None


def _columns(fixed: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    places = np.asarray([place for place, _ in fixed], np.int64)
    return places, np.asarray([byte for _, byte in fixed], np.uint8)
