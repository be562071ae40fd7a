"""Arrays by rows: a part of one that counts from 0, and several one after another."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class Part:
    """Consecutive rows of an array, to read and to write; can be pickled as the array can.

    Parameters
    ----------
    array : array-like of shape (n_rows, ...)
        With row slices; of a Zarr array, chunks and fill value are told as they are.
    start : int
        The first row.
    stop : int, optional
        The row after the last; that of the array by default.
    """

    def __init__(self, array: Any, start: int, stop: int | None = None) -> None:
        self.array = array
        self.start = start
        n_rows = (int(array.shape[0]) if stop is None else stop) - start
        self.shape = (n_rows, *array.shape[1:])
        self.dtype = array.dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        return self.array.chunks

    @property
    def fill_value(self) -> Any:
        return self.array.fill_value

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.asarray(self.array[self._there(rows)])

    def __setitem__(self, rows: slice, values: np.ndarray) -> None:
        self.array[self._there(rows)] = values

    def _there(self, rows: slice) -> slice:
        start, stop, _ = rows.indices(self.shape[0])
        return slice(self.start + start, self.start + stop)


class Stacked:
    """The rows of several arrays, one after another, to read.

    Parameters
    ----------
    arrays : sequence of array-like of shape (n_rows, n_columns)
        Of one type and width.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = list(arrays)
        self.shape = (sum(int(array.shape[0]) for array in arrays), *arrays[0].shape[1:])
        self.dtype = arrays[0].dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.shape[0])
        parts, first = [], 0
        for array in self.arrays:
            here = slice(max(start - first, 0), min(stop - first, int(array.shape[0])))
            if here.start < here.stop:
                parts.append(np.asarray(array[here]))
            first += int(array.shape[0])
        if not parts:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
