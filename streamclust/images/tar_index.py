"""The members of a large tar file by name: their headers stay in the file.

Reference: POSIX.1-2017, pax interchange format; Python's `tarfile`, which reads what is more than a
plain header.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streamclust.errors import TOO_LARGE, UNSUPPORTED, ImageError, SourceError
from streamclust.images.members import MemberIndex, MemberList, decoded_name, taken
from streamclust.sources import OpenFile, normalise_path, opened

_BLOCK = tarfile.BLOCKSIZE
# Of the headers of one member: long names and attributes of files take some KiB.
_MOST_HEADERS = 2**20
# Of a pax header that is passed over without `tarfile`: times and owners take some hundred.
_SMALL = 2**12
# What such a header may not tell: all that changes where a member stands and what it is called.
_TELLING = (b"path=", b"size=", b"GNU.sparse", b"hdrcharset=")
_MOST_LINKS = 8


@dataclass(frozen=True)
class _Member:
    """A header, or several that belong together; `link` is the name of another member."""

    name: str
    is_file: bool
    link: str | None
    is_sparse: bool
    start: int
    size: int
    next_place: int


class TarIndex(MemberIndex):
    """The members of a tar file by name: those that are called as images are, where any are."""

    @classmethod
    def scan(cls, path: Path) -> TarIndex:
        """Read all headers once.

        Raises
        ------
        SourceError
            If the file is not a tar file, or is damaged or cut short.
        """
        listed = MemberList(images_alone=True)
        with opened(path) as file:
            for place, member in _members(file, path.stat().st_size):
                if (member.is_file or member.link) and ".." not in member.name.split("/"):
                    listed.add(member.name, place)
            index = cls(path, *listed.in_order(), prefix=listed.prefix)
            return index.without_replaced(file)

    def member(self, file: OpenFile, place: int) -> _Member:
        member = _member(file, place)
        if member is None:
            raise SourceError(f"{self.path}: is damaged at byte {place}: copy it again")
        return member

    def unpacked(self, file: OpenFile, member: _Member, most: int) -> bytes:
        where = f"{self.path}: member {member.name!r}"
        for _ in range(_MOST_LINKS):
            if member.link is None:
                break
            target = self.found(file, member.link)
            if target is None:
                message = f"{where} is a link to {member.link!r}, which is no image of the archive"
                raise ImageError(message, UNSUPPORTED)
            member = target
        else:
            raise ImageError(f"{where} is a link to a link, and so on", UNSUPPORTED)
        if member.is_sparse:
            message = f"{where} is stored as sparse: unpack the archive and use the folder"
            raise ImageError(message, UNSUPPORTED)
        if member.size > most:
            raise ImageError(
                f"{where} has {member.size:,} bytes, more than {most:,}: save it smaller", TOO_LARGE
            )
        return taken(file, member.start, member.size)


def is_tar(head: bytes) -> bool:
    """Tell a tar file by its first bytes, also one that does not call itself so (before 1988)."""
    try:
        tarfile.TarInfo.frombuf(head[:_BLOCK], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def _members(file: OpenFile, size: int) -> Iterator[tuple[int, _Member]]:
    place = 0
    if not size:
        raise SourceError(f"{file.path}: is empty: copy it again")
    # Some writers leave out the empty blocks that end an archive.
    while place < size:
        if place + _BLOCK > size:
            if not any(taken(file, place, size - place)):
                return
            raise SourceError(f"{file.path}: was cut short at byte {size}: copy it again")
        member = _member(file, place)
        if member is None:
            # Archives may be appended to one another, empty blocks included.
            place += _BLOCK
            continue
        is_whole_file = member.is_file and not member.is_sparse
        end = member.start + member.size if is_whole_file else member.next_place
        if end > size:
            raise SourceError(
                f"{file.path}: was cut short: {member.name!r} ends at byte {end}, and the file at "
                f"{size}: copy it again"
            )
        yield place, member
        place = member.next_place


def _member(file: OpenFile, place: int) -> _Member | None:
    """What the headers from a place on tell; None where empty blocks end the archive."""
    return _plain_member(file, place) or _any_member(file, place)


def _plain_member(file: OpenFile, place: int) -> _Member | None:
    """A file with one plain header, behind a pax header that tells neither its name nor its size:
    nearly all that there are, in a tenth of the time."""
    header, start = taken(file, place, _BLOCK), place + _BLOCK
    if header[156:157] == tarfile.XHDTYPE and _is_whole(header):
        length = _octal(header[124:136])
        if length is None or length > _SMALL:
            return None
        rest = -(-length // _BLOCK) * _BLOCK
        told = taken(file, start, rest + _BLOCK)
        if any(word in told[:length] for word in _TELLING):
            return None
        header, start = told[rest:], start + rest + _BLOCK
    size = _octal(header[124:136])
    if header[156:157] != tarfile.REGTYPE or size is None or not _is_whole(header):
        return None
    raw, folders = header[:100].split(b"\0", 1)[0], b""
    if header[257:263] == tarfile.POSIX_MAGIC[:6]:
        folders = header[345:500].split(b"\0", 1)[0]
    name = _name(folders + b"/" + raw if folders else raw)
    end = start + -(-size // _BLOCK) * _BLOCK
    return _Member(name, True, None, False, start, size, end)


def _octal(field: bytes) -> int | None:
    digits = field.strip(b" \0")
    return int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else None


def _is_whole(header: bytes) -> bool:
    told = _octal(header[148:156])
    return told == sum(header[:148]) + 256 + sum(header[156:])


def _any_member(file: OpenFile, place: int) -> _Member | None:
    headers = _Headers(file, place)
    try:
        archive = tarfile.TarFile(
            fileobj=headers,  # type: ignore[arg-type]
            encoding="utf-8",
            errors="surrogateescape",
        )
        info = archive.next()
    except SourceError:
        raise
    # What hostile fields make of it may be any error of numbers, texts or depth.
    except Exception as error:
        raise _damaged(file, place, f" ({error})") from error
    if info is None:
        if taken(file, place, _BLOCK).strip(b"\0"):
            raise _damaged(file, place)
        return None
    start, size, end = info.offset_data, info.size, archive.offset
    if size < 0 or start <= place or end < start:
        raise _damaged(file, place)
    link = None
    if info.islnk():
        link = _text(info.linkname)
    elif info.issym():
        link = posixpath.normpath(_text(f"{posixpath.dirname(info.name)}/{info.linkname}"))
    return _Member(_text(info.name), info.isreg(), link, info.issparse(), start, size, end)


def _damaged(file: OpenFile, place: int, why: str = "") -> SourceError:
    what = "is damaged" if place else "is not a tar file, or is damaged"
    return SourceError(f"{file.path}: {what} at byte {place}{why}: copy it again")


def _text(name: str) -> str:
    return _name(name.encode("utf-8", "surrogateescape"))


def _name(raw: bytes) -> str:
    return normalise_path(decoded_name(raw)).lstrip("/")


class _Headers:
    """A file as `tarfile` reads the headers of one member: a hostile one would have it read, and
    hold, any number of bytes."""

    mode = "rb"

    def __init__(self, file: OpenFile, place: int) -> None:
        self._file = file
        self._place = place
        self._left = _MOST_HEADERS

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self._left:
            raise tarfile.ReadError(f"its headers are larger than {_MOST_HEADERS:,} bytes")
        self._left -= count
        data = taken(self._file, self._place, count)
        self._place += count
        return data

    def seek(self, place: int) -> None:
        self._place = place

    def tell(self) -> int:
        return self._place
