"""Rows that are read from the first to the last, as those of compressed files are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource


class SequentialSource(ArraySource):
    """An array whose rows come in pieces, the next one unpacked while one is worked on.

    Rows that were passed already are read from the beginning again, or from where the format
    allows.
    """

    is_sequential = True
    _reading: _Reading | None = None

    @abstractmethod
    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """Consecutive rows with the number of the first, from row `row` or an earlier one on.

        Values are of type `dtype`. What is wrong with what was read is told at the end of it.
        """

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        block = np.empty((stop - start, self.shape[1]), self.dtype)
        with self._lock:
            done = start
            while done < stop:
                reading = self._reading
                if reading is None or done < reading.start:
                    reading = self._begin(done)
                skip = done - reading.start
                values = reading.values[skip : skip + stop - done]
                block[done - start : done - start + len(values)] = values
                done += len(values)
                if done < stop or done == len(self):
                    # Also behind the last row: what is wrong with the end of it is told there.
                    self._reading = None
                    self._reading = reading.following()
                    end = reading.start + len(reading.values)
                    if (self._reading is not None or end > len(self)) == (done == len(self)):
                        raise SourceError(
                            f"{self.path}: does not hold the {len(self)} rows that it tells of: "
                            "copy or save it again"
                        )
        return block

    def _begin(self, row: int) -> _Reading:
        self._reading = None
        pool = ThreadPoolExecutor(1, thread_name_prefix="streamclust-reading")
        empty = np.empty((0, self.shape[1]), self.dtype)
        pieces = self.pieces(row)
        return _Reading(row, empty, pieces, pool, pool.submit(next, pieces, None))

    @property
    def _lock(self) -> Lock:
        return self.__dict__.setdefault("_own_lock", Lock())

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_own_lock", "_reading")}


@dataclass
class _Reading:
    """A piece, and the following one to come."""

    start: int
    values: np.ndarray
    pieces: Iterator[tuple[int, np.ndarray]]
    pool: ThreadPoolExecutor
    coming: Future[tuple[int, np.ndarray] | None]

    def following(self) -> _Reading | None:
        """The next piece; None behind the last."""
        found = self.coming.result()
        if found is None:
            self.pool.shutdown(wait=False)
            return None
        return _Reading(*found, self.pieces, self.pool, self.pool.submit(next, self.pieces, None))
