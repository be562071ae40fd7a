"""What a file of descriptors is, told by its content, and the reader that opens it.

A format is a module with three names, and a line in `streamclust.registries.FORMATS`: see
docs/sources.md.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol

from streamclust.errors import SourceError
from streamclust.registries import FORMATS
from streamclust.sources.base import ArraySource
from streamclust.sources.other_formats import other_format

HEAD_BYTES = 1024
# In which lists of paths and tables of what is known are written, too.
TEXT_FORMATS = ("csv",)


class Format(Protocol):
    """A module that reads a format. It imports heavy libraries where it needs them.

    Attributes
    ----------
    ENDINGS : tuple of str
        Of such files, or folders; what is told by nothing else is opened by its ending.
    """

    ENDINGS: tuple[str, ...]

    def is_one(self, path: Path, head: bytes) -> bool:
        """Whether a file is of the format, by its first bytes; a folder has none."""

    def open_array(self, path: Path, member: str | None) -> ArraySource:
        """Open a file, or the array `member` in it, reading little more than its header.

        A module may also have ``iter_paths(path, member)``, which gives the paths of rows without
        opening what else there is.
        """


def reader_of(name: str) -> Format:
    """The module of a format."""
    return import_module(FORMATS[name])


def known_endings(*, of_text: bool = True) -> tuple[str, ...]:
    """Endings of all formats, with or without those of texts."""
    names = [name for name in FORMATS if of_text or name not in TEXT_FORMATS]
    return tuple(ending for name in names for ending in reader_of(name).ENDINGS)


def format_of(path: Path) -> str | None:
    """The name of the format of a file or folder; None where it is none of them.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    head = b""
    if not path.is_dir():
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    for name in FORMATS:
        if reader_of(name).is_one(path, head):
            return name
    # A damaged one is opened as what it is called, which tells what is wrong with it.
    is_other = other_format(path) is not None
    by_ending = (name for name in FORMATS if path.name.lower().endswith(reader_of(name).ENDINGS))
    return None if path.is_dir() or is_other else next(by_ending, None)


def open_file(path: Path, member: str | None = None) -> ArraySource:
    """Open a file of a format, or the array `member` in it, reading little more than its header.

    Raises
    ------
    SourceError
        If it is empty, of an unknown kind, damaged, or holds something else than a
        two-dimensional array of numbers.
    OSError
        If it cannot be read.
    """
    if not path.is_dir() and path.stat().st_size == 0:
        raise SourceError(f"{path}: is empty: copy or save the file again")
    name = format_of(path)
    if name is None:
        words = other_format(path)
        ending = path.suffix or "a file with no ending"
        known = f"{ending} is not known: use .npy, .parquet, .pickle or others of docs/sources.md"
        raise SourceError(f"{path}: {words or known}")
    return reader_of(name).open_array(path, member)
