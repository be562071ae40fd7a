"""Find members of a large zip file in little memory: 16 bytes a member.

`zipfile` holds some 600 bytes a member (0.25 GiB at 400,000), and that for each thread
that has its own. Here the central directory stays in the file: only a hash of each
name and the place of its entry are held.

Reference: PKWARE's APPNOTE, sections 4.3 to 4.5, 4.6.9 and appendix D.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamclust.errors import DAMAGED, TOO_LARGE, UNSUPPORTED, ImageError, SourceError
from streamclust.sources import OpenFile, composed, opened

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LARGE = 0xFFFFFFFF
_ENCRYPTED, _UTF8 = 0x1, 0x800
_STORED, _DEFLATED = 0, 8
_METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
_ZIP64, _UNICODE_PATH = 1, 0x7075
_UNICODE_HEAD = struct.Struct("<BI")
# Of names that say nothing of it: those of a Russian and of a Chinese Windows.
_CODE_PAGES = ("cp866", "gbk")

# What `ZipIndex.scan` holds at its peak; 17 of them stay.
BYTES_A_MEMBER = 41
_ENDINGS = tuple(
    f".{ending}"
    for kind in (
        *("jpg jpeg jpe jfif", "png", "bmp", "gif", "tif tiff", "webp", "ppm pgm pbm pnm"),
        *("avif heic heif", "jp2 j2k jpx", "jxl"),
    )
    for ending in kind.split()
)


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
class ZipIndex:
    """The members of a zip file by name.

    Attributes
    ----------
    path : Path
        The zip file.
    hashes, places : ndarray of int64
        Hashes of the members' names, in order, and where their entries stand.
    prefix : tuple of str
        The folders that all images are in (all members, where none has an image's ending).
    shift : int
        Bytes that stand before the archive proper (as in self-extracting files).
    """

    path: Path
    hashes: np.ndarray
    places: np.ndarray
    prefix: tuple[str, ...]
    shift: int

    @classmethod
    def scan(cls, path: Path) -> ZipIndex:
        """Read the central directory once.

        Raises
        ------
        SourceError
            If the file is not a zip file, or its directory is damaged.
        """
        hashes, places = array("q"), array("q")
        # Of images and of others: a stray README at the top must not hide what holds the images.
        prefixes: dict[bool, list[str]] = {}
        with opened(path) as file:
            start, count, shift = _find_directory(file, path.stat().st_size)
            for place, member in _members(file, start, count):
                if member.name.endswith("/"):
                    continue
                hashes.append(_hash(member.name))
                places.append(place)
                folders = member.name.split("/")[:-1]
                is_image = is_image_name(member.name)
                prefixes[is_image] = _common(prefixes.get(is_image, folders), folders)
            order = np.argsort(np.asarray(hashes, "i8"), kind="stable")
            order = order[~_replaced(file, np.asarray(hashes), np.asarray(places), order)]
        return cls(
            path=path,
            hashes=np.asarray(hashes, "i8")[order],
            places=np.asarray(places, "i8")[order],
            prefix=tuple(prefixes.get(True, prefixes.get(False, ()))),
            shift=shift,
        )

    def __len__(self) -> int:
        return len(self.hashes)

    def names(self) -> Iterator[str]:
        """Names of the members (no folders), as they follow each other in the directory; of those
        with one name the last, which replaced the others."""
        with opened(self.path) as file:
            for place in np.sort(self.places):
                yield _member(file, int(place)).name

    def read(self, name: str, most: int) -> bytes | None:
        """Read and unpack a member; None if there is none of that name.

        Parameters
        ----------
        name : str
        most : int
            Bytes that it may have: never more than one beyond them are unpacked.

        Raises
        ------
        ImageError
            If it has more than `most` bytes, is damaged, or cannot be unpacked here: it is
            encrypted, or packed in another way than deflate.
        SourceError
            If the archive, or its directory, cannot be read any more.
        """
        with opened(self.path) as file:
            member = self._find(file, name)
            try:
                return None if member is None else self._unpack(file, member, most)
            except ImageError:
                raise
            except SourceError as error:
                raise ImageError(str(error), DAMAGED) from error
            except OSError as error:
                message = f"{self.path}: member {name!r} cannot be read: {error.strerror or error}"
                raise ImageError(message, DAMAGED) from error

    def find(self, name: str) -> str | None:
        """The name of a member as it stands in the archive; None if there is none."""
        with opened(self.path) as file:
            member = self._find(file, name)
            return None if member is None else member.name

    def _find(self, file: OpenFile, name: str) -> _Member | None:
        key = _hash(name)
        first, last = (int(np.searchsorted(self.hashes, key, side)) for side in ("left", "right"))
        same = None
        for place in self.places[first:last]:
            member = _member(file, int(place))
            if member.name == name:
                return member
            if composed(member.name) == composed(name):
                same = member
        return same

    def _unpack(self, file: OpenFile, member: _Member, most: int) -> bytes:
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
        local = _LOCAL.unpack(_take(file, member.offset + self.shift, _LOCAL.size))
        start = member.offset + self.shift + _LOCAL.size + local[-2] + local[-1]
        data = _take(file, start, member.packed)
        if member.method == _DEFLATED:
            try:
                # The size may be a lie: one byte more than it tells that.
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.size + 1)
            except zlib.error as error:
                raise SourceError(f"{where} is damaged ({error}): copy it again") from error
        if local[0] != b"PK\3\4" or len(data) != member.size or zlib.crc32(data) != member.crc:
            raise SourceError(f"{where} is damaged: copy the archive again")
        return data


def is_image_name(path: str) -> bool:
    """Tell whether a path ends as images do, and no part of it is hidden.

    >>> [is_image_name(path) for path in ("v/1.JPG", "README.txt", "__MACOSX/v/._1.jpg")]
    [True, False, False]
    """
    return path.lower().endswith(_ENDINGS) and not any(map(is_hidden, path.split("/")))


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is one that systems put there and people do not see."""
    return name == "__MACOSX" or (name.startswith(".") and name not in (".", ".."))


def other_spellings(path: str) -> Iterator[str]:
    """How members of a path are called whose names were written in a code page that they do not
    tell: nothing in the archive says which, but the list of paths does.

    >>> list(other_spellings("й.jpg"))
    ['⌐.jpg', 'º█.jpg']
    """
    for code_page in () if path.isascii() else _CODE_PAGES:
        try:
            yield _decoded(path.encode(code_page))
        except UnicodeEncodeError:
            continue


def _decoded(raw: bytes) -> str:
    """A name that does not tell its encoding: UTF-8 if it can be, as systems other than Windows
    write it, or else the code page that the format prescribes."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("cp437")
    # The second byte of a Chinese letter may be that of a backslash: it is one on both sides.
    return name.replace("\\", "/")


def _hash(name: str) -> int:
    # Two checksums of the same kind would collide together, so one is of the reversed name.
    raw = composed(name).encode("utf-8", "surrogatepass")
    return (zlib.crc32(raw) << 31) ^ zlib.crc32(raw[::-1])


def _replaced(
    file: OpenFile, hashes: np.ndarray, places: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """Which of the members, in this order, a later one of the same name has replaced."""
    replaced = np.zeros(len(order), bool)
    ordered = hashes[order]
    for place in np.flatnonzero(ordered[1:] == ordered[:-1]):
        here, later = (_member(file, int(places[order[at]])).name for at in (place, place + 1))
        replaced[place] = here == later
    return replaced


def _common(one: list[str], other: list[str]) -> list[str]:
    if one == other[: len(one)]:
        return one
    same = 0
    for mine, its in zip(one, other, strict=False):
        if mine != its:
            break
        same += 1
    return one[:same]


def _take(file: OpenFile, place: int, count: int) -> bytes:
    buffer = bytearray(count)
    file.readinto(memoryview(buffer), place)
    return bytes(buffer)


def _find_directory(file: OpenFile, size: int) -> tuple[int, int, int]:
    """Tell where the central directory starts, how many entries it has, and the shift."""
    tail_start = max(0, size - _END.size - 0xFFFF)
    tail = _take(file, tail_start, size - tail_start)
    found = tail.rfind(b"PK\5\6")
    if found < 0 or len(tail) - found < _END.size:
        raise SourceError(f"{file.path}: is not a zip file, or was cut short: copy it again")
    end = tail_start + found
    _, _, _, _, count, length, start, _ = _END.unpack_from(tail, found)
    if end >= _LOCATOR64.size:
        magic, _, _, _ = _LOCATOR64.unpack(_take(file, end - _LOCATOR64.size, _LOCATOR64.size))
        if magic == b"PK\6\7":
            end -= _LOCATOR64.size + _END64.size
            fields = _END64.unpack(_take(file, max(0, end), _END64.size))
            if fields[0] != b"PK\6\6":
                raise SourceError(f"{file.path}: its zip64 directory is damaged: copy it again")
            count, length, start = fields[7:]
    shift = end - length - start
    if shift < 0:
        raise SourceError(f"{file.path}: its zip directory is damaged: copy it again")
    return start + shift, count, shift


def _members(file: OpenFile, place: int, count: int) -> Iterator[tuple[int, _Member]]:
    for _ in range(count):
        member = _member(file, place)
        yield place, member
        place = member.next_place


def _member(file: OpenFile, place: int) -> _Member:
    fields = _ENTRY.unpack(_take(file, place, _ENTRY.size))
    flags, method, crc, packed, size = fields[3], fields[4], *fields[7:10]
    name_length, extra_length, comment_length = fields[10:13]
    if fields[0] != b"PK\1\2":
        raise SourceError(f"{file.path}: its zip directory is damaged at byte {place}")
    rest = _take(file, place + _ENTRY.size, name_length + extra_length)
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
    return _decoded(raw)


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
