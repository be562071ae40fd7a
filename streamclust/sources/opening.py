"""Descriptors, opened by what is named: a file, an array in it, a folder or a pattern of files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import cast

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, FileState, files_of, is_pattern, place_of
from streamclust.sources.readers import TEXT_FORMATS, format_of, open_file, reader_of
from streamclust.sources.shards import open_folder, open_shards


def open_source(path: str | Path) -> ArraySource:
    """Open descriptors, reading little more than a header.

    Parameters
    ----------
    path : path
        A file or folder of one of the formats; ``FILE/NAME`` for an array in a file that holds
        several; a pattern such as ``part-*.npy`` for files whose rows follow one another.

    Raises
    ------
    SourceError
        If it is missing, empty, of an unknown kind, damaged, or holds something else than a
        two-dimensional array of numbers.
    """
    # Absolute: a worker of a scheduler reads it from another working directory.
    path = Path(path).absolute()
    try:
        # Before the first byte of it is read: what becomes another one is not what was opened.
        if is_pattern(path):
            state = FileState.of(path)
            source = open_shards(path, files_of(path))
        else:
            place, member = place_of(path)
            place.stat()
            state = FileState.of(place)
            is_folder = place.is_dir() and format_of(place) is None
            source = open_folder(place) if is_folder else open_file(place, member)
    except FileNotFoundError:
        raise SourceError(f"{path}: does not exist: check the path") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    source.path, source.state = path, state
    return source


def holds_own_paths(path: Path) -> bool:
    """Whether what it names is of a format of descriptors, and no list of paths in text.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    place, member = place_of(path)
    if is_pattern(path) or member is not None or place.is_dir():
        return True
    name = format_of(place)
    return name is not None and name not in TEXT_FORMATS


def own_paths(path: Path) -> Iterator[str]:
    """The paths that rows of descriptors come with.

    Raises
    ------
    SourceError
        When they come without.
    """
    if is_pattern(path):
        return chain.from_iterable(map(own_paths, files_of(path)))
    place, member = place_of(path)
    name = None if place.is_dir() else format_of(place)
    if name is not None and (listed := getattr(reader_of(name), "iter_paths", None)):
        return cast(Iterator[str], listed(place, member))
    source = open_source(path)
    if not source.has_paths:
        raise SourceError(f"{path}: has rows without paths: name a list of them")
    return source.iter_paths()
