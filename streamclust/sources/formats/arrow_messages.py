"""How many rows the record batches of an Arrow file or stream have, told by their heads alone.

Arrow's library reads the bodies, too. Both forms are messages, one after another: the length of a
head, the head (a flatbuffer), a body.
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
_RECORD_BATCH = 3
# Fields of the flatbuffers Message and RecordBatch.
_HEADER_TYPE, _HEADER, _BODY_BYTES = 1, 2, 3
_N_ROWS = 0


class Batches(NamedTuple):
    """Rows of each record batch, and bytes of its body, as they are packed."""

    rows: list[int]
    bodies: list[int]


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
    found = Batches([], [])
    with opened(path) as file:
        size = os.fstat(file.descriptor).st_size
        is_stream = not is_file(path)
        place, end = (0, size) if is_stream else (8, _footer(file, size))
        try:
            while message := _message(file, place, end, is_stream):
                place, kind, n_rows, body = message
                if kind == _RECORD_BATCH:
                    found.rows.append(n_rows)
                    found.bodies.append(body)
        except (struct.error, IndexError) as error:
            raise SourceError(f"{path}: is damaged at byte {place}: copy it again") from error
    return found


def _footer(file: OpenFile, size: int) -> int:
    """Where the messages of a file end."""
    tail = _read(file, max(0, size - _TAIL_BYTES), min(size, _TAIL_BYTES))
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != FILE_MAGIC or length > size - _TAIL_BYTES - 8:
        raise SourceError(f"{file.path}: breaks off before its end: copy or write it again")
    return size - _TAIL_BYTES - length


def _message(
    file: OpenFile, place: int, end: int, is_stream: bool
) -> tuple[int, int, int, int] | None:
    """Where the message at `place` ends, its kind, rows and bytes of its body; None at the end."""
    if place == end and not is_stream:
        return None
    if end - place < 8:
        # Without its end, a stream that breaks off between two batches would look whole.
        raise SourceError(f"{file.path}: breaks off before its end: copy or write it again")
    start = _read(file, place, 8)
    if start == STREAM_MARK + bytes(4):
        if place + 8 < end and is_stream:
            raise SourceError(f"{file.path}: goes on behind its end, at byte {place + 8}")
        return None
    # Files from before Arrow 0.15 have no mark.
    skip = 8 if start.startswith(STREAM_MARK) else 4
    length = int.from_bytes(start[skip - 4 : skip], "little")
    if length > min(_LONGEST_HEAD, end - place - skip):
        raise SourceError(f"{file.path}: is damaged at byte {place}, or cut short: copy it again")
    head = _read(file, place + skip, length)
    if length == 0 and skip == 4:
        return None
    table = _offset(head, 0)
    kind = _field(head, table, _HEADER_TYPE, "B")
    body = _field(head, table, _BODY_BYTES, "q")
    after = place + skip + length + body
    if body < 0 or after > end:
        raise SourceError(
            f"{file.path}: breaks off before its end, in the message at byte {place}: "
            "copy or write it again"
        )
    n_rows = 0
    if kind == _RECORD_BATCH:
        header = _place_of_field(head, table, _HEADER)
        n_rows = _field(head, _offset(head, header), _N_ROWS, "q") if header else 0
        if n_rows < 0:
            raise SourceError(f"{file.path}: is damaged at byte {place}: copy it again")
    return after, kind, n_rows, body


def _read(file: OpenFile, place: int, n_bytes: int) -> bytes:
    content = bytearray(n_bytes)
    file.readinto(memoryview(content), place)
    return bytes(content)


def _offset(head: bytes, place: int) -> int:
    """Where the table is that stands at `place` of a flatbuffer."""
    return place + int(struct.unpack_from("<I", head, place)[0])


def _place_of_field(head: bytes, table: int, number: int) -> int:
    """Where a field of a table stands; 0 where it has its default."""
    names = table - int(struct.unpack_from("<i", head, table)[0])
    if names < 0:
        raise IndexError(names)
    if 4 + 2 * number >= int(struct.unpack_from("<H", head, names)[0]):
        return 0
    within = int(struct.unpack_from("<H", head, names + 4 + 2 * number)[0])
    return table + within if within else 0


def _field(head: bytes, table: int, number: int, code: str) -> int:
    place = _place_of_field(head, table, number)
    return int(struct.unpack_from("<" + code, head, place)[0]) if place else 0
