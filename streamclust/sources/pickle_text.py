"""Bytes that old pickle protocols hold as text: random access to their decoded form.

Protocols 0 to 2 have no opcode for bytes: numpy's arrays stand in them as text of the
characters U+0000 to U+00FF, written as UTF-8 (1 and 2) or with escapes (0). A decoded
offset has no fixed place in the file, so one scan notes where every so many bytes begin.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.stored import OpenFile

# Small enough that a piece and its temporaries stay in the processor's cache.
_STEP = 1 << 16

_BACKSLASH = 0x5C
_ESCAPE = 6  # the length of \u005c


@dataclass(frozen=True)
class _Codec:
    """How to count and decode a piece (uint8) that holds whole characters only."""

    cut: Callable[[np.ndarray], int]
    count: Callable[[np.ndarray], int]
    decode: Callable[[np.ndarray], np.ndarray | None]


def _utf8_cut(piece: np.ndarray) -> int:
    return len(piece) - int(piece[-1] >= 0xC0)


def _utf8_count(piece: np.ndarray) -> int:
    # As signed numbers, the continuation bytes 0x80..0xBF are all those below -64.
    return int(np.count_nonzero(piece.view(np.int8) >= -64))


def _utf8_decode(piece: np.ndarray) -> np.ndarray | None:
    lead = piece >= 0xC0
    follows = piece.view(np.int8) < -64
    only_latin1 = piece.max() <= 0xC3 and not ((piece & 0xFE) == 0xC0).any()
    if follows[0] or not only_latin1 or not np.array_equal(lead[:-1], follows[1:]):
        return None
    # 0xC2 x stands for x, 0xC3 x for x + 0x40; the lead bytes themselves drop out.
    values = piece.copy()
    values[1:] += (piece[:-1] == 0xC3).view(np.uint8) << 6
    return np.compress(~lead, values)


def _escape_cut(piece: np.ndarray) -> int:
    tail = piece[1 - _ESCAPE :]
    begun = np.flatnonzero(tail == _BACKSLASH)
    return len(piece) - (len(tail) - int(begun[0]) if len(begun) else 0)


def _escape_count(piece: np.ndarray) -> int:
    return len(piece) - (_ESCAPE - 1) * int(np.count_nonzero(piece == _BACKSLASH))


def _escape_decode(piece: np.ndarray) -> np.ndarray | None:
    try:
        text = piece.tobytes().decode("raw-unicode-escape").encode("latin-1")
    except UnicodeError:
        return None
    return np.frombuffer(text, np.uint8)


_CODECS = {
    "utf-8": _Codec(_utf8_cut, _utf8_count, _utf8_decode),
    "raw-unicode-escape": _Codec(_escape_cut, _escape_count, _escape_decode),
}


@dataclass(frozen=True, eq=False)
class TextBytes:
    """Bytes held as text of one of the encodings ``utf-8`` and ``raw-unicode-escape``.

    Attributes
    ----------
    stop : int
        Where the text ends in the file.
    size : int
        Number of bytes, once decoded.
    places, offsets : ndarray of int64
        Positions in the file at which a character begins, and how many come before it.
    """

    encoding: str
    stop: int
    size: int
    places: np.ndarray
    offsets: np.ndarray

    @classmethod
    def scan(cls, file: OpenFile, start: int, stop: int, encoding: str) -> TextBytes:
        """Index the text from `start` to `stop` by reading it once.

        Raises
        ------
        SourceError
            If the text ends within a character.
        """
        codec = _CODECS[encoding]
        buffer = np.empty(_STEP, np.uint8)
        places, offsets = array("q"), array("q")
        place, offset = start, 0
        while place < stop:
            piece = _whole_piece(file, buffer, place, stop, codec)
            places.append(place)
            offsets.append(offset)
            place += len(piece)
            offset += codec.count(piece)
        return cls(encoding, stop, offset, np.asarray(places, "i8"), np.asarray(offsets, "i8"))

    def readinto(self, file: OpenFile, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the decoded bytes from `offset` on."""
        codec = _CODECS[self.encoding]
        piece_buffer = np.empty(_STEP, np.uint8)
        out = np.frombuffer(buffer, np.uint8)
        mark = int(np.searchsorted(self.offsets, offset, side="right")) - 1
        place, skip, done = int(self.places[mark]), offset - int(self.offsets[mark]), 0
        while done < len(out):
            piece = _whole_piece(file, piece_buffer, place, self.stop, codec)
            values = codec.decode(piece)
            if values is None or len(values) != codec.count(piece):
                raise _damaged(file, place)
            wanted = values[skip : skip + len(out) - done]
            out[done : done + len(wanted)] = wanted
            done += len(wanted)
            skip = max(0, skip - len(values))
            place += len(piece)


def _whole_piece(
    file: OpenFile, buffer: np.ndarray, place: int, stop: int, codec: _Codec
) -> np.ndarray:
    """Read about a buffer of text from `place`, ending where a character does."""
    piece = buffer[: stop - place]
    if not len(piece):
        raise _damaged(file, place)
    file.readinto(piece.data, place)
    whole = piece[: codec.cut(piece)]
    if place + len(piece) == stop and len(whole) < len(piece):
        raise _damaged(file, place)
    return whole


def _damaged(file: OpenFile, place: int) -> SourceError:
    return SourceError(
        f"{file.path}: the array's text is damaged near byte {place}: "
        f"save it again with np.save or pickle protocol 4"
    )
