"""Walk a pickle without loading it: a stack machine for the opcodes of numpy's arrays.

Nothing is imported and nothing is called. Long strings stay in the file: only their
place is kept. What the globals, calls and states mean is for a `Meaning` to say.
"""

from __future__ import annotations

import pickle as op  # only the names of its opcodes are used
import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol

from streamclust.errors import SourceError

WAY_OUT = "only plain numpy arrays are read; save the array with np.save or pickle.dump(array)"

_MAX_LINE = 256
_MAX_LONG = 16
_SEARCH = 1 << 16


class Refusal(Exception):
    """Raised by a `Meaning`; the machine adds the file and the place."""


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

    @property
    def word(self) -> str | None:
        """The content as ASCII, or None if it is long or something else."""
        if self.small is None or not self.small.isascii():
            return None
        return self.small.decode("ascii")


class Meaning(Protocol):
    """What to make of a pickle; each method may raise `Refusal`.

    Attributes
    ----------
    most_steps : int
        Opcodes that are walked at most.
    holds_containers : bool
        Whether lists and dicts are walked into, which stand as such on the stack.
    """

    most_steps: int
    holds_containers: bool

    def check_global(self, target: Global) -> None:
        """Refuse all globals but the harmless ones."""

    def reduce(self, target: Global, arguments: tuple[Any, ...]) -> object:
        """Stand in for calling `target`."""

    def build(self, target: object, state: object) -> None:
        """Stand in for setting the state of what `reduce` returned."""

    def persistent(self, name: object) -> object:
        """Stand in for what is kept outside of the pickle under a name."""


def walk(path: Path, file: BinaryIO, size: int, meaning: Meaning) -> object:
    """Walk the pickle in `file` (of `size` bytes) and return what stands for its value.

    Raises
    ------
    SourceError
        If it is cut short or damaged, or if it holds an opcode or global that a
        pickle of a numpy array does not.
    """
    return _Machine(path, file, size, meaning).run()


_MARK = object()

_CONSTANTS: dict[bytes, object] = {
    op.MARK: _MARK,
    op.NONE: None,
    op.NEWTRUE: True,
    op.NEWFALSE: False,
    op.EMPTY_TUPLE: (),
}
_NUMBERS = {op.BININT: "<i", op.BININT1: "<B", op.BININT2: "<H"}
_LONGS = {op.LONG1: "<B", op.LONG4: "<i"}
_TUPLES = {op.TUPLE1: 1, op.TUPLE2: 2, op.TUPLE3: 3}
_PUTS = {op.BINPUT: "<B", op.LONG_BINPUT: "<I"}
_GETS = {op.BINGET: "<B", op.LONG_BINGET: "<I"}
_SPANS = {
    op.BINUNICODE: ("<I", "utf-8", True),
    op.SHORT_BINUNICODE: ("<B", "utf-8", True),
    op.BINUNICODE8: ("<Q", "utf-8", True),
    op.BINBYTES: ("<I", "raw", False),
    op.SHORT_BINBYTES: ("<B", "raw", False),
    op.BINBYTES8: ("<Q", "raw", False),
    op.BYTEARRAY8: ("<Q", "raw", False),
    op.BINSTRING: ("<i", "raw", False),
    op.SHORT_BINSTRING: ("<B", "raw", False),
}

# What the values are that these opcodes make: it tells more than the opcode's name.
_CONTAINERS = {
    op.EMPTY_DICT: "a dict",
    op.DICT: "a dict",
    op.EMPTY_LIST: "a list",
    op.LIST: "a list",
    op.EMPTY_SET: "a set",
    op.FROZENSET: "a set",
}
_WAYS_OUT = {
    op.STRING: "it was written by Python 2 at protocol 0: "
    "load it and save it again with protocol 2 or more",
    op.NEXT_BUFFER: "its array was pickled out of band (buffer_callback) and is not in the file: "
    "save it with a plain pickle.dump(array)",
}
_OPCODE_NAMES = {info.code.encode("latin-1"): info.name for info in pickletools.opcodes}


class _Machine:
    """State of a walk: the stack, the memo, and where the current opcode stands."""

    def __init__(self, path: Path, file: BinaryIO, size: int, meaning: Meaning) -> None:
        self.path = path
        self.file = file
        self.size = size
        self.meaning = meaning
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.place = 0

    def run(self) -> object:
        for _ in range(self.meaning.most_steps):
            self.place = self.file.tell()
            code = self._take(1)
            if code == op.STOP:
                return self._pop()
            try:
                self._step(code)
            except Refusal as refusal:
                self._refuse(str(refusal))
        return self._refuse(f"more than {self.meaning.most_steps} opcodes")

    def _step(self, code: bytes) -> None:
        if code in _CONSTANTS:
            self.stack.append(_CONSTANTS[code])
        elif code in _NUMBERS:
            self.stack.append(self._number(_NUMBERS[code]))
        elif code in _LONGS:
            self._push_long(self._number(_LONGS[code]))
        elif code in _SPANS:
            length, encoding, is_text = _SPANS[code]
            self._push_span(self._number(length), encoding, is_text)
        elif code in _TUPLES:
            self._push_tuple(len(self.stack) - _TUPLES[code])
        elif code in _PUTS:
            self._put(self._number(_PUTS[code]))
        elif code in _GETS:
            self._get(self._number(_GETS[code]))
        elif code in _OTHERS:
            _OTHERS[code](self)
        elif self.meaning.holds_containers and code in _OF_CONTAINERS:
            _OF_CONTAINERS[code](self)
        elif code in _CONTAINERS:
            self._refuse(_CONTAINERS[code], "save the array itself, with np.save or pickle.dump")
        else:
            name = _OPCODE_NAMES.get(code, f"0x{code.hex()}")
            self._refuse(f"opcode {name}", _WAYS_OUT.get(code, WAY_OUT))

    def _refuse(self, what: str, way_out: str = WAY_OUT) -> NoReturn:
        raise SourceError(f"{self.path}: refused: {what} at byte {self.place}: {way_out}")

    def _damaged(self, what: str) -> NoReturn:
        raise SourceError(
            f"{self.path}: damaged pickle: {what} at byte {self.place}: copy or save the file again"
        )

    def _cut_short(self, missing: str) -> NoReturn:
        raise SourceError(
            f"{self.path}: ends before its array does: {missing}: copy or save the file again"
        )

    def _take(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) < count:
            self._cut_short(f"the pickle breaks off at byte {self.size}")
        return data

    def _number(self, layout: str) -> int:
        number: int = struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        return number

    def _line(self) -> str:
        line = self.file.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            if len(line) == _MAX_LINE:
                self._refuse(f"a line of more than {_MAX_LINE} bytes")
            self._cut_short(f"the pickle breaks off at byte {self.size}")
        return line[:-1].decode("ascii", "backslashreplace")

    def _decimal(self, line: str) -> int:
        digits = line.removeprefix("-")
        if not (digits.isdecimal() and digits.isascii() and len(digits) <= 20):
            self._damaged("a malformed number")
        return int(line)

    def _pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            self._damaged("a value is missing")
        return self.stack.pop()

    def _put(self, index: int) -> None:
        if not self.stack or self.stack[-1] is _MARK:
            self._damaged("a value is missing")
        self.memo[index] = self.stack[-1]

    def _get(self, index: int) -> None:
        if index not in self.memo:
            self._damaged(f"a reference to the unknown value {index}")
        self.stack.append(self.memo[index])

    def _push_long(self, length: int) -> None:
        if not 0 <= length <= _MAX_LONG:
            self._refuse(f"a number of {length} bytes")
        self.stack.append(int.from_bytes(self._take(length), "little", signed=True))

    def _push_span(self, length: int, encoding: str, is_text: bool) -> None:
        start = self.file.tell()
        missing = start + length - self.size
        if length < 0:
            self._damaged("a negative length")
        if missing > 0:
            self._cut_short(f"{missing} of {length} bytes are missing")
        small = self._take(length) if length <= _MAX_LINE else None
        self.file.seek(start + length)
        self.stack.append(ByteSpan(start, length, encoding, is_text, small))

    def _push_text_line(self) -> None:
        start = self.file.tell()
        end = start
        while (found := (piece := self.file.read(_SEARCH)).find(b"\n")) < 0:
            if not piece:
                self._cut_short("the text at its end is not finished")
            end += len(piece)
        end += found
        self.file.seek(start)
        small = self._take(end - start) if end - start <= _MAX_LINE else None
        self.file.seek(end + 1)
        self.stack.append(ByteSpan(start, end - start, "raw-unicode-escape", True, small))

    def _push_tuple(self, start: int) -> None:
        if start < 0 or any(item is _MARK for item in self.stack[start:]):
            self._damaged("a tuple lacks values")
        self.stack[start:] = [tuple(self.stack[start:])]

    def _push_marked_tuple(self) -> None:
        for start in range(len(self.stack) - 1, -1, -1):
            if self.stack[start] is _MARK:
                del self.stack[start]
                self._push_tuple(start)
                return
        self._damaged("a mark is missing")

    def _marked(self) -> list[Any]:
        """Take off what stands behind the last mark, and the mark."""
        for start in range(len(self.stack) - 1, -1, -1):
            if self.stack[start] is _MARK:
                items = self.stack[start + 1 :]
                del self.stack[start:]
                return items
        return self._damaged("a mark is missing")

    def _append(self, items: list[Any]) -> None:
        if not self.stack or type(self.stack[-1]) is not list:
            self._damaged("a list is missing")
        self.stack[-1].extend(items)

    def _set_items(self, items: list[Any]) -> None:
        if not self.stack or type(self.stack[-1]) is not dict or len(items) % 2:
            self._damaged("a dict is missing")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, ByteSpan):
                self._refuse("a dict whose keys are no texts")
            self.stack[-1][key] = value

    def _push_persistent(self) -> None:
        self.stack.append(self.meaning.persistent(self._pop()))

    def _push_int_line(self) -> None:
        line = self._line()
        flags = {"00": False, "01": True}
        self.stack.append(flags[line] if line in flags else self._decimal(line))

    def _push_global(self, target: Global) -> None:
        self.meaning.check_global(target)
        self.stack.append(target)

    def _push_stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not all(isinstance(part, ByteSpan) and part.word is not None for part in (module, name)):
            self._refuse("a global without a plain name")
        self._push_global(Global(module.word, name.word))

    def _reduce(self) -> None:
        arguments, target = self._pop(), self._pop()
        if not isinstance(target, Global) or not isinstance(arguments, tuple):
            self._damaged("a call of what is no function")
        self.stack.append(self.meaning.reduce(target, arguments))

    def _build(self) -> None:
        state, target = self._pop(), self._pop()
        self.meaning.build(target, state)
        self.stack.append(target)

    def _skip_frame(self) -> None:
        self._take(8)

    def _check_protocol(self) -> None:
        version = self._number("<B")
        if version > op.HIGHEST_PROTOCOL:
            self._refuse(f"the unknown protocol {version}")


_OTHERS: dict[bytes, Callable[[_Machine], None]] = {
    op.PROTO: _Machine._check_protocol,
    op.FRAME: _Machine._skip_frame,
    op.GLOBAL: lambda machine: machine._push_global(Global(machine._line(), machine._line())),
    op.STACK_GLOBAL: _Machine._push_stack_global,
    op.MEMOIZE: lambda machine: machine._put(len(machine.memo)),
    op.PUT: lambda machine: machine._put(machine._decimal(machine._line())),
    op.GET: lambda machine: machine._get(machine._decimal(machine._line())),
    op.TUPLE: _Machine._push_marked_tuple,
    op.REDUCE: _Machine._reduce,
    op.BUILD: _Machine._build,
    op.INT: _Machine._push_int_line,
    op.LONG: lambda machine: machine.stack.append(
        machine._decimal(machine._line().removesuffix("L"))
    ),
    op.UNICODE: _Machine._push_text_line,
}
_OF_CONTAINERS: dict[bytes, Callable[[_Machine], None]] = {
    op.EMPTY_LIST: lambda machine: machine.stack.append([]),
    op.EMPTY_DICT: lambda machine: machine.stack.append({}),
    op.APPEND: lambda machine: machine._append([machine._pop()]),
    op.APPENDS: lambda machine: machine._append(machine._marked()),
    op.SETITEM: lambda machine: machine._set_items([machine._pop(), machine._pop()][::-1]),
    op.SETITEMS: lambda machine: machine._set_items(machine._marked()),
    op.BINPERSID: _Machine._push_persistent,
    op.BINFLOAT: lambda machine: machine.stack.append(struct.unpack(">d", machine._take(8))[0]),
}
