"""Walk a pickle without loading it: a stack machine for the opcodes of arrays and what holds them.

Nothing is imported and nothing is called. Long strings stay in the file: only their
place is kept. What the globals, calls and states mean is for a `Meaning` to say, how items of
lists and dicts are held for `Items`.
"""

from __future__ import annotations

import pickle as op  # only the names of its opcodes are used
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol

from streamclust.errors import SourceError
from streamclust.sources.pickled.items import TEXT, ByteSpan, Float, Global, Items, Run
from streamclust.sources.pickled.leaps import BEGINNINGS, Leaper, Mark
from streamclust.sources.pickled.memo import Memo

WAY_OUT = "only plain numpy arrays are read; save the array with np.save or pickle.dump(array)"

# A pickled array takes fewer than 100 steps, 1,000 rows, which is what is on the stack at once,
# fewer than 30,000. The limit bounds the stack and what hangs on it: steps that ended in items of
# a list, which take next to no memory, do not count.
_MAX_STEPS = 50_000
# About half a minute. What is written alike takes no steps.
_MAX_ALL_STEPS = 20_000_000
_MAX_MARKS = 100
# Of items that are kept as they are, in all lists and dicts.
_MAX_KEPT = 10_000
_MAX_LINE = 256
_MAX_LONG = 16
_SEARCH = 1 << 16


class Refusal(Exception):
    """Raised by a `Meaning`; the machine adds the file and the place."""


class Meaning(Protocol):
    """What to make of a pickle; each method may raise `Refusal`."""

    def check_global(self, target: Global) -> None:
        """Refuse all globals but the harmless ones."""

    def reduce(self, target: Global, arguments: tuple[Any, ...]) -> object:
        """Stand in for calling `target`."""

    def build(self, target: object, state: object) -> None:
        """Stand in for setting the state of what `reduce` returned."""

    def persistent(self, name: object) -> object:
        """Stand in for what is kept outside of the pickle under a name."""

    def value_at(self, kind: Any, place: int) -> object:
        """What stands for a value of a kind in a list whose content stands at a place."""


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
# A longer one is held as lists are.
_LONGEST_TUPLE = 64
_KEPT = (
    "save the descriptors with np.save (rows that were pickled by protocol 2 or less are text: "
    "pickle them again with protocol 4)"
)

_CONSTANTS: dict[bytes, object] = {
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
_OLD_STRINGS = (op.BINSTRING, op.SHORT_BINSTRING)

# What the values are that these opcodes make: it tells more than the opcode's name.
_CONTAINERS = {op.EMPTY_SET: "a set", op.FROZENSET: "a set"}
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
        self.memo = Memo()
        self.leaper = Leaper(file, size, self.stack, self.memo)
        self.marks = self.leaper.marks
        self.place = 0
        self.frame = 0
        self.steps = 0
        self.kept = 0

    def run(self) -> object:
        starts = self.leaper.starts
        for _ in range(_MAX_ALL_STEPS):
            self.place = self.file.tell()
            code = self._take(1)
            if code == op.STOP:
                return self._pop()
            if self.marks and code in BEGINNINGS and self._leap(code):
                continue
            self.steps += 1
            if self.steps > _MAX_STEPS:
                self._refuse(f"more than {_MAX_STEPS} opcodes for one value", _KEPT)
            height, memo = len(self.stack), self.memo.count
            try:
                self._step(code)
            except Refusal as refusal:
                self._refuse(str(refusal))
            if len(self.stack) > height:
                starts[height] = self.place, memo, self.steps
        return self._refuse(f"more than {_MAX_ALL_STEPS} opcodes")

    def _leap(self, code: bytes) -> bool:
        found = self.leaper.leap(code, self.place, self.frame)
        if found is None:
            return False
        place, self.frame = self.leaper.window.place(found.end)
        self.file.seek(place)
        self.stack.append(found.run)
        self.marks[-1].n_runs += 1
        self.memo.add(found.remembered)
        return True

    def _step(self, code: bytes) -> None:
        if code in _CONSTANTS:
            self.stack.append(_CONSTANTS[code])
        elif code in _NUMBERS:
            self.stack.append(self._number(_NUMBERS[code]))
        elif code in _LONGS:
            self._push_long(self._number(_LONGS[code]))
        elif code in _SPANS:
            length, encoding, is_text = _SPANS[code]
            self._push_span(self._number(length), encoding, is_text, code in _OLD_STRINGS)
        elif code in _TUPLES:
            self._push_tuple(len(self.stack) - _TUPLES[code])
        elif code in _PUTS:
            self._put(self._number(_PUTS[code]))
        elif code in _GETS:
            self._get(self._number(_GETS[code]))
        elif code in _OTHERS:
            _OTHERS[code](self)
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
        self._check_top()
        return self.stack.pop()

    def _check_top(self) -> None:
        """Refuse to go on without a value; items that were leaped over are none."""
        if not self.stack or self.stack[-1] is _MARK or isinstance(self.stack[-1], Run):
            self._damaged("a value is missing")

    def _put(self, index: int) -> None:
        self._check_top()
        if wrong := self.memo.put(index, self.stack[-1]):
            self._damaged(wrong)

    def _get(self, index: int) -> None:
        if index in self.memo.values:
            self.stack.append(self.memo.values[index])
            return
        if not self.memo.is_known(index):
            self._damaged(f"a reference to the unknown value {index}")
        found = self.memo.find(index)
        if found is None:
            self._refuse(f"a reference to a part of an item, value {index}")
        kind, place = found
        if kind == TEXT:
            self._push_text_at(place)
        else:
            self.stack.append(self.meaning.value_at(kind, place))

    def _push_text_at(self, place: int) -> None:
        """Push a text that was leaped over."""
        resumed, own = self.file.tell(), self.place
        self.file.seek(place)
        self.place = place
        self._step(self._take(1))
        self.file.seek(resumed)
        self.place = own

    def _push_long(self, length: int) -> None:
        if not 0 <= length <= _MAX_LONG:
            self._refuse(f"a number of {length} bytes")
        self.stack.append(int.from_bytes(self._take(length), "little", signed=True))

    def _push_span(self, length: int, encoding: str, is_text: bool, is_old: bool = False) -> None:
        start = self.file.tell()
        missing = start + length - self.size
        if length < 0:
            self._damaged("a negative length")
        if missing > 0:
            self._cut_short(f"{missing} of {length} bytes are missing")
        small = self._take(length) if length <= _MAX_LINE else None
        self.file.seek(start + length)
        self.stack.append(ByteSpan(start, length, encoding, is_text, small, self.place, is_old))

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
        encoding = "raw-unicode-escape"
        self.stack.append(ByteSpan(start, end - start, encoding, True, small, self.place))

    def _push_tuple(self, start: int) -> None:
        if start < 0 or any(item is _MARK for item in self.stack[start:]):
            self._damaged("a tuple lacks values")
        if any(isinstance(item, Run) for item in self.stack[start:]):
            self._damaged("a value is missing")
        self.stack[start:] = [tuple(self.stack[start:])]

    def _push_mark(self) -> None:
        if len(self.marks) == _MAX_MARKS:
            self._refuse(f"more than {_MAX_MARKS} values within each other")
        self.marks.append(Mark(len(self.stack), self.steps))
        self.stack.append(_MARK)

    def _marked(self) -> tuple[list[Any], int]:
        """What stands behind the last mark, taken from the stack with it, and steps before."""
        if not self.marks:
            self._damaged("a mark is missing")
        mark = self.marks.pop()
        values = self.stack[mark.height + 1 :]
        del self.stack[mark.height :]
        return values, mark.steps

    def _push_marked_tuple(self) -> None:
        values, steps = self._marked()
        if len(values) <= _LONGEST_TUPLE and not any(isinstance(one, Run) for one in values):
            self.stack.append(tuple(values))
        else:
            self._fill(Items(), values, steps)

    def _fill(self, items: Items, values: list[Any], steps: int) -> None:
        """Add values to what stands, or comes to stand, on top of the stack."""
        kept = items.extend(values)
        if kept < 0:
            self._damaged("a key lacks its value")
        self.kept += kept
        if self.kept > _MAX_KEPT:
            self._refuse(f"more than {_MAX_KEPT} items that are neither rows nor paths", _KEPT)
        self.steps = steps + kept
        if not self.stack or self.stack[-1] is not items:
            self.stack.append(items)

    def _push_items(self, width: int) -> None:
        values, steps = self._marked()
        self._fill(Items(width), values, steps)

    def _extend(self, width: int) -> None:
        values, steps = self._marked()
        self._fill(self._items(width), values, steps)

    def _append(self, width: int) -> None:
        values = [self._pop() for _ in range(width)][::-1]
        *_, steps = self.leaper.starts.get(len(self.stack), (0, 0, self.steps))
        self._fill(self._items(width), values, steps)

    def _items(self, width: int) -> Items:
        items = self.stack[-1] if self.stack else None
        if not isinstance(items, Items) or items.width != width:
            self._damaged("items of what holds none")
        return items

    def _push_float(self) -> None:
        self._take(8)
        self.stack.append(Float(self.place))

    def _push_float_line(self) -> None:
        self._line()
        self.stack.append(Float(self.place))

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

    def _new_object(self) -> None:
        arguments, target = self._pop(), self._pop()
        if not isinstance(target, Global) or not isinstance(arguments, tuple):
            self._damaged("an object of what is no class")
        self.stack.append(self.meaning.reduce(target, arguments))

    def _skip_frame(self) -> None:
        self.frame = self.place + 9 + self._number("<Q")

    def _check_protocol(self) -> None:
        version = self._number("<B")
        if version > op.HIGHEST_PROTOCOL:
            self._refuse(f"the unknown protocol {version}")


_OTHERS: dict[bytes, Callable[[_Machine], None]] = {
    op.PROTO: _Machine._check_protocol,
    op.FRAME: _Machine._skip_frame,
    op.GLOBAL: lambda machine: machine._push_global(Global(machine._line(), machine._line())),
    op.STACK_GLOBAL: _Machine._push_stack_global,
    op.MEMOIZE: lambda machine: machine._put(machine.memo.count),
    op.PUT: lambda machine: machine._put(machine._decimal(machine._line())),
    op.GET: lambda machine: machine._get(machine._decimal(machine._line())),
    op.TUPLE: _Machine._push_marked_tuple,
    op.MARK: _Machine._push_mark,
    op.EMPTY_LIST: lambda machine: machine.stack.append(Items()),
    op.EMPTY_DICT: lambda machine: machine.stack.append(Items(2)),
    op.LIST: lambda machine: machine._push_items(1),
    op.DICT: lambda machine: machine._push_items(2),
    op.APPEND: lambda machine: machine._append(1),
    op.APPENDS: lambda machine: machine._extend(1),
    op.SETITEM: lambda machine: machine._append(2),
    op.SETITEMS: lambda machine: machine._extend(2),
    op.BINFLOAT: _Machine._push_float,
    op.FLOAT: _Machine._push_float_line,
    op.NEWOBJ: _Machine._new_object,
    op.REDUCE: _Machine._reduce,
    op.BUILD: _Machine._build,
    op.BINPERSID: _Machine._push_persistent,
    op.INT: _Machine._push_int_line,
    op.LONG: lambda machine: machine.stack.append(
        machine._decimal(machine._line().removesuffix("L"))
    ),
    op.UNICODE: _Machine._push_text_line,
}
