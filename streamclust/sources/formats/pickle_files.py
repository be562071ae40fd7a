"""Arrays in pickles: walked, never loaded, and their rows read where they stand.

References: ``numpy.ndarray.__reduce_ex__`` for what is written, PEP 574 for protocol 5.

Bytes that old pickle protocols hold as text: random access to their decoded form.

Protocols 0 to 2 have no opcode for bytes: numpy's arrays stand in them as text of the
characters U+0000 to U+00FF, written as UTF-8 (1 and 2) or with escapes (0). A decoded
offset has no fixed place in the file, so one scan notes where every so many bytes begin.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import (
    ArraySource,
    OpenFile,
    Payload,
    RawBytes,
    StoredArray,
    check_layout,
    check_only_array,
    opened,
    stored_array,
)
from streamclust.sources.formats.appended_arrays import all_arrays
from streamclust.sources.formats.pickle_machine import Refusal, walk
from streamclust.sources.other_formats import LEGACY_TORCH
from streamclust.sources.pickled.frames import Made, is_of_frames
from streamclust.sources.pickled.items import Array, ByteSpan, Content, Global, Items
from streamclust.sources.pickled.tables import described, table_of

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


_RECONSTRUCT = {Global(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
_FROMBUFFER = {Global(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")}
_NDARRAY = Global("numpy", "ndarray")
_DTYPE = Global("numpy", "dtype")
_ENCODE = Global("_codecs", "encode")
# Below protocol 3 an empty bytes object is written as a call of its type.
_BYTES = {Global("__builtin__", "bytes"), Global("builtins", "bytes")}
_ALLOWED = {*_RECONSTRUCT, *_FROMBUFFER, _NDARRAY, _DTYPE, _ENCODE, *_BYTES}

_CODES = re.compile(r"[bfiucOSUVMm](\d{1,9})?")

# By the module that a refused global comes from: what the value probably is.
_LIKELY = {
    "numpy.ma": "a masked array: use array.filled() and save that",
    "numpy": "a special kind of array or a single number: use np.asarray(…) and save that",
    "joblib": "written by joblib.dump: use joblib.load where you trust it, and np.save",
    "torch": "a torch tensor: use tensor.numpy() and save that",
    "pathlib": "a path that is no str: use str(path) and save that",
    "scipy": "a scipy object: use .toarray() and save that",
}


ENDINGS = (".pickle", ".pkl", ".p")
# Of protocols 0 and 1, which have no opcode for the protocol.
_OLD = (b"cnumpy.", b"(lp", b"(dp", b"]q", b"}q", b"ccopy_reg\n", b"cpandas.")


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins as pickles do that hold arrays."""
    is_new = head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5"
    return (is_new and not head.startswith(LEGACY_TORCH)) or head.startswith(_OLD)


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open a pickle of a numpy array, of any protocol and written by numpy 1 or 2.

    Arrays that pickle.dump appended to the file follow the first, as rows of one array.
    Protocols 0 to 2 hold the array as text, which is read once for an index.

    Raises
    ------
    SourceError
        If the file is anything but pickles of plain two-dimensional arrays of numbers,
        of one width and type: the message names the opcode or global and the byte where
        it stands.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        value = walk(path, file, size, _Arrays(path))
        if isinstance(value, Array):
            check_only_array(path, member)
            return all_arrays(path, size, partial(_array_at, path, file, size))
        if file.tell() < size:
            n_bytes = f"{size - file.tell()} bytes"
            raise SourceError(
                f"{path}: the {n_bytes} from byte {file.tell()} on, after {described(value)}, are "
                "not read: save each object in its own file"
            )
    return table_of(path, value, member, partial(_stored, path))


def _array_at(path: Path, file: BinaryIO, size: int, start: int) -> tuple[StoredArray, int]:
    """The array whose pickle begins at byte `start`, and where that ends."""
    file.seek(start)
    value = walk(path, file, size, _Arrays(path))
    end = file.tell()
    if not isinstance(value, Array):
        raise SourceError(f"{path}: refused: holds {described(value)}, not an array")
    return _stored(path, value), end


def _stored(path: Path, value: Array) -> StoredArray:
    """An array of numbers."""
    if value.content is None:
        raise SourceError(f"{path}: refused: holds an unfinished array: save it with np.save")
    shape, dtype, order, span = value.content
    check_layout(path, shape, dtype)
    if not isinstance(span, ByteSpan):
        raise SourceError(f"{path}: holds an array without its bytes: save it with np.save")
    return stored_array(path, shape, dtype, order, _payload(path, span))


def _payload(path: Path, span: ByteSpan) -> Payload:
    if span.encoding == "raw":
        return RawBytes(span.start, span.length)
    with opened(path) as file:
        return TextBytes.scan(file, span.start, span.start + span.length, span.encoding)


@dataclass(eq=False)
class _DType:
    """A dtype to be; its byte order comes with a BUILD."""

    value: np.dtype


class _Arrays:
    """The meaning of what numpy writes into pickles of arrays."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check_global(self, target: Global) -> None:
        if target in _ALLOWED or is_of_frames(target):
            return
        # Names may hold line ends and worse.
        module, name = (ascii(word[:80])[1:-1] for word in (target.module, target.name))
        what = f"global '{module} {name}'"
        for package, likely in _LIKELY.items():
            if target.module == package or target.module.startswith(package + "."):
                raise Refusal(f"{what} ({likely})")
        raise Refusal(what)

    def reduce(self, target: Global, arguments: tuple[Any, ...]) -> object:
        if target in _RECONSTRUCT:
            if len(arguments) != 3 or arguments[0] != _NDARRAY:
                raise Refusal("an array of another class than numpy.ndarray")
            return Array()
        if target in _FROMBUFFER:
            return _frombuffer(arguments)
        if target == _DTYPE:
            return self._dtype(arguments)
        if target == _ENCODE:
            return _encode(arguments)
        if target in _BYTES and arguments == ():
            return ByteSpan(0, 0, "raw", False, b"")
        if is_of_frames(target):
            return Made(target, arguments)
        raise Refusal(f"a call of '{target.module} {target.name}'")

    def build(self, target: object, state: object) -> None:
        if isinstance(target, Array) and isinstance(state, tuple):
            # (version, shape, dtype, is Fortran, bytes)
            if len(state) != 5 or state[0] != 1 or not isinstance(state[3], bool | int):
                raise Refusal("an array with an unknown state")
            order: Literal["C", "F"] = "F" if state[3] else "C"
            target.content = _content(state[1], state[2], order, state[4])
        elif isinstance(target, _DType) and isinstance(state, tuple):
            target.value = _with_byte_order(target.value, state)
        elif isinstance(target, Made):
            target.state = state
        else:
            raise Refusal("a state of what has none")

    def value_at(self, kind: Any, place: int) -> object:
        if kind[0] != "array":
            raise Refusal("a list of floats that is there twice")
        return Array.at(kind, place)

    def persistent(self, name: object) -> object:
        raise Refusal("a value that is kept elsewhere")

    def _dtype(self, arguments: tuple[Any, ...]) -> _DType:
        # (code, align, copy)
        word = arguments[0].word if arguments and isinstance(arguments[0], ByteSpan) else None
        if arguments[1:] != (False, True) or word is None or not _CODES.fullmatch(word):
            raise Refusal("an unknown dtype")
        try:
            dtype = np.dtype(word)
        except (TypeError, ValueError) as error:
            raise Refusal(f"dtype '{word}', which this machine's numpy does not know") from error
        # Refused before what comes with it, which would tell less.
        if dtype.kind == "V":
            check_layout(self.path, (1, 1), dtype)
        return _DType(dtype)


def _encode(arguments: tuple[Any, ...]) -> ByteSpan:
    if len(arguments) == 2 and all(isinstance(part, ByteSpan) for part in arguments):
        text, encoding = arguments
        if text.is_text and encoding.word in ("latin1", "latin-1"):
            return replace(text, is_text=False, small=None)
    raise Refusal("a call of '_codecs encode' for another encoding than latin1")


def _frombuffer(arguments: tuple[Any, ...]) -> Array:
    if len(arguments) not in (4, 5):
        raise Refusal("a call of '_frombuffer' with unknown arguments")
    span, dtype, shape, order = arguments[:4]
    word = order.word if isinstance(order, ByteSpan) else None
    # 'A' makes C order of a flat buffer; 'K' goes with three dimensions and more.
    orders: dict[str | None, Literal["C", "F"]] = {"C": "C", "F": "F", "A": "C"}
    if word == "K" and isinstance(shape, tuple) and len(shape) > 2:
        orders["K"] = "C"
    if word not in orders:
        raise Refusal("an array of unknown order")
    return Array(_content(shape, dtype, orders[word], span))


def _content(shape: object, dtype: object, order: Literal["C", "F"], span: object) -> Content:
    if not isinstance(shape, tuple) or not all(type(side) is int for side in shape):
        raise Refusal("a shape that is no tuple of whole numbers")
    if not isinstance(dtype, _DType):
        raise Refusal("an array without a dtype")
    if isinstance(span, Items) and dtype.value.kind == "O":
        return shape, dtype.value, order, span
    if not isinstance(span, ByteSpan) or span.is_text:
        raise Refusal("an array without its bytes")
    return shape, dtype.value, order, span


def _with_byte_order(dtype: np.dtype, state: tuple[Any, ...]) -> np.dtype:
    # (version, byte order, subarray, names, fields, size, alignment, flags)
    numbers = {"O": (-1, -1, 63), "U": (dtype.itemsize, 4, 8), "S": (dtype.itemsize, 1, 0)}
    if dtype.kind in "Mm" and len(state) == 9:
        return dtype
    plain = (None, None, None, *numbers.get(dtype.kind, (-1, -1, 0)))
    if len(state) != 8 or state[0] != 3 or state[2:] != plain or not isinstance(state[1], ByteSpan):
        raise Refusal("a dtype with an unknown state")
    orders: dict[str | None, Literal["<", ">", "="]] = {"<": "<", ">": ">", "=": "=", "|": "="}
    order = orders.get(state[1].word)
    if order is None:
        raise Refusal("an unknown byte order")
    return dtype.newbyteorder(order)
