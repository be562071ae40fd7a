"""The images of one place by path: a folder of images, an archive, or a folder of archives."""

from __future__ import annotations

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from streamclust.errors import (
    DAMAGED,
    MISSING,
    TOO_LARGE,
    UNSUPPORTED,
    ImageError,
    SourceError,
)
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
from streamclust.sources import image_archives, no_text

# Of an image file, unpacked: a bound for what a hostile file can make a task hold.
MOST_BYTES = 32 * 2**20

# Bytes that tell what kind of archive a file is.
_HEAD = 512

_DIGITS = re.compile(r"\d+")

# What stat says of paths that cannot be those of a file.
_NO_PATH = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


class ImagePlace:
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
        named = {_shard(part) for path in paths for part in parts_of(path)} & self._shards
        aliases = self._aliases if named else tuple
        found = find_beginning(self._seen, aliases, self._holds, paths)
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

    def _holds(self, parts: Parts) -> bool:
        """Whether an image is called so, or several are."""
        try:
            return any(self._name(name) for name in self._spelled(parts, self._as_it_is))
        except ImageError:
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
            if (found := self._name(name)) is not None:
                return found
        raise ImageError(f"{self.path}: holds no image {path!r}", MISSING)

    def _name(self, name: str) -> str | None:
        if self._archive is not None:
            return self._archive.find(name)
        return name if (self.path / name).is_file() else None

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
