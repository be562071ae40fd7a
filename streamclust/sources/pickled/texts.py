"""Texts in pickles: lists of them passed over quickly, and read again from where they stand."""

from __future__ import annotations

import os
import pickle as op  # only the names of its opcodes are used
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import opened
from streamclust.sources.pickled.items import BATCH, TEXT, Run
from streamclust.sources.pickled.window import Leap, Remembered, Window

# What is longer is no path.
_LONGEST = 1 << 15
_PIECE = 1 << 16
_FEW = 1 << 10
_HEADS = {op.SHORT_BINUNICODE[0]: 2, op.BINUNICODE[0]: 5}
_OLD_HEADS = {op.SHORT_BINSTRING[0]: 2, op.BINSTRING[0]: 5}
_GETS = {op.BINGET[0]: 2, op.LONG_BINGET[0]: 5}
_PUTS = {op.MEMOIZE[0]: 1, op.BINPUT[0]: 2, op.LONG_BINPUT[0]: 5}
TEXT_CODES = frozenset(bytes([code]) for code in (*_HEADS, *_GETS))
# They may be the name of what comes next.
_LEFT = 2


def leap_texts(
    window: Window, offset: int, memo: int, place_of: Callable[[int], int | None]
) -> Leap | None:
    """Pass over texts, but for the last two; None where there are no more.

    Parameters
    ----------
    window, offset
        Where they begin.
    memo : int
        Values in the memo so far.
    place_of : callable
        The place of the text that a number in the memo is; None where it is something else.
    """
    data = window.data
    starts, bodies = array("q"), array("q")  # and where each ends, without its put
    known: dict[int, int] = {}  # places of those that refer to others
    puts = array("q")  # numbers of the texts that are remembered
    while offset + 10 < len(data) and len(starts) < BATCH + _LEFT:
        code = data[offset]
        if code in _GETS:
            end = offset + _GETS[code]
            number = int.from_bytes(data[offset + 1 : end], "little")
            own = number - memo
            # Of one that is itself passed over now: which it is.
            here = -1 - puts[own] if 0 <= own < len(puts) else None
            place = place_of(number) if own < 0 else here
            if place is None:
                break
            known[len(starts)] = place
            starts.append(offset)
            bodies.append(end)
            offset = end
            continue
        if code not in _HEADS:
            break
        head = _HEADS[code]
        end = offset + head + int.from_bytes(data[offset + 1 : offset + head], "little")
        if end + 5 > len(data):
            break
        following = end
        put = data[end]
        if put in _PUTS:
            following += _PUTS[put]
            number = int.from_bytes(data[end + 1 : following], "little")
            if put != op.MEMOIZE[0] and number != memo + len(puts):
                break
            puts.append(len(starts))
        starts.append(offset)
        bodies.append(end)
        offset = following
    count = _up_to_bad_cut(window.cuts, starts, bodies, len(starts) - _LEFT)
    if count <= 0:
        return None
    places = window.places(np.asarray(starts[:count], np.int64))
    for item, place in known.items():
        if item < count:
            places[item] = place if place >= 0 else places[-1 - place]
    remembered = np.asarray([item for item in puts if item < count], np.int64)
    held, own_places = array("q", places.tobytes()), array("q", places[remembered].tobytes())
    run = Run((TEXT,), [held], count)
    return Leap(run, Remembered(len(own_places), ((TEXT, own_places),)), starts[count])


def _up_to_bad_cut(cuts: list[int], starts: array[int], bodies: array[int], count: int) -> int:
    for cut in cuts:
        item = bisect_right(starts, cut) - 1
        if 0 <= item < count and starts[item] < cut < bodies[item]:
            return item
    return count


@dataclass(frozen=True, eq=False)
class TextPlaces:
    """Texts, each where its opcode stands."""

    path: Path
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[str]:
        """All of them; what stands near is read at once."""
        with opened(self.path) as file:
            start, piece = 0, b""
            for row, place in enumerate(map(int, self.places)):
                skip = place - start
                if not 0 <= skip <= len(piece) - _FEW:
                    near = -_PIECE < skip - len(piece) < _PIECE // 4
                    start, skip = place, 0
                    piece = os.pread(file.descriptor, _PIECE if near else _FEW, place)
                yield self._text(file.descriptor, row, place, piece, skip)

    def _text(self, descriptor: int, row: int, place: int, piece: bytes, skip: int) -> str:
        code = piece[skip] if skip < len(piece) else 0
        head = _HEADS.get(code) or _OLD_HEADS.get(code)
        if head is None:
            return self._line(descriptor, row, place)
        first = skip + head
        length = int.from_bytes(piece[skip + 1 : first], "little")
        content = piece[first : first + length]
        if len(content) < length:
            content = os.pread(descriptor, min(length, _LONGEST + 1), place + head)
        return self._decoded(row, place, content, length, "utf-8")

    def _line(self, descriptor: int, row: int, place: int) -> str:
        """A text of protocol 0, to the end of its line."""
        piece = os.pread(descriptor, _LONGEST, place)
        end = piece.find(b"\n")
        if piece[:1] != op.UNICODE or end < 0:
            raise self._refused(row, place, "is no text, or a long one")
        return self._decoded(row, place, piece[1:end], end - 1, "raw-unicode-escape")

    def _decoded(self, row: int, place: int, content: bytes, length: int, encoding: str) -> str:
        if len(content) != length or length > _LONGEST:
            raise self._refused(row, place, f"has {length} bytes")
        try:
            return content.decode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")
        except UnicodeDecodeError:
            raise self._refused(row, place, "is not UTF-8") from None

    def _refused(self, row: int, place: int, what: str) -> SourceError:
        return SourceError(
            f"{self.path}: path {row} at byte {place} {what}: save the paths as a list of str"
        )


def only_text(path: Path, place: int) -> str:
    """The text that stands at a place."""
    return next(iter(TextPlaces(path, np.asarray([place], np.int64))))
