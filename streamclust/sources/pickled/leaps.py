"""When the walk of a pickle may leap: where the items before are written alike.

What does not succeed is tried more and more seldom, so that no pickle takes long.
"""

from __future__ import annotations

import os
import pickle as op  # only the names of its opcodes are used
from dataclasses import dataclass
from typing import Any, BinaryIO

from streamclust.sources.pickled.items import NUMBER, TEXT, Float, Items, Run, parts_of
from streamclust.sources.pickled.memo import Memo
from streamclust.sources.pickled.numbers import NUMBER_CODES, leap_numbers
from streamclust.sources.pickled.templates import Example, Template, learn, placed
from streamclust.sources.pickled.texts import TEXT_CODES, leap_texts
from streamclust.sources.pickled.window import Leap, Window

_LONGEST = 1 << 19
# An item begins with one of these.
BEGINNINGS = (
    TEXT_CODES
    | NUMBER_CODES
    | {
        *(op.EMPTY_LIST, op.MARK, op.GLOBAL, op.SHORT_BINSTRING, op.BINSTRING),
    }
)
# Fewer items than these are walked as quickly.
_FEW = 8
# Numbers that may become a tuple.
_TUPLE = 3
# No row has so many floats.
_WIDEST = 1 << 16
_MOST_SKIPPED = 1 << 12


@dataclass
class Patience:
    """How many chances are passed by after tries that failed: twice as many each time."""

    skipped: int = 0
    left: int = 0

    def is_over(self) -> bool:
        """Whether to try now."""
        self.left -= 1
        return self.left < 0

    def note(self, count: int) -> None:
        """Note how many items a try passed over."""
        self.skipped = 0 if count >= _FEW else min(2 * self.skipped + 1, _MOST_SKIPPED)
        self.left = self.skipped


@dataclass
class Mark:
    """A mark in the stack, the steps before it, and how often items behind it were leaped over."""

    height: int
    steps: int
    n_runs: int = 0


class Leaper:
    """Leaps over items, for a machine whose stack, memo and places these are.

    Attributes
    ----------
    marks : list of Mark
    starts : dict of int to (int, int, int)
        By place in the stack: where in the file the value there begins, how many values the memo
        had, and how many steps were taken.
    """

    def __init__(self, file: BinaryIO, size: int, stack: list[Any], memo: Memo) -> None:
        self.file, self.stack, self.memo = file, stack, memo
        self.window = Window(file, size)
        self.marks: list[Mark] = []
        self.starts: dict[int, tuple[int, int, int]] = {}
        self.templates: dict[tuple[bytes, int], Template] = {}
        self.following, self.learning = Patience(), Patience()
        self.reading, self.counting = Patience(), Patience()

    def leap(self, code: bytes, place: int, frame: int) -> Leap | None:
        """Pass over the items that begin with the opcode at a place, if they are like others.

        Parameters
        ----------
        code : bytes
            The opcode there.
        place : int
        frame : int
            Where the frame ends that is open there.
        """
        if not self.memo.is_in_turn:
            return None
        mark = self.marks[-1]
        width = _width_of(self.stack, mark.height)
        n_plain = len(self.stack) - mark.height - 1 - mark.n_runs
        if code in NUMBER_CODES:
            return self._leap_numbers(place, frame) if width == 1 and n_plain > _TUPLE else None
        if n_plain % width or not self._is_whole():
            return None
        if width == 1 and code in TEXT_CODES and self._follows_texts():
            if not self.reading.is_over():
                return None
            offset = self.window.find(place, frame)
            found = leap_texts(self.window, offset, self.memo.count, self.memo.text_place)
            self.reading.note(found.run.count if found else 0)
            return found
        template = self.templates.get((code, width))
        if template:
            if not self.following.is_over():
                return None
            offset = self.window.find(place, frame)
            found = template.leap(self.window, offset, self.memo.count)
            self.following.note(found.run.count if found else 0)
            if found:
                return found
        if n_plain >= 2 * width and self._are_rows(width) and self.learning.is_over():
            template = self._learn(width, place)
            self.learning.note(0)
            if template:
                self.templates[template.code, width] = template
                found = template.leap(self.window, self.window.find(place, frame), self.memo.count)
                if found:
                    self.learning.note(found.run.count)
                    self.following.note(found.run.count)
                return found
        return None

    def _leap_numbers(self, place: int, frame: int) -> Leap | None:
        """Pass over numbers in a list of them that is no row of floats."""
        height = self.marks[-1].height
        owner = self.stack[height - 1] if height else None
        if not isinstance(owner, Items):
            return None
        for one in reversed(self.stack[max(height + 1, len(self.stack) - _TUPLE - 1) :]):
            if isinstance(one, Run) and one.kinds == NUMBER:
                break
            if one is not None and not isinstance(one, int):
                return None
            if isinstance(one, Float) and owner.floats[0] < _WIDEST:
                return None
        if not self.counting.is_over():
            return None
        found = leap_numbers(self.window, self.window.find(place, frame))
        self.counting.note(found.run.count if found else 0)
        return found

    def _are_rows(self, width: int) -> bool:
        """Whether the last two items are of one kind, with more than text in them."""
        last = [parts_of(tuple(self._last(i, width))) for i in (1, 2)]
        if last[0] is None or last[1] is None or last[0][0] != last[1][0]:
            return False
        # Texts alone may be the name of what comes next.
        return any(kind != TEXT for kind in placed(last[0][0]))

    def _last(self, number: int, width: int) -> list[Any]:
        """The values of the last item, or the last but one."""
        end = len(self.stack) - (number - 1) * width
        values = self.stack[end - width : end]
        return [None] if any(isinstance(one, Run) for one in values) else values

    def _is_whole(self) -> bool:
        """Whether what is on top of the stack may be an item, and not a part of one to come."""
        if len(self.stack) == self.marks[-1].height + 1 or isinstance(self.stack[-1], Run):
            return True
        return parts_of((self.stack[-1],)) is not None

    def _follows_texts(self) -> bool:
        """Whether more than the name of something stands before."""
        before = self.stack[max(self.marks[-1].height + 1, len(self.stack) - 4) :]
        if not before:
            return False
        last = before[-1]
        if isinstance(last, Run):
            return last.kinds == (TEXT,)
        runs = [one for one in before if isinstance(one, Run)]
        texts = [one for one in before if getattr(one, "parts", None) and _is_text(one)]
        return len(texts) + len(runs) == 4 and all(run.kinds == (TEXT,) for run in runs)

    def _learn(self, width: int, end: int) -> Template | None:
        height = len(self.stack)
        middle = self.starts.get(height - width)
        start = self.starts.get(height - 2 * width)
        if start is None or middle is None or not start[0] < middle[0] < end:
            return None
        examples = []
        for (place, memo), until, values in (
            (start[:2], middle[0], self.stack[height - 2 * width : height - width]),
            (middle[:2], end, self.stack[height - width :]),
        ):
            parts = parts_of(tuple(values))
            if parts is None or until - place > _LONGEST:
                return None
            data = os.pread(self.file.fileno(), until - place, place)
            examples.append(Example(data, place, memo, *parts))
        if examples[1].data[:1] not in BEGINNINGS:
            return None
        values = [one for value in self.stack[height - width :] for one in _inner(value)]
        role = self.memo.role_of([one for one in values if _has_place(one)])
        return learn(width, examples[0], examples[1], role)


def _inner(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _has_place(value: Any) -> bool:
    parts = parts_of((value,))
    return parts is not None and bool(parts[1])


def _is_text(value: Any) -> bool:
    return bool(value.parts[0] == (TEXT,))


def _width_of(stack: list[Any], mark: int) -> int:
    """Values an item of the list, dict or tuple that is being filled."""
    owner = stack[mark - 1] if mark else None
    return owner.width if isinstance(owner, Items) else 1
