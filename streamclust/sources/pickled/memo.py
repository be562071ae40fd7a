"""What a pickle refers back to: values by their numbers, those of many alike items in little."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from streamclust.sources.pickled.items import TEXT
from streamclust.sources.pickled.window import Remembered

# What is referred to often, as dtypes, is remembered early.
_MOST = 50_000


class Memo:
    """Values by their numbers.

    Attributes
    ----------
    count : int
        How many there are: the next number.
    is_in_turn : bool
        Whether all numbers were given in their order.
    """

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}
        self.count = 0
        self.is_in_turn = True
        self._firsts = array("q")
        self._runs: list[Remembered] = []

    def put(self, number: int, value: object) -> str | None:
        """Remember a value; what is wrong with it, in words."""
        if number in self.values:
            self.values[number] = value
            return None
        if self.is_in_turn and number < self.count:
            return f"a second value of number {number}"
        self.is_in_turn = self.is_in_turn and number == self.count
        if len(self.values) < _MOST:
            self.values[number] = value
        elif not self.is_in_turn:
            return f"more than {_MOST} numbered values"
        self.count += 1
        return None

    def add(self, remembered: Remembered) -> None:
        """Remember what many items are, in turn."""
        if remembered.count:
            self._firsts.append(self.count)
            self._runs.append(remembered)
            self.count += remembered.count

    def find(self, number: int) -> tuple[Any, int] | None:
        """The kind of what an item is, and where it stands; None where that is not known."""
        place = bisect_right(self._firsts, number) - 1
        if place < 0:
            return None
        inner = number - self._firsts[place]
        run = self._runs[place]
        return run.find(inner) if inner < run.count else None

    def is_known(self, number: int) -> bool:
        """Whether it was given, though the value may not have been kept."""
        return number in self.values or (self.is_in_turn and number < self.count)

    def text_place(self, number: int) -> int | None:
        """Where a text stands; None for anything else."""
        parts = getattr(self.values.get(number), "parts", None)
        if parts is not None:
            return parts[1][0] if parts[0] == (TEXT,) else None
        found = self.find(number)
        return found[1] if found and found[0] == TEXT else None

    def role_of(self, values: list[Any]) -> Callable[[int], int | None]:
        """Which of `values` a number is."""

        def role(number: int) -> int | None:
            value = self.values.get(number)
            return next((i for i, one in enumerate(values) if one is value), None)

        return role
