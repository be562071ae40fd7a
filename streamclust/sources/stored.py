"""An array whose values stand in one file, read block by block without mapping it.

Mapped pages count as resident memory, so everything is read into own buffers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.readers import ArraySource, check_layout, stored_as

_BEYOND = 1 << 62


class OpenFile:
    """A file open for reading at any position, from any thread."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def readinto(self, buffer: memoryview, position: int) -> None:
        """Fill `buffer` (of bytes) from `position`; SourceError where the file ends before."""
        done = 0
        # Damaged files may name positions that the system call would not even take.
        position = min(position, _BEYOND)
        while done < len(buffer):
            count = os.preadv(self.descriptor, [buffer[done:]], position + done)
            if count == 0:
                raise SourceError(
                    f"{self.path}: ends at byte {position + done}, {len(buffer) - done} bytes "
                    f"too early: the file was cut short, copy it again"
                )
            done += count


@contextmanager
def opened(path: Path) -> Iterator[OpenFile]:
    """Open `path` for the time of a block; SourceError if that or a read fails."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield OpenFile(path, descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


class Payload(Protocol):
    """The bytes of an array, wherever and however the file holds them."""

    @property
    def size(self) -> int:
        """Number of bytes, once decoded."""

    def readinto(self, file: OpenFile, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the decoded bytes from `offset` on."""


@dataclass(frozen=True)
class RawBytes:
    """Bytes that stand in the file as they are."""

    start: int
    size: int

    def readinto(self, file: OpenFile, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the bytes from `offset` on."""
        file.readinto(buffer, self.start + offset)


@dataclass(eq=False)
class StoredArray(ArraySource):
    """A table of numbers of type `stored`, whose bytes are `payload`."""

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    order: Literal["C", "F"]
    stored: np.dtype
    payload: Payload

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        if start == stop:
            return np.empty((0, self.shape[1]), self.dtype)
        with opened(self.path) as file:
            if self.order == "C":
                block = self._read_lines(file, start, stop)
            else:
                block = self._read_columns(file, start, stop)
        if not self.stored.isnative:
            block = block.byteswap(inplace=True).view(self.stored.newbyteorder("="))
        # Long doubles beyond float64's range become infinite or zero; that is no surprise.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.ascontiguousarray(block.T if self.order == "F" else block, dtype=self.dtype)

    def _read_lines(self, file: OpenFile, start: int, stop: int) -> np.ndarray:
        block = np.empty((stop - start, self.shape[1]), self.stored)
        width = self.shape[1] * self.stored.itemsize
        self.payload.readinto(file, _bytes_of(block), start * width)
        return block

    def _read_columns(self, file: OpenFile, start: int, stop: int) -> np.ndarray:
        rows, columns = self.shape
        block = np.empty((columns, stop - start), self.stored)
        for column, strip in enumerate(block):
            offset = (column * rows + start) * self.stored.itemsize
            self.payload.readinto(file, _bytes_of(strip), offset)
        return block


def store(
    path: Path,
    shape: tuple[int, ...],
    stored: np.dtype,
    order: Literal["C", "F"],
    payload: Payload,
) -> StoredArray:
    """Make a source of a payload, after the checks that all formats share."""
    table = check_layout(path, shape, stored)
    needed = table[0] * table[1] * stored.itemsize
    if payload.size != needed:
        raise SourceError(
            f"{path}: holds {payload.size} bytes, but shape {table} of {stored} takes {needed}: "
            f"the file is damaged, save it again"
        )
    return StoredArray(path, table, stored_as(stored), order, stored, payload)


def _bytes_of(block: np.ndarray) -> memoryview:
    return block.reshape(-1).view(np.uint8).data
