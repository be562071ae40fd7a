"""Rows that stand in a pickle one by one, and the texts that are their paths."""

from __future__ import annotations

import os
import pickle as op  # only the names of its opcodes are used
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, OpenFile, WrappedSource, opened
from streamclust.sources.pickled.items import BATCH, CELL

# Rows are taken out of a piece of the file that stays in the processor's cache.
_SPAN = 1 << 20
_TEXTS = 1 << 12
_LONGEST = 1 << 15


@dataclass(eq=False)
class RowPlaces(ArraySource):
    """Rows of one width and type, each where it stands.

    Attributes
    ----------
    stored : dtype
        Of all of them in the file.
    places : ndarray of int64, shape (n_rows,)
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    stored: np.dtype
    places: np.ndarray
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        width = self.shape[1] * self.stored.itemsize
        self.working_bytes = max(_SPAN, width) + self.places.nbytes

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`, those that stand near each other at once."""
        block = np.empty((stop - start, self.shape[1]), self.stored)
        width = block.itemsize * self.shape[1]
        out = block.reshape(-1).view(np.uint8).data
        places = self.places[start:stop]
        buffer = memoryview(bytearray(max(_SPAN, width)))
        row = 0
        with opened(self.path) as file:
            while row < len(places):
                base = int(places[row])
                end = row + _n_near(places[row:], base + len(buffer) - width)
                span = buffer[: int(places[end - 1]) - base + width]
                file.readinto(span, base)
                for own, skip in enumerate((places[row:end] - base).tolist(), row):
                    out[own * width : (own + 1) * width] = span[skip : skip + width]
                row = end
        if not self.stored.isnative:
            block = block.byteswap(inplace=True).view(self.stored.newbyteorder("="))
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return block.astype(self.dtype, copy=False)


def _n_near(places: np.ndarray, last: int) -> int:
    """How many rows, at least one, stand one behind another up to a place."""
    ahead = places[:_TEXTS]
    fits = (ahead <= last) & (np.diff(ahead, prepend=ahead[0]) >= 0)
    return max(1, len(ahead) if fits.all() else int(fits.argmin()))


@dataclass(eq=False)
class FloatRows(ArraySource):
    """Rows that are lists of Python's floats: nine bytes each, in batches."""

    path: Path
    shape: tuple[int, int]
    places: np.ndarray
    dtype: np.dtype
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        self.working_bytes = 3 * BATCH * CELL + self.places.nbytes

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        block = np.empty((stop - start, self.shape[1]), self.dtype)
        with opened(self.path) as file:
            for row, place in zip(block, self.places[start:stop].tolist(), strict=True):
                self._read(file, row, place)
        return block

    def _read(self, file: OpenFile, row: np.ndarray, place: int) -> None:
        for first in range(0, len(row), BATCH):
            batch, done = row[first : first + BATCH], 0
            while done < len(batch):
                cells = np.empty((len(batch) - done, CELL), np.uint8)
                file.readinto(cells.reshape(-1).data, place)
                # A head of a frame takes as many bytes as a float.
                is_float = cells[:, 0] == op.BINFLOAT[0]
                if not (is_float | (cells[:, 0] == op.FRAME[0])).all():
                    raise SourceError(
                        f"{self.path}: the floats near byte {place} are not what they were: was "
                        "the file changed?"
                    )
                values = np.ascontiguousarray(cells[is_float, 1:]).view(">f8")[:, 0]
                batch[done : done + len(values)] = values
                done += len(values)
                place += len(cells) * CELL
            place = self._next_batch(file, place)

    def _next_batch(self, file: OpenFile, place: int) -> int:
        """Where the floats go on: behind APPENDS and MARK, and maybe the head of a frame."""
        head = os.pread(file.descriptor, CELL, place)
        return place + CELL * head.startswith(op.FRAME) + 2


@dataclass(eq=False)
class FixedTexts:
    """Texts of a numpy array, all of one length with zeros at their ends."""

    path: Path
    start: int
    count: int
    dtype: np.dtype

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[str]:
        with opened(self.path) as file:
            for first in range(0, self.count, _TEXTS):
                block = np.empty(min(_TEXTS, self.count - first), self.dtype)
                raw = block.view(np.uint8).data if self.dtype.itemsize else memoryview(b"")
                file.readinto(raw, self.start + first * self.dtype.itemsize)
                try:
                    values = block.tolist()
                except ValueError:  # of numbers that are no characters
                    raise self._refused(f"text near {first}") from None
                yield from map(self._text, values)

    def _text(self, value: str | bytes) -> str:
        try:
            return value if isinstance(value, str) else value.decode()
        except UnicodeDecodeError:
            raise self._refused(f"path {value[:80]!r}") from None

    def _refused(self, what: str) -> SourceError:
        return SourceError(
            f"{self.path}: holds the {what}, which is not UTF-8: save the paths as a list of str"
        )


@dataclass(eq=False)
class ArrowTexts:
    """Texts as Arrow holds them: one after another, and where each begins.

    Attributes
    ----------
    chunks : list of (int, int, int, int, int)
        Number of texts, bytes of an offset, where the offsets stand, where the texts, and how long
        these are.
    """

    path: Path
    chunks: list[tuple[int, int, int, int, int]]

    def __len__(self) -> int:
        return sum(chunk[0] for chunk in self.chunks)

    def __iter__(self) -> Iterator[str]:
        with opened(self.path) as file:
            for count, size, offsets, start, length in self.chunks:
                for first in range(0, count, _TEXTS):
                    ends = np.empty(min(_TEXTS, count - first) + 1, f"<i{size}")
                    file.readinto(ends.view(np.uint8).data, offsets + first * size)
                    if ends[0] < 0 or ends[-1] > length or (np.diff(ends) < 0).any():
                        raise self._damaged(f"offsets near byte {offsets + first * size}")
                    if ends[-1] - ends[0] > _LONGEST * _TEXTS:
                        raise self._damaged("texts of more than 32 KiB, which are no paths")
                    content = bytearray(int(ends[-1] - ends[0]))
                    file.readinto(memoryview(content), start + int(ends[0]))
                    for begin, end in pairwise((ends - ends[0]).tolist()):
                        yield self._text(content[begin:end])

    def _text(self, value: bytearray) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise self._damaged("texts that are not UTF-8") from None

    def _damaged(self, what: str) -> SourceError:
        return SourceError(f"{self.path}: holds a column of {what}: save paths as a list of str")


class WithPaths(WrappedSource):
    """Rows of a source, with their paths.

    Parameters
    ----------
    source : ArraySource
    texts : iterable of str
        As many as there are rows; gone through anew each time.
    """

    def __init__(self, source: ArraySource, texts: Any) -> None:
        super().__init__(source)
        self.texts, self.has_paths = texts, True
        places = getattr(texts, "places", None)
        self.working_bytes += 0 if places is None else places.nbytes

    def iter_paths(self) -> Iterator[str]:
        """The paths of all rows."""
        return iter(self.texts)
