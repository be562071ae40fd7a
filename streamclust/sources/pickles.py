"""Arrays in pickles: walked, never loaded, and their rows read where they stand.

References: ``numpy.ndarray.__reduce_ex__`` for what is written, PEP 574 for protocol 5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources import ArraySource, check_layout
from streamclust.sources.pickle_machine import WAY_OUT, Global, Refusal, Span, walk
from streamclust.sources.pickle_text import TextBytes
from streamclust.sources.stored import Payload, RawBytes, opened, store

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
    "pandas": "a pandas object: use .to_numpy() and save that",
    "scipy": "a scipy object: use .toarray() and save that",
}

_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def open_array(path: Path) -> ArraySource:
    """Open a pickle of one numpy array, of any protocol and written by numpy 1 or 2.

    Protocols 0 to 2 hold the array as text, which is read once for an index.

    Raises
    ------
    SourceError
        If the file is anything but a pickle of a plain two-dimensional array of
        numbers: the message names the opcode or global and the byte where it stands.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(8)
        for magic, name in _COMPRESSED.items():
            if head.startswith(magic):
                raise SourceError(f"{path}: is compressed with {name}: unpack it first")
        file.seek(0)
        value = walk(path, file, size, _Arrays(path))
    if not isinstance(value, _Array) or value.content is None:
        raise SourceError(f"{path}: refused: holds {_describe(value)}, not an array: {WAY_OUT}")
    shape, dtype, order, span = value.content
    check_layout(path, shape, dtype)
    return store(path, shape, dtype, order, _payload(path, span))


def _payload(path: Path, span: Span) -> Payload:
    if span.encoding == "raw":
        return RawBytes(span.start, span.length)
    with opened(path) as file:
        return TextBytes.scan(file, span.start, span.start + span.length, span.encoding)


_Content = tuple[tuple[int, ...], np.dtype, Literal["C", "F"], Span]


@dataclass(eq=False)
class _Array:
    """An array to be; its content comes with a BUILD."""

    content: _Content | None = None


@dataclass(eq=False)
class _DType:
    """A dtype to be; its byte order comes with a BUILD."""

    value: np.dtype


class _Arrays:
    """The meaning of what numpy writes into pickles of arrays."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check_global(self, target: Global) -> None:
        if target in _ALLOWED:
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
            return _Array()
        if target in _FROMBUFFER:
            return _frombuffer(arguments)
        if target == _DTYPE:
            return self._dtype(arguments)
        if target == _ENCODE:
            return _encode(arguments)
        if target in _BYTES and arguments == ():
            return Span(0, 0, "raw", False, b"")
        raise Refusal(f"a call of '{target.module} {target.name}'")

    def build(self, target: object, state: object) -> None:
        if isinstance(target, _Array) and isinstance(state, tuple):
            # (version, shape, dtype, is Fortran, bytes)
            if len(state) != 5 or state[0] != 1 or not isinstance(state[3], bool | int):
                raise Refusal("an array with an unknown state")
            order: Literal["C", "F"] = "F" if state[3] else "C"
            target.content = _content(state[1], state[2], order, state[4])
        elif isinstance(target, _DType) and isinstance(state, tuple):
            target.value = _with_byte_order(target.value, state)
        else:
            raise Refusal("a state of what has none")

    def _dtype(self, arguments: tuple[Any, ...]) -> _DType:
        # (code, align, copy)
        word = arguments[0].word if arguments and isinstance(arguments[0], Span) else None
        if arguments[1:] != (False, True) or word is None or not _CODES.fullmatch(word):
            raise Refusal("an unknown dtype")
        try:
            dtype = np.dtype(word)
        except (TypeError, ValueError) as error:
            raise Refusal(f"dtype '{word}', which this machine's numpy does not know") from error
        # Refused before the lists and dicts that come with it, which would tell less.
        check_layout(self.path, (1, 1), dtype)
        return _DType(dtype)


def _encode(arguments: tuple[Any, ...]) -> Span:
    if len(arguments) == 2 and all(isinstance(part, Span) for part in arguments):
        text, encoding = arguments
        if text.is_text and encoding.word in ("latin1", "latin-1"):
            return replace(text, is_text=False, small=None)
    raise Refusal("a call of '_codecs encode' for another encoding than latin1")


def _frombuffer(arguments: tuple[Any, ...]) -> _Array:
    if len(arguments) not in (4, 5):
        raise Refusal("a call of '_frombuffer' with unknown arguments")
    span, dtype, shape, order = arguments[:4]
    word = order.word if isinstance(order, Span) else None
    # 'A' makes C order of a flat buffer; 'K' goes with three dimensions and more.
    orders: dict[str | None, Literal["C", "F"]] = {"C": "C", "F": "F", "A": "C"}
    if word == "K" and isinstance(shape, tuple) and len(shape) > 2:
        orders["K"] = "C"
    if word not in orders:
        raise Refusal("an array of unknown order")
    return _Array(_content(shape, dtype, orders[word], span))


def _content(shape: object, dtype: object, order: Literal["C", "F"], span: object) -> _Content:
    if not isinstance(shape, tuple) or not all(type(side) is int for side in shape):
        raise Refusal("a shape that is no tuple of whole numbers")
    if not isinstance(dtype, _DType):
        raise Refusal("an array without a dtype")
    if not isinstance(span, Span) or span.is_text:
        raise Refusal("an array without its bytes")
    return shape, dtype.value, order, span


def _with_byte_order(dtype: np.dtype, state: tuple[Any, ...]) -> np.dtype:
    # (version, byte order, subarray, names, fields, size, alignment, flags)
    plain = (None, None, None, -1, -1, 0)
    if len(state) != 8 or state[0] != 3 or state[2:] != plain or not isinstance(state[1], Span):
        raise Refusal("a dtype with an unknown state")
    orders: dict[str | None, Literal["<", ">", "="]] = {"<": "<", ">": ">", "=": "=", "|": "="}
    order = orders.get(state[1].word)
    if order is None:
        raise Refusal("an unknown byte order")
    return dtype.newbyteorder(order)


def _describe(value: object) -> str:
    if isinstance(value, Span):
        return "text" if value.is_text else "bytes"
    names = {tuple: "a tuple", Global: "a name", _DType: "a dtype", _Array: "an unfinished array"}
    return names.get(type(value), "a number" if isinstance(value, int) else "nothing")
