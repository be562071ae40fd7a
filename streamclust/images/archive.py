"""Images by the paths of the case's list, from folders or archives, of which the latter must stay
what they were while they are read."""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from streamclust.errors import DAMAGED, MISSING, TOO_LARGE, UNSUPPORTED, ImageError, SourceError
from streamclust.events import Events
from streamclust.images.archive_folder import ArchiveFolder
from streamclust.images.members import (
    IMAGE_ENDINGS,
    MemberIndex,
    is_hidden,
    is_image_name,
    other_spellings,
)
from streamclust.images.path_endings import Beginning, Parts, find_beginning, parts_of
from streamclust.images.tar_index import TarIndex, is_tar
from streamclust.images.zip_index import ZipIndex
from streamclust.sources import (
    PathNumbers,
    fingerprint,
    image_archives,
    no_text,
)
from streamclust.steps import Job
from streamclust.store import has_images, image_places, place_of_paths, sampled_paths

T = TypeVar("T")

# Of an image file, unpacked: a bound for what a hostile file can make a task hold.
MOST_BYTES = 32 * 2**20

# Bytes that tell what kind of archive a file is.
_HEAD = 512

_DIGITS = re.compile(r"\d+")

# What stat says of paths that cannot be those of a file.
_NO_PATH = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


@dataclass(frozen=True)
class Images:
    """Where images are: zip or tar files, folders of such files, or folders of images.

    Attributes
    ----------
    places : tuple of Path
        One at least.
    place_of : PathNumbers, optional
        The place of each path that is known to be of one, where it alone is looked for: without
        its first part a path may lead to the image of another one elsewhere. Others are looked
        for in all places in turn.
    sampled : callable, optional
        Some paths of each list, and the number of its place: where none of them is found as it
        is, images are found by the longest common ending.
    """

    places: tuple[Path, ...]
    place_of: PathNumbers | None = field(default=None, compare=False, repr=False)
    sampled: Callable[[], list[tuple[int, list[str]]]] | None = field(
        default=None, compare=False, repr=False
    )

    @property
    def name(self) -> str:
        """What the places are called, for messages."""
        return ", ".join(place.name for place in self.places)

    def __str__(self) -> str:
        return ", ".join(map(str, self.places))


def stored_images(job: Job) -> Images | None:
    """Where the images of the stored rows are; None where any of them are no more."""
    if not has_images(job.workspace):
        return None
    return Images(
        tuple(image_places(job.workspace)),
        place_of_paths(job.workspace),
        partial(sampled_paths, job.workspace),
    )


class ImageStore:
    """Read images by path; safe to use from several threads, and can be pickled.

    A path of the list and a place in the store need not begin alike: a path is looked
    for as it is, without its first part, and both below the folders that all images
    of a place are in.

    Parameters
    ----------
    images : path or Images
        A zip or tar file, a folder of such files, or the top of a folder tree; of several, that
        which a path is of, or the first that has its image.

    Raises
    ------
    SourceError
        If one is none of these.
    """

    def __init__(self, images: str | Path | Images) -> None:
        places = images.places if isinstance(images, Images) else (Path(images),)
        self._places = [_ImageSource(place) for place in places]
        self._place_of = images.place_of if isinstance(images, Images) else None
        self._notes: list[str] = []
        if isinstance(images, Images) and images.sampled is not None:
            for number, paths in images.sampled():
                self._notes += self._places[number].match(paths)

    def tell(self, events: Events) -> None:
        """Say how images are found whose paths begin otherwise."""
        for words in self._notes:
            events.note(words)

    def names(self) -> Iterator[str]:
        """Paths of all files in the store, with forward slashes, as the store has them."""
        for place in self._places:
            yield from place.names()

    def read(self, path: str) -> bytes:
        """Read the image file of a path as it stands in the case's list.

        Raises
        ------
        ImageError
            If there is no such image, or it cannot be read, or it has more than `MOST_BYTES`.
        SourceError
            If an archive itself cannot be read any more.
        """
        return self._first(_ImageSource.read, path)

    def file_of(self, path: str) -> Path | None:
        """The file of a path as it stands in the case's list; None in an archive.

        Raises
        ------
        ImageError
            If there is no such image.
        """
        return self._first(_ImageSource.file_of, path)

    def name_of(self, path: str) -> str:
        """What an image is called below its folder, or in its archive; of several places, a file
        in a folder is named whole.

        Raises
        ------
        ImageError
            If there is no such image.
        """
        file = self.file_of(path) if len(self._places) > 1 else None
        return self._first(_ImageSource.name_of, path) if file is None else str(file.resolve())

    def _first(self, ask: Callable[[_ImageSource, str], T], path: str) -> T:
        number = None if self._place_of is None else self._place_of.get(path)
        if number is not None:
            return ask(self._places[number], path)
        *earlier, last = self._places
        for place in earlier:
            try:
                return ask(place, path)
            except ImageError as error:
                if error.kind != MISSING:
                    raise
        return ask(last, path)


class _ImageSource:
    """One folder of images, or one archive or folder of archives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive: MemberIndex | ArchiveFolder | None = None
        shards: list[Path] = []
        self._own: tuple[str, ...] = ()
        self._beginnings: list[Beginning] = []
        if self.path.is_dir():
            self._prefix = _single_folders(self.path)
            inside = self.path.joinpath(*self._prefix)
            shards = image_archives(inside)
            if shards:
                self._archive = ArchiveFolder(inside, shards, _scan)
        elif self.path.is_file():
            self._archive = _scan(self.path)
            if isinstance(self._archive, TarIndex):
                shards, self._own = [self.path], (self.path.name, self.path.stem)
        else:
            raise SourceError(f"{self.path}: does not exist: check the path of the images")
        if self._archive is not None:
            self._prefix = self._archive.prefix
        self._shards = {_shard(name) for file in shards for name in (file.name, file.stem)}

    def match(self, paths: Sequence[str]) -> Iterator[str]:
        """Where none of these paths is found, find how they must begin; what is to be said."""
        if any(map(self._has, paths)):
            return
        found = find_beginning(self._seen, self._aliases, paths)
        if isinstance(found, Beginning):
            self._beginnings.append(found)
            yield f"{self.path.name}: {found.in_words}"
        elif found is not None:
            yield f"{self.path.name}: {found}"

    def _has(self, path: str) -> bool:
        try:
            self.name_of(path)
        except ImageError as error:
            return error.kind != MISSING
        return True

    def _seen(self) -> Iterator[str]:
        return (name for name in self.names() if not any(map(is_hidden, name.split("/"))))

    def _aliases(self) -> Iterator[str]:
        """Names of the images behind that of the archive that they are in."""
        if isinstance(self._archive, ArchiveFolder):
            yield from self._archive.full_names()
        elif self._own:
            yield from (f"{own}/{name}" for name in self._seen() for own in self._own)

    def names(self) -> Iterator[str]:
        if self._archive is not None:
            yield from self._archive.names()
            return
        for folder, folders, files in os.walk(self.path):
            folders.sort()
            for file in sorted(files):
                yield (Path(folder) / file).relative_to(self.path).as_posix()

    def read(self, path: str) -> bytes:
        for name in self._candidates(path):
            data = self._read(name)
            if data is not None:
                return data
        raise ImageError(
            f"{self.path}: holds no image {path!r}: check that images and list belong together",
            MISSING,
        )

    def file_of(self, path: str) -> Path | None:
        return None if self._archive is not None else self.path / self.name_of(path)

    def name_of(self, path: str) -> str:
        for name in self._candidates(path):
            if self._archive is not None:
                found = self._archive.find(name)
            else:
                found = name if (self.path / name).is_file() else None
            if found is not None:
                return found
        raise ImageError(f"{self.path}: holds no image {path!r}", MISSING)

    def _read(self, name: str) -> bytes | None:
        if self._archive is not None:
            return self._archive.read(name, MOST_BYTES)
        return self._read_file(name)

    def _read_file(self, name: str) -> bytes | None:
        file = self.path / name
        if not file.is_relative_to(self.path):
            return None
        try:
            about = file.stat()
            if stat.S_ISDIR(about.st_mode):
                return None
            _check_file(file, about)
            with file.open("rb") as opened:
                return opened.read(about.st_size)
        # What the file system's encoding cannot write is no name of a file.
        except UnicodeEncodeError:
            return None
        except OSError as error:
            if error.errno in _NO_PATH:
                return None
            message = f"{file}: cannot be read: {error.strerror or error}"
            raise ImageError(message, DAMAGED) from error

    def _candidates(self, path: str) -> Iterator[str]:
        parts = parts_of(path)
        yield from self._spelled(parts, self._below_prefix)
        for beginning in self._beginnings:
            if ending := beginning.ending(parts):
                if beginning.is_shared(ending):
                    raise ImageError(
                        f"{self.path}: several images end in {'/'.join(ending)}, as {path!r} does",
                        UNSUPPORTED,
                    )
                yield from self._spelled((*beginning.added, *ending), self._as_it_is)

    def _spelled(self, parts: Parts, names: Callable[[Parts], Iterator[str]]) -> Iterator[str]:
        """What parts of a path may be called in this place; nothing that leads out of it."""
        # Two slashes are a root of their own.
        if not parts or ".." in parts or parts[0].startswith("/") or "\0" in "".join(parts):
            return
        yield from names(parts)
        if self._archive is not None and not is_image_name(parts[-1]):
            for name in names(parts):
                yield from self._with_ending(self._archive, name)

    def _as_it_is(self, parts: Parts) -> Iterator[str]:
        yield from self._spellings("/".join(parts))

    def _below_prefix(self, parts: Parts) -> Iterator[str]:
        # What is of one shard is not looked for in others, which may have a key of the same number.
        is_of_other = _shard(parts[0]) in self._shards and parts[0] not in self._own
        for depth in range(len(self._prefix) + 1):
            for tail in (parts, () if is_of_other else parts[1:]):
                if tail:
                    for spelled in self._spellings("/".join(tail)):
                        yield "/".join((*self._prefix[:depth], spelled))

    def _with_ending(self, archive: MemberIndex | ArchiveFolder, key: str) -> Iterator[str]:
        """The image of a sample of a WebDataset, which lists may name by its key alone."""
        named = [key + ending for ending in IMAGE_ENDINGS if archive.find(key + ending)]
        if len(named) > 1:
            raise ImageError(
                f"{self.path}: {key!r} has several images, {', '.join(named)}: list one of them",
                UNSUPPORTED,
            )
        yield from named

    def _spellings(self, tail: str) -> Iterator[str]:
        """How a path that is not ASCII may be written in this place."""
        yield tail
        if tail.isascii():
            return
        if self._archive is not None:
            yield from other_spellings(tail)
            return
        # File systems of other systems than macOS tell these names apart.
        forms = (unicodedata.normalize(form, tail) for form in ("NFC", "NFD"))
        yield from (form for form in forms if form != tail)


def _shard(name: str) -> str:
    """What names of shards of one set have in common."""
    return _DIGITS.sub("0", name)


def _scan(file: Path) -> MemberIndex:
    """The index of a zip or tar file."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror or error}") from error
    if file.suffix.lower() == ".tar" or is_tar(head):
        return TarIndex.scan(file)
    # Compressed files, pointers and pages; a zip file may begin with anything else.
    if not head.startswith(b"PK") and (words := no_text(file)):
        raise SourceError(f"{file}: {words}")
    return ZipIndex.scan(file)


def _check_file(file: Path, about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        message = f"{file}: is no regular file: put the image itself there"
        raise ImageError(message, MISSING)
    if about.st_size > MOST_BYTES:
        raise ImageError(
            f"{file}: has {about.st_size:,} bytes, more than {MOST_BYTES:,}: save it smaller",
            TOO_LARGE,
        )


def _single_folders(top: Path) -> tuple[str, ...]:
    """Follow folders that hold one folder and no image, down from `top`."""
    names: list[str] = []
    try:
        while (name := _only_folder(top)) is not None:
            top /= name
            names.append(name)
    except OSError as error:
        raise SourceError(f"{top}: cannot be read: {error.strerror or error}") from error
    return tuple(names)


def _only_folder(top: Path) -> str | None:
    name = None
    with os.scandir(top) as items:
        for item in items:
            if is_hidden(item.name):
                continue
            is_folder = _is_folder(item)
            if is_image_name(item.name) or (is_folder and name is not None):
                return None
            name = item.name if is_folder else name
    return name


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    # A link that leads to itself, or to where nobody may look.
    except OSError:
        return False


class ArchiveMarks:
    """The state of the archives among places of images: the index of one that is replaced would
    find damaged images, others, or none.

    Raises
    ------
    SourceError
        If one cannot be read.
    """

    def __init__(self, images: Images) -> None:
        files = [
            file
            for place in images.places
            for file in (image_archives(place) if place.is_dir() else [place])
        ]
        self._before = {file: fingerprint(file) for file in files if file.is_file()}

    def check(self) -> None:
        """Go on where all are what they were.

        Raises
        ------
        SourceError
            If one is another now, or gone.
        """
        for file, mark in self._before.items():
            if not file.is_file() or fingerprint(file) != mark:
                raise SourceError(f"{file}: changed while it was read: run the command again")
