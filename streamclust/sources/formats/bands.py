"""Rows that are packed in chunks, each of which is unpacked once, however many rows it holds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from streamclust.sources.sequential import SequentialSource

# Chunks are read at random whose rows divide those of a block in which rows are read (a power of
# two), or that are so small that those at its two ends may be unpacked twice.
_MOST_ALIGNED = 8 * 2**20
_MOST_ODD = 2**20
_PIECE_BYTES = 4 * 2**20
# Beyond it, as where a chunk is a column, chunks are unpacked for each band anew.
_MOST_BAND = 128 * 2**20


class BandedSource(SequentialSource):
    """Rows of an array that is packed in chunks; of large ones, in their order.

    A band is what is unpacked together: the rows of one chunk, or of several.
    """

    @abstractmethod
    def read_band(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop`, of type `dtype`."""

    def set_chunks(self, rows: int, chunk_bytes: int) -> None:
        """Note of how many rows a chunk is, and what it takes; to be called first."""
        width = self.shape[1] * self.dtype.itemsize
        rows = min(rows, len(self))
        limit = _MOST_ALIGNED if rows & (rows - 1) == 0 else _MOST_ODD
        self.is_sequential = rows * width > limit
        most = max(1, _MOST_BAND // width)
        self.band_rows = min(rows * max(1, _PIECE_BYTES // (rows * width)), most)
        # A chunk as it is stored, and unpacked.
        self.working_bytes = 2 * chunk_bytes + self.is_sequential * self.band_rows * width

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        if self.is_sequential:
            return super().read_rows(start, stop)
        return self.read_band(start, stop)

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """All bands from that of a row on; of a large one, copies of its parts."""
        step = max(1, _PIECE_BYTES // (self.shape[1] * self.dtype.itemsize))
        for start in range(row - row % self.band_rows, len(self), self.band_rows):
            band = self.read_band(start, min(start + self.band_rows, len(self)))
            if len(band) <= 2 * step:
                yield start, band
            else:
                for first in range(0, len(band), step):
                    yield start + first, band[first : first + step].copy()
            # Before the next one is there.
            del band
