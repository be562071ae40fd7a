"""What the heads of an Arrow file or stream tell of its record batches: rows, and where their bytes
stand.

Arrow's library reads a record batch whole, and some writers put all rows into one. Both forms are
messages, one after another: the length of a head, the head (a flatbuffer), a body.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

from streamclust.errors import SourceError
from streamclust.sources.base import OpenFile, opened

FILE_MAGIC = b"ARROW1"
STREAM_MARK = b"\xff\xff\xff\xff"
_TAIL_BYTES = 4 + len(FILE_MAGIC)
# Heads of tables of thousands of columns have some MiB.
_LONGEST_HEAD = 2**26
_SCHEMA, _RECORD_BATCH = 1, 3
_CODECS = ("lz4", "zstd")


class Batch(NamedTuple):
    """A record batch: its rows, and where its head and its body stand."""

    rows: int
    head: int
    head_bytes: int
    body: int
    body_bytes: int


class Batches(NamedTuple):
    """The record batches of a file, and whether their numbers are little-endian."""

    batches: list[Batch]
    is_little: bool


class Buffers(NamedTuple):
    """What the head of a record batch tells of its columns.

    Attributes
    ----------
    nodes : list of (int, int)
        Values and nulls of each column and of what is in it, depth first.
    buffers : list of (int, int)
        Where each begins in the file, and its bytes.
    n_views : list of int
        Buffers beyond two of each column of views.
    codec : str or None
        That each buffer is packed by.
    """

    nodes: list[tuple[int, int]]
    buffers: list[tuple[int, int]]
    n_views: list[int]
    codec: str | None


def is_file(path: Path) -> bool:
    """Whether it is of the file form, rather than a stream."""
    with open(path, "rb") as file:
        return file.read(len(FILE_MAGIC)) == FILE_MAGIC


def batches_of(path: Path) -> Batches:
    """Walk the heads.

    Raises
    ------
    SourceError
        Where they are damaged, or do not go to the end.
    """
    found, is_little = [], True
    with opened(path) as file:
        size = os.fstat(file.descriptor).st_size
        is_stream = not is_file(path)
        place, end = (0, size) if is_stream else (8, _footer(file, size))
        try:
            while message := _message(file, place, end, is_stream):
                kind, is_native, batch = message
                if kind == _RECORD_BATCH:
                    found.append(batch)
                is_little &= is_native
                place = batch.body + batch.body_bytes
        except (struct.error, IndexError) as error:
            raise SourceError(f"{path}: is damaged at byte {place}: copy it again") from error
    return Batches(found, is_little)


def buffers_of(path: Path, batch: Batch) -> Buffers:
    """Read the head of a record batch.

    Raises
    ------
    SourceError
        Where it is damaged.
    """
    with opened(path) as file:
        head = _Table.of(_read(file, batch.head, batch.head_bytes))
    try:
        record = head.table(2)
        nodes = [(count, nulls) for count, nulls in record.vector(1, "qq")]
        buffers = [(batch.body + start, size) for start, size in record.vector(2, "qq")]
        packing = record.table(3) if record.place(3) else None
        codec = None if packing is None else _CODECS[packing.number(0, "b")]
        views = [count for (count,) in record.vector(4, "q")]
    except (struct.error, IndexError) as error:
        raise SourceError(f"{path}: is damaged at byte {batch.head}: copy it again") from error
    end = batch.body + batch.body_bytes
    if any(start < batch.body or size < 0 or start + size > end for start, size in buffers):
        raise SourceError(f"{path}: is damaged at byte {batch.head}: copy it again")
    return Buffers(nodes, buffers, views, codec)


def _footer(file: OpenFile, size: int) -> int:
    """Where the messages of a file end."""
    tail = _read(file, max(0, size - _TAIL_BYTES), min(size, _TAIL_BYTES))
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != FILE_MAGIC or length > size - _TAIL_BYTES - 8:
        raise SourceError(f"{file.path}: breaks off before its end: copy or write it again")
    return size - _TAIL_BYTES - length


def _message(
    file: OpenFile, place: int, end: int, is_stream: bool
) -> tuple[int, bool, Batch] | None:
    """The kind of the message at `place`, whether numbers are little-endian, and what a record
    batch would be; None at the end."""
    if place == end and not is_stream:
        return None
    if end - place < 8:
        # Without its end, a stream that breaks off between two batches would look whole.
        raise SourceError(f"{file.path}: breaks off before its end: copy or write it again")
    start = _read(file, place, 8)
    # Files from before Arrow 0.15 have no mark.
    skip = 8 if start.startswith(STREAM_MARK) else 4
    length = int.from_bytes(start[skip - 4 : skip], "little")
    if length == 0:
        if place + skip < end and is_stream:
            raise SourceError(f"{file.path}: goes on behind its end, at byte {place + skip}")
        return None
    if length > min(_LONGEST_HEAD, end - place - skip):
        raise SourceError(f"{file.path}: is damaged at byte {place}, or cut short: copy it again")
    message = _Table.of(_read(file, place + skip, length))
    kind, n_bytes = message.number(1, "B"), message.number(3, "q")
    body = place + skip + length
    if not 0 <= n_bytes <= end - body:
        raise SourceError(
            f"{file.path}: breaks off before its end, in the message at byte {place}: "
            "copy or write it again"
        )
    header = message.table(2)
    n_rows = header.number(0, "q") if kind == _RECORD_BATCH else 0
    if n_rows < 0:
        raise SourceError(f"{file.path}: is damaged at byte {place}: copy it again")
    is_little = kind != _SCHEMA or header.number(0, "h") == 0
    return kind, is_little, Batch(n_rows, place + skip, length, body, n_bytes)


def _read(file: OpenFile, place: int, n_bytes: int) -> bytes:
    content = bytearray(n_bytes)
    file.readinto(memoryview(content), place)
    return bytes(content)


class _Table(NamedTuple):
    """A table of a flatbuffer: its fields are found by numbers, and are 0 where they are left
    out."""

    content: bytes
    start: int

    @classmethod
    def of(cls, content: bytes, place: int = 0) -> _Table:
        """The table that is referred to at `place`."""
        return cls(content, place + int(struct.unpack_from("<I", content, place)[0]))

    def place(self, number: int) -> int:
        """Where a field stands; 0 where it is left out."""
        names = self.start - int(struct.unpack_from("<i", self.content, self.start)[0])
        if names < 0:
            raise IndexError(names)
        if 4 + 2 * number >= int(struct.unpack_from("<H", self.content, names)[0]):
            return 0
        within = int(struct.unpack_from("<H", self.content, names + 4 + 2 * number)[0])
        return self.start + within if within else 0

    def number(self, number: int, code: str) -> int:
        place = self.place(number)
        return int(struct.unpack_from(f"<{code}", self.content, place)[0]) if place else 0

    def table(self, number: int) -> _Table:
        if not (place := self.place(number)):
            raise IndexError(number)
        return _Table.of(self.content, place)

    def vector(self, number: int, code: str) -> list[tuple[int, ...]]:
        if not (place := self.place(number)):
            return []
        start = place + int(struct.unpack_from("<I", self.content, place)[0])
        n_bytes = struct.unpack_from("<I", self.content, start)[0] * struct.calcsize(f"<{code}")
        part = self.content[start + 4 : start + 4 + n_bytes]
        if len(part) < n_bytes:
            raise IndexError(number)
        return list(struct.iter_unpack(f"<{code}", part))
