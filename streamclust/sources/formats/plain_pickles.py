"""A pickle of one array, read from its beginning on: of streams, and of what joblib writes, where
the values stand behind the pickle's opcodes.

Nothing is imported or called: opcodes of an array move texts, numbers and tuples on a stack.
References: ``numpy.ndarray.__reduce_ex__``, ``joblib.numpy_pickle.NumpyArrayWrapper``.
"""

from __future__ import annotations

import pickle as op  # only the names of its opcodes are used
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import check_layout

_MOST_STEPS = 500
_MOST_TEXT = 4096
_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_NDARRAY = ("numpy", "ndarray")
_MEMMAP = ("numpy", "memmap")
_ARRAYS = {
    _NDARRAY,
    _MEMMAP,
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    _WRAPPER,
}
_TEXTS = {
    op.SHORT_BINUNICODE: "<B",
    op.BINUNICODE: "<I",
    op.BINUNICODE8: "<Q",
    op.SHORT_BINBYTES: "<B",
    op.SHORT_BINSTRING: "<B",
    op.BINSTRING: "<i",
}
_BYTES = {op.BINBYTES: "<I", op.BINBYTES8: "<Q", op.BYTEARRAY8: "<Q"}
_NUMBERS = {op.BININT: "<i", op.BININT1: "<B", op.BININT2: "<H"}
_CONSTANTS: dict[bytes, Any] = {
    op.NONE: None,
    op.NEWTRUE: True,
    op.NEWFALSE: False,
    op.EMPTY_TUPLE: (),
}
_TUPLES = {op.TUPLE1: 1, op.TUPLE2: 2, op.TUPLE3: 3}
_PUTS = {op.BINPUT: "<B", op.LONG_BINPUT: "<I"}
_GETS = {op.BINGET: "<B", op.LONG_BINGET: "<I"}
_MARK = object()
# What ends the pickle of an array behind its bytes: a tuple, which is set as its state; between
# them, notes for the memo and the length of a frame.
_NOTES = rb"(\x94|q.|r....|\x95.{8})*"
_END = _NOTES + b"t" + _NOTES + rb"b\."


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class PlainArray:
    """An array in a stream.

    Attributes
    ----------
    shape : tuple of int
    order : {"C", "F"}
    dtype : dtype
    start : int
        Where its bytes begin.
    tail : bytes or None
        What has to stand behind them, to the end, as a regular expression; None where that was
        read.
    """

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype
    start: int
    tail: bytes | None


@dataclass
class _Made:
    """What a call gives."""

    target: tuple[str, str]
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True)
class _Span:
    start: int
    length: int


def read_plain(path: Path, file: Readable) -> PlainArray:
    """Read a pickle of one array up to its bytes, which are passed over where more has to be known
    of it, as in protocol 5.

    Parameters
    ----------
    path : Path
        For messages.
    file : binary file
        At its beginning; read forward only.

    Raises
    ------
    SourceError
        When it holds anything else.
    """
    return _Reader(path, file).read()


class _Reader:
    def __init__(self, path: Path, file: Readable) -> None:
        self.path = path
        self.file = file
        self.place = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def read(self) -> PlainArray:
        try:
            for _ in range(_MOST_STEPS):
                code = self.take(1)
                if code == op.STOP:
                    return self.array(self.stack.pop())
                if found := self.step(code):
                    return found
        except SourceError:
            raise
        except (IndexError, KeyError, TypeError, ValueError, AttributeError):
            raise self.refused("a damaged pickle") from None
        raise self.refused(f"more than {_MOST_STEPS} opcodes")

    def refused(self, what: str) -> SourceError:
        return SourceError(
            f"{self.path}: refused: {what} at byte {self.place}: one array of numbers is read from "
            "a packed pickle, or joblib's: unpack it first, or save the array with np.save"
        )

    def take(self, count: int) -> bytes:
        data = self.file.read(count)
        self.place += len(data)
        if len(data) < count:
            raise SourceError(
                f"{self.path}: ends at byte {self.place}, before its array does: copy it again"
            )
        return data

    def number(self, layout: str) -> int:
        return int(struct.unpack(layout, self.take(struct.calcsize(layout)))[0])

    def step(self, code: bytes) -> PlainArray | None:
        stack = self.stack
        if code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _TEXTS:
            length = self.number(_TEXTS[code])
            if not 0 <= length <= _MOST_TEXT:
                raise self.refused(f"a text of {length} bytes")
            stack.append(self.take(length).decode("latin-1"))
        elif code in _BYTES:
            length = self.number(_BYTES[code])
            if self.is_state():
                return self.array_of(stack[0], [*stack[2:], _Span(self.place, length)], _END)
            stack.append(_Span(self.place, length))
            self.skip(length)
        elif code in _NUMBERS:
            stack.append(self.number(_NUMBERS[code]))
        elif code == op.LONG1:
            stack.append(int.from_bytes(self.take(self.number("<B")), "little", signed=True))
        elif code in _TUPLES:
            count = _TUPLES[code]
            stack[-count:] = [tuple(stack[-count:])]
        elif code in _PUTS:
            self.memo[self.number(_PUTS[code])] = stack[-1]
        elif code == op.MEMOIZE:
            self.memo[len(self.memo)] = stack[-1]
        elif code in _GETS:
            stack.append(self.memo[self.number(_GETS[code])])
        elif code == op.PROTO:
            self.take(1)
        elif code == op.FRAME:
            self.take(8)
        elif code == op.MARK:
            stack.append(_MARK)
        elif code == op.TUPLE:
            stack.append(tuple(self.marked()))
        elif code == op.EMPTY_DICT:
            stack.append({})
        elif code == op.SETITEMS:
            values = self.marked()
            stack[-1].update(zip(values[::2], values[1::2], strict=True))
        elif code == op.GLOBAL:
            self.push_global(*(self.line() for _ in range(2)))
        elif code == op.STACK_GLOBAL:
            name, module = stack.pop(), stack.pop()
            self.push_global(module, name)
        elif code in (op.REDUCE, op.NEWOBJ):
            arguments, target = stack.pop(), stack.pop()
            stack.append(_Made(target, tuple(arguments)))
        elif code == op.BUILD:
            state = stack.pop()
            stack[-1].state = state
            if stack[-1].target == _WRAPPER:
                return self.wrapped(state)
        else:
            raise self.refused(f"opcode 0x{code.hex()}")
        return None

    def is_state(self) -> bool:
        """Whether what is to come is the last of the state of the only array: its bytes."""
        kinds = [type(value) for value in self.stack]
        return (
            kinds == [_Made, object, int, tuple, _Made, bool]
            and self.stack[1] is _MARK
            and self.stack[0].state is None
        )

    def skip(self, length: int) -> None:
        """Read over bytes, which a stream cannot but unpack."""
        while length:
            length -= len(self.take(min(length, 2**20)))

    def line(self) -> str:
        line = self.file.readline(_MOST_TEXT)
        self.place += len(line)
        return line.decode("latin-1").rstrip("\n")

    def marked(self) -> list[Any]:
        place = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def push_global(self, module: str, name: str) -> None:
        if (module, name) not in _ARRAYS:
            raise self.refused(f"global {f'{module} {name}'[:80]!a}")
        self.stack.append((module, name))

    def wrapped(self, state: dict[str, Any]) -> PlainArray:
        """An array of joblib's, whose bytes follow, with some before them that align them."""
        if len(self.stack) > 1:
            raise self.refused("an array in a dict or another object")
        if state.get("subclass") not in (_NDARRAY, _MEMMAP):
            raise self.refused("an array of another class than numpy.ndarray")
        if state.get("numpy_array_alignment_bytes") is not None:
            self.take(self.take(1)[0])
        order: Literal["C", "F"] = "F" if state["order"] == "F" else "C"
        dtype = self.dtype(state["dtype"])
        return PlainArray(self.sides(state["shape"]), order, dtype, self.place, rb"\.")

    def array(self, made: Any) -> PlainArray:
        """The array that a call and its state, or a call alone, stand for."""
        if not isinstance(made, _Made):
            raise self.refused("no array")
        found = self.array_of(made, made.state, None)
        if self.file.read(1):
            raise self.refused("more behind the array")
        return found

    def array_of(self, made: _Made, state: Any, tail: bytes | None) -> PlainArray:
        order: Literal["C", "F"] = "C"
        if made.target[1] == "_frombuffer":
            span, dtype, shape, letter = made.arguments[:4]
            order = "F" if letter == "F" else "C"
        elif made.target[1] == "_reconstruct" and made.arguments[0] == _NDARRAY:
            _, shape, dtype, is_fortran, span = state
            order = "F" if is_fortran else "C"
        else:
            raise self.refused("no array")
        if not isinstance(span, _Span):
            raise self.refused("an array whose bytes are text, of protocol 2 or less")
        found = self.dtype(dtype)
        if span.length != int(np.prod(self.sides(shape), dtype=object)) * found.itemsize:
            raise self.refused("an array that is not as long as its shape tells")
        return PlainArray(self.sides(shape), order, found, span.start, tail)

    def sides(self, shape: Any) -> tuple[int, ...]:
        if not isinstance(shape, tuple) or not all(type(side) is int for side in shape):
            raise self.refused("a shape that is no tuple of whole numbers")
        return shape

    def dtype(self, made: _Made) -> np.dtype:
        code, *_ = made.arguments
        dtype = np.dtype(code)
        check_layout(self.path, (1, 1), dtype)
        orders: dict[str, Literal["<", ">", "="]] = {"<": "<", ">": ">"}
        return dtype.newbyteorder(orders.get(made.state[1], "=")) if made.state else dtype
