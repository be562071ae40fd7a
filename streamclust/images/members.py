"""Find members of a large archive in little memory: 16 bytes a member.

`zipfile` and `tarfile` hold 600 bytes a member and more (0.25 GiB at 400,000), and that for each
thread that has its own. Here what tells of a member stays in the file: only a hash of each name and
the place where the member is told of are held.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamclust.errors import DAMAGED, ImageError, SourceError
from streamclust.sources import OpenFile, composed, opened

# What a scan of archives, or going through their names, holds at its peak; 16 or 20 of them stay.
BYTES_A_MEMBER = 45
IMAGE_ENDINGS = tuple(
    f".{ending}"
    for kind in (
        *("jpg jpeg jpe jfif", "png", "bmp", "gif", "tif tiff", "webp", "ppm pgm pbm pnm"),
        *("avif heic heif", "jp2 j2k jpx", "jxl"),
    )
    for ending in kind.split()
)
# Of names that say nothing of it: those of a Russian and of a Chinese Windows.
_CODE_PAGES = ("cp866", "gbk")


@dataclass(frozen=True, eq=False)
class MemberIndex(ABC):
    """The members of an archive by name; safe to use from several threads, can be pickled.

    Attributes
    ----------
    path : Path
        The archive.
    hashes, places : ndarray of int64
        Hashes of the members' names, in order, and where they are told of.
    prefix : tuple of str
        The folders that all images are in (all members, where none has an image's ending).
    """

    path: Path
    hashes: np.ndarray
    places: np.ndarray
    prefix: tuple[str, ...]

    @abstractmethod
    def member(self, file: OpenFile, place: int) -> Any:
        """What is told of a member at a place; it has a `name`."""

    @abstractmethod
    def unpacked(self, file: OpenFile, member: Any, most: int) -> bytes:
        """The content of a member, of no more than `most` bytes."""

    def __len__(self) -> int:
        return len(self.hashes)

    def names(self) -> Iterator[str]:
        """Names of the members (no folders), as they follow each other in the archive; of those
        with one name the last, which replaced the others."""
        with opened(self.path) as file:
            for place in np.sort(self.places):
                yield self.member(file, int(place)).name

    def find(self, name: str) -> str | None:
        """The name of a member as it stands in the archive; None if there is none."""
        with opened(self.path) as file:
            member = self.found(file, name)
            return None if member is None else member.name

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
            encrypted, or packed in another way than deflate, or sparse.
        SourceError
            If the archive, or its directory, cannot be read any more.
        """
        with opened(self.path) as file:
            member = self.found(file, name)
            return None if member is None else self.content(file, member, most)

    def content(self, file: OpenFile, member: Any, most: int) -> bytes:
        """As `read`, of a member that was found."""
        try:
            return self.unpacked(file, member, most)
        except ImageError:
            raise
        except SourceError as error:
            raise ImageError(str(error), DAMAGED) from error
        except OSError as error:
            reason = error.strerror or error
            message = f"{self.path}: member {member.name!r} cannot be read: {reason}"
            raise ImageError(message, DAMAGED) from error

    def without_replaced(self, file: OpenFile) -> Self:
        """Without members that a later one of the same name has replaced."""
        stay = np.ones(len(self), bool)
        for at in np.flatnonzero(self.hashes[1:] == self.hashes[:-1]):
            here, later = (self.member(file, int(self.places[one])).name for one in (at, at + 1))
            stay[at] = here != later
        if stay.all():
            return self
        return replace(self, hashes=self.hashes[stay], places=self.places[stay])

    def found(self, file: OpenFile, name: str) -> Any:
        """What is told of the member of a name; None if there is none."""
        key = name_hash(name)
        first, last = (int(np.searchsorted(self.hashes, key, side)) for side in ("left", "right"))
        same = None
        for place in self.places[first:last]:
            member = self.member(file, int(place))
            if member.name == name:
                return member
            if composed(member.name) == composed(name):
                same = member
        return same


class MemberList:
    """The members that a scan of an archive meets.

    Parameters
    ----------
    images_alone : bool
        Keep only members that are called as images are, where there are any.
    """

    def __init__(self, *, images_alone: bool = False) -> None:
        self.images_alone = images_alone
        self._hashes, self._places = array("q"), array("q")
        # Of images and of others: a stray README at the top must not hide what holds the images.
        self._prefixes: dict[bool, list[str]] = {}

    def add(self, name: str, place: int) -> None:
        is_image = is_image_name(name)
        if self.images_alone and is_image != (True in self._prefixes):
            if not is_image:
                return
            self._hashes, self._places = array("q"), array("q")
        self._hashes.append(name_hash(name))
        self._places.append(place)
        folders = name.split("/")[:-1]
        self._prefixes[is_image] = common_start(self._prefixes.get(is_image, folders), folders)

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def prefix(self) -> tuple[str, ...]:
        return tuple(self._prefixes.get(True, self._prefixes.get(False, ())))

    def in_order(self) -> tuple[np.ndarray, np.ndarray]:
        """Hashes in order, and the places of each; the list is empty then."""
        hashes, places = (np.asarray(one, "i8") for one in (self._hashes, self._places))
        self._hashes, self._places = array("q"), array("q")
        order = np.argsort(hashes, kind="stable")
        return hashes[order], places[order]


def is_image_name(path: str) -> bool:
    """Tell whether a path ends as images do, and no part of it is hidden.

    >>> [is_image_name(path) for path in ("v/1.JPG", "README.txt", "__MACOSX/v/._1.jpg")]
    [True, False, False]
    """
    return path.lower().endswith(IMAGE_ENDINGS) and not any(map(is_hidden, path.split("/")))


def without_ending(name: str) -> str:
    """The name of an image without what is_image_name tells it by; others as they are.

    >>> [without_ending(name) for name in ("0001.JPG", "v.1/2", ".jpg")]
    ['0001', 'v.1/2', '.jpg']
    """
    if not is_image_name(name):
        return name
    return name[: name.rindex(".")]


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
            yield decoded_name(path.encode(code_page))
        except UnicodeEncodeError:
            continue


def decoded_name(raw: bytes) -> str:
    """A name that does not tell its encoding: UTF-8 if it can be, as systems other than Windows
    write it, or else the code page that the zip format prescribes."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("cp437")
    # The second byte of a Chinese letter may be that of a backslash: it is one on both sides.
    return name.replace("\\", "/")


def name_hash(name: str) -> int:
    """A hash of a name, however its letters are written."""
    # Two checksums of the same kind would collide together, so one is of the reversed name.
    raw = composed(name).encode("utf-8", "surrogatepass")
    return (zlib.crc32(raw) << 31) ^ zlib.crc32(raw[::-1])


def common_start(one: list[str], other: list[str]) -> list[str]:
    """What two lists of folders begin with."""
    if one == other[: len(one)]:
        return one
    same = 0
    for mine, its in zip(one, other, strict=False):
        if mine != its:
            break
        same += 1
    return one[:same]


def taken(file: OpenFile, place: int, count: int) -> bytes:
    """So many bytes of a file from a place on."""
    buffer = bytearray(count)
    file.readinto(memoryview(buffer), place)
    return bytes(buffer)
