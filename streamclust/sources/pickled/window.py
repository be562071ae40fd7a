"""A piece of a pickle in memory, through which one may leap from item to item."""

from __future__ import annotations

import os
import pickle as op  # only the names of its opcodes are used
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from streamclust.sources.pickled.items import CELL, Run

_PIECE = 1 << 20
# A window that reaches less far is read anew. No frame with arrays in it is much longer.
_REACH = 1 << 17
# The bytes of a frame's head are as many as those of a float.
_FRAME = CELL
# Shorter frames are left to the machine, lest there be many to a piece.
_SHORTEST_FRAME = 1 << 10


class Window:
    """A piece of the file, without the heads of frames that stand in it.

    Attributes
    ----------
    data : bytes
    cuts : list of int
        Where in `data` heads of frames were taken out.
    frames : list of int
        Where in the file the frame ends that is open at the beginning, and behind each cut.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.start = self.end = 0
        self.data = b""
        self.cuts: list[int] = []
        self.frames = [0]

    def find(self, place: int, frame: int) -> int:
        """Where in `data` a place of the file is, after reading on where that is needed."""
        reach = min(self.size, place + _REACH)
        if not self.start <= place <= reach <= self.end:
            self._load(place, frame)
        n_cuts = bisect_right(self._heads, place - _FRAME)
        return place - self.start - _FRAME * n_cuts

    def _load(self, place: int, frame: int) -> None:
        piece = os.pread(self.file.fileno(), _PIECE, place)
        self.start, self.end = place, place + len(piece)
        self.cuts, self.frames, self._heads = [], [frame], array("q")
        parts, done, head = [], 0, frame - place
        while 0 <= head <= len(piece) - _FRAME and piece[head] == op.FRAME[0]:
            length = int.from_bytes(piece[head + 1 : head + _FRAME], "little")
            if head < done or not _SHORTEST_FRAME <= length < self.size:
                break
            parts.append(piece[done:head])
            self._heads.append(place + head)
            self.cuts.append(head - _FRAME * len(self.cuts))
            done = head + _FRAME
            head = done + length
            self.frames.append(place + head)
        self.data = b"".join([*parts, piece[done:]]) if parts else piece

    def places(self, offsets: np.ndarray) -> np.ndarray:
        """Where in the file stands what is at `offsets` in `data`."""
        n_cuts = np.searchsorted(np.asarray(self.cuts, np.int64), offsets, side="right")
        return np.asarray(self.start + offsets + _FRAME * n_cuts, np.int64)

    def place(self, offset: int) -> tuple[int, int]:
        """Where in the file an offset of `data` stands, and where the frame ends that it is in."""
        n_cuts = bisect_right(self.cuts, offset)
        return self.start + offset + _FRAME * n_cuts, self.frames[n_cuts]


@dataclass
class Leap:
    """What was passed over: the items, what of them the memo has, and where they end in `data`."""

    run: Run
    remembered: Remembered
    end: int


@dataclass
class Remembered:
    """What items put into the memo, in turn.

    Attributes
    ----------
    count : int
        Numbers in the memo.
    roles : tuple
        For each that an item puts there: its kind, and the array of the places where such stand.
    """

    count: int
    roles: tuple[tuple[Any, array[int]] | None, ...]

    def find(self, number: int) -> tuple[Any, int] | None:
        """The kind of what is remembered, and where it stands; None where that is not known."""
        item, put = divmod(number, len(self.roles))
        role = self.roles[put]
        return role and (role[0], role[1][item])
