"""The members of a large zip file by name: its central directory stays in the file.

Reference: PKWARE's APPNOTE, sections 4.3 to 4.5, 4.6.9 and appendix D.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamclust.errors import TOO_LARGE, UNSUPPORTED, ImageError, SourceError
from streamclust.images.members import (
    MemberIndex,
    MemberList,
    decoded_name,
    taken,
)
from streamclust.sources import OpenFile, opened

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_COUNTS = 2**16
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LARGE = 0xFFFFFFFF
_ENCRYPTED, _UTF8 = 0x1, 0x800
_STORED, _DEFLATED = 0, 8
_METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
_ZIP64, _UNICODE_PATH = 1, 0x7075
_UNICODE_HEAD = struct.Struct("<BI")


@dataclass(frozen=True)
class _Member:
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    next_place: int


@dataclass(frozen=True, eq=False)
class ZipIndex(MemberIndex):
    """The members of a zip file by name.

    Attributes
    ----------
    shift : int
        Bytes that stand before the archive proper (as in self-extracting files).
    """

    shift: int

    @classmethod
    def scan(cls, path: Path) -> ZipIndex:
        """Read the central directory once.

        Raises
        ------
        SourceError
            If the file is not a zip file, or its directory is damaged.
        """
        listed = MemberList()
        with opened(path) as file:
            span, count, shift = _find_directory(file, path.stat().st_size)
            for place, member in _members(file, span, count):
                if not member.name.endswith("/"):
                    listed.add(member.name, place)
            index = cls(path, *listed.in_order(), prefix=listed.prefix, shift=shift)
            return index.without_replaced(file)

    def member(self, file: OpenFile, place: int) -> _Member:
        return _member(file, place)

    def unpacked(self, file: OpenFile, member: _Member, most: int) -> bytes:
        where = f"{self.path}: member {member.name!r}"
        if member.flags & _ENCRYPTED:
            message = f"{where} is encrypted: unpack the archive and use the folder"
            raise ImageError(message, UNSUPPORTED)
        if member.method not in (_STORED, _DEFLATED):
            method = _METHODS.get(member.method, f"method {member.method}")
            message = f"{where} is packed by {method}: unpack the archive and use the folder"
            raise ImageError(message, UNSUPPORTED)
        size = max(member.size, member.packed)
        if size > most:
            raise ImageError(
                f"{where} has {size:,} bytes, more than {most:,}: save it smaller", TOO_LARGE
            )
        local = _LOCAL.unpack(taken(file, member.offset + self.shift, _LOCAL.size))
        start = member.offset + self.shift + _LOCAL.size + local[-2] + local[-1]
        data = taken(file, start, member.packed)
        if member.method == _DEFLATED:
            try:
                # The size may be a lie: one byte more than it tells that.
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.size + 1)
            except zlib.error as error:
                raise SourceError(f"{where} is damaged ({error}): copy it again") from error
        if local[0] != b"PK\3\4" or len(data) != member.size or zlib.crc32(data) != member.crc:
            raise SourceError(f"{where} is damaged: copy the archive again")
        return data


def _find_directory(file: OpenFile, size: int) -> tuple[range, int, int]:
    """Tell where the central directory is, how many entries it tells of, and the shift."""
    tail_start = max(0, size - _END.size - 0xFFFF)
    tail = taken(file, tail_start, size - tail_start)
    found = tail.rfind(b"PK\5\6")
    if found < 0 or len(tail) - found < _END.size:
        raise SourceError(f"{file.path}: is not a zip file, or was cut short: copy it again")
    end = tail_start + found
    _, _, _, _, count, length, start, _ = _END.unpack_from(tail, found)
    if end >= _LOCATOR64.size:
        magic, _, _, _ = _LOCATOR64.unpack(taken(file, end - _LOCATOR64.size, _LOCATOR64.size))
        if magic == b"PK\6\7":
            end -= _LOCATOR64.size + _END64.size
            fields = _END64.unpack(taken(file, max(0, end), _END64.size))
            if fields[0] != b"PK\6\6":
                raise SourceError(f"{file.path}: its zip64 directory is damaged: copy it again")
            count, length, start = fields[7:]
    shift = end - length - start
    if shift < 0:
        raise SourceError(f"{file.path}: its zip directory is damaged: copy it again")
    return range(start + shift, start + shift + length), count, shift


def _members(file: OpenFile, span: range, count: int) -> Iterator[tuple[int, _Member]]:
    place, n_members = span.start, 0
    while place < span.stop:
        member = _member(file, place)
        yield place, member
        place, n_members = member.next_place, n_members + 1
    # Writers that know no zip64 count on from 0 behind the 65,535th.
    if place != span.stop or (n_members - count) % _COUNTS:
        raise SourceError(
            f"{file.path}: its zip directory has {n_members} members where {count} are told of: "
            "copy it again"
        )


def _member(file: OpenFile, place: int) -> _Member:
    fields = _ENTRY.unpack(taken(file, place, _ENTRY.size))
    flags, method, crc, packed, size = fields[3], fields[4], *fields[7:10]
    name_length, extra_length, comment_length = fields[10:13]
    if fields[0] != b"PK\1\2":
        raise SourceError(f"{file.path}: its zip directory is damaged at byte {place}")
    rest = taken(file, place + _ENTRY.size, name_length + extra_length)
    name = _name(rest[:name_length], rest[name_length:], flags)
    size, packed, offset = _large_values(rest[name_length:], (size, packed, fields[-1]))
    next_place = place + _ENTRY.size + len(rest) + comment_length
    return _Member(name, flags, method, crc, packed, size, offset, next_place)


def _name(raw: bytes, extra: bytes, flags: int) -> str:
    """The name of a member: as its extra field tells it, by its flag, or by its bytes."""
    for kind, field in _fields(extra):
        if kind == _UNICODE_PATH and len(field) > _UNICODE_HEAD.size:
            version, checksum = _UNICODE_HEAD.unpack_from(field)
            # A member that was renamed since has the field of its old name.
            if version == 1 and checksum == zlib.crc32(raw):
                return field[_UNICODE_HEAD.size :].decode("utf-8", "replace").replace("\\", "/")
    if flags & _UTF8:
        return raw.decode("utf-8", "replace").replace("\\", "/")
    return decoded_name(raw)


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The kinds and the contents of the extra fields of a member."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        yield kind, extra[4 : 4 + length]
        extra = extra[4 + length :]


def _large_values(extra: bytes, values: tuple[int, int, int]) -> tuple[int, int, int]:
    """Take those of `values` that did not fit in 32 bits from the extra fields."""
    if _LARGE in values:
        for kind, field in _fields(extra):
            if kind == _ZIP64:
                large = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
                first, second, third = (next(large, v) if v == _LARGE else v for v in values)
                return first, second, third
    return values
