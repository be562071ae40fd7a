"""Arrays that were appended to one file, batch after batch: their rows as those of one array."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, Payload, RawBytes, StoredArray, opened

# Where an array stands takes 17 bytes; the index of one that is held as text takes hundreds.
_MOST_ARRAYS = 1 << 20
_MOST_TEXTS = 1 << 14


@dataclass(eq=False)
class AppendedArrays(ArraySource):
    """Arrays of one width and type that stand in a file one after another.

    Attributes
    ----------
    stored : np.dtype
        Of all of them.
    starts : ndarray of int64, shape (n_arrays,)
        Where the bytes of each begin.
    ends : ndarray of int64, shape (n_arrays + 1,)
        Rows before each, and all rows at last.
    by_column : ndarray of bool, shape (n_arrays,)
        Which of them are in Fortran order.
    texts : dict of int to Payload
        The bytes of those that are not held as they are.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    order: Literal["C", "F"]
    stored: np.dtype
    starts: np.ndarray
    ends: np.ndarray
    by_column: np.ndarray
    texts: dict[int, Payload]

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        number = int(np.searchsorted(self.ends, start, side="right")) - 1
        # Into one block, in pieces that are small beside it: a reader is reckoned with two blocks.
        block = np.empty((stop - start, self.shape[1]), self.dtype)
        piece = max(1, (stop - start) // 4)
        done = start
        with opened(self.path) as file:
            while done < stop:
                first, end = int(self.ends[number]), int(self.ends[number + 1])
                until = min(end, stop, done + piece)
                rows = self._array(number).rows_of(file, done - first, until - first)
                block[done - start : until - start] = rows
                done, number = until, number + (until == end)
        return block

    def _array(self, number: int) -> StoredArray:
        shape = int(self.ends[number + 1] - self.ends[number]), self.shape[1]
        order: Literal["C", "F"] = "F" if self.by_column[number] else "C"
        payload = self.texts.get(number)
        if payload is None:
            size = shape[0] * shape[1] * self.stored.itemsize
            payload = RawBytes(int(self.starts[number]), size)
        return StoredArray(self.path, shape, self.dtype, order, self.stored, payload)


def all_arrays(
    path: Path, size: int, array_at: Callable[[int], tuple[StoredArray, int]]
) -> ArraySource:
    """Make one source of all that a file holds, to its last byte.

    Parameters
    ----------
    path : Path
    size : int
        Of the file.
    array_at : callable
        Opens the array that begins at a byte, and tells where it ends.

    Raises
    ------
    SourceError
        If something else comes after an array, or an array of another width or type.
    """
    first, end = array_at(0)
    if end >= size:
        return first
    found = _Found(first)
    while end < size:
        start = end
        try:
            following, end = array_at(start)
        except SourceError as error:
            reason = str(error).removeprefix(f"{path}: ")
            n_bytes = f"{size - start} byte{'s' * (size - start > 1)}"
            raise SourceError(
                f"{path}: the {n_bytes} from byte {start} on, after {found.told}, "
                f"can be read as no further array: {reason}"
            ) from error
        found.add(following, start)
    return found.source()


def joined(arrays: Iterable[StoredArray]) -> ArraySource:
    """Make one source of arrays that stand anywhere in one file.

    Raises
    ------
    SourceError
        If they are of different width or type.
    """
    found: _Found | None = None
    for one in arrays:
        if found is None:
            found = _Found(one)
        else:
            found.add(one, one.payload.start if isinstance(one.payload, RawBytes) else 0)
    assert found is not None
    return found.source()


class _Found:
    """The arrays of a file so far."""

    def __init__(self, first: StoredArray) -> None:
        self.first = first
        self.starts, self.ends = array("q"), array("q", [0])
        self.by_column = bytearray()
        self.texts: dict[int, Payload] = {}
        self.add(first, 0)

    @property
    def told(self) -> str:
        n_arrays = len(self.starts)
        return f"{n_arrays} array{'s' * (n_arrays > 1)} of {self.ends[-1]} rows"

    def add(self, following: StoredArray, start: int) -> None:
        own, like = [(one.shape[1], one.stored) for one in (following, self.first)]
        if own != like:
            raise SourceError(
                f"{following.path}: the array at byte {start}, after {self.told}, has rows of "
                f"{own[0]} {own[1]} and those before have {like[0]} {like[1]}: save arrays of "
                "different rows in different files"
            )
        if len(self.starts) >= _MOST_ARRAYS or len(self.texts) >= _MOST_TEXTS:
            raise SourceError(
                f"{following.path}: holds more than {self.told}, too many to know where each "
                "stands: save np.concatenate of them"
            )
        payload = following.payload
        if not isinstance(payload, RawBytes):
            self.texts[len(self.starts)] = payload
        self.starts.append(payload.start if isinstance(payload, RawBytes) else -1)
        self.ends.append(self.ends[-1] + len(following))
        self.by_column.append(following.order == "F")

    def source(self) -> AppendedArrays:
        first = self.first
        by_column = np.frombuffer(self.by_column, bool)
        return AppendedArrays(
            path=first.path,
            shape=(self.ends[-1], first.shape[1]),
            dtype=first.dtype,
            order="F" if by_column.any() else "C",
            stored=first.stored,
            starts=np.asarray(self.starts, np.int64),
            ends=np.asarray(self.ends, np.int64),
            by_column=by_column,
            texts=self.texts,
        )
