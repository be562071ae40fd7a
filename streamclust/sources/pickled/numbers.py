"""Lists of numbers in pickles, as labels beside rows are: passed over quickly, and not kept."""

from __future__ import annotations

import pickle as op  # only the names of its opcodes are used
import re
from bisect import bisect_right

from streamclust.sources.pickled.items import BATCH, NUMBER, Run
from streamclust.sources.pickled.window import Leap, Remembered, Window

_LONGS = b"|".join(b"\\x%02x.{%d}" % (length, length) for length in range(1, 10))
_ONE = rb"K.|M..|J.{4}|G.{8}|\x8a(?:" + _LONGS + rb")|N|\x88|\x89"
_NUMBERS = re.compile(b"(?:" + _ONE + b"){1,%d}" % BATCH, re.DOTALL)
_NUMBER = re.compile(_ONE, re.DOTALL)
NUMBER_CODES = frozenset(
    {op.BININT1, op.BININT2, op.BININT, op.BINFLOAT, op.LONG1, op.NONE, op.NEWTRUE, op.NEWFALSE}
)
# They may be a tuple that comes next.
_LEFT = 3


def leap_numbers(window: Window, offset: int) -> Leap | None:
    """Pass over numbers from `offset` on, but for the last three; None where there are no more."""
    following = bisect_right(window.cuts, offset)
    end = window.cuts[following] if following < len(window.cuts) else len(window.data)
    found = _NUMBERS.match(window.data, offset, end)
    if found is None:
        return None
    numbers = list(_NUMBER.finditer(window.data, offset, found.end()))
    count = len(numbers) - _LEFT
    if count <= 0:
        return None
    run = Run(NUMBER, [], count)
    return Leap(run, Remembered(0, ()), numbers[count].start())
