"""Rows that stand in several files, one after another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, by_number
from streamclust.sources.other_formats import other_folder
from streamclust.sources.readers import open_file
from streamclust.sources.row_files import open_row_files


@dataclass(eq=False)
class Shards(ArraySource):
    """Sources of one width and type, whose rows follow one another."""

    path: Path
    parts: list[ArraySource]

    def __post_init__(self) -> None:
        first = self.parts[0]
        for part in self.parts:
            own, like = [(one.shape[1], one.dtype) for one in (part, first)]
            if own != like:
                raise SourceError(
                    f"{part.path}: has rows of {own[0]} {own[1]}, and {first.path.name} of "
                    f"{like[0]} {like[1]}: shards of one set have rows of one kind"
                )
            if part.has_paths != first.has_paths:
                without = first if part.has_paths else part
                raise SourceError(f"{without.path}: has no paths, and other shards have: add them")
        self.ends = np.cumsum([0, *map(len, self.parts)]).tolist()
        self.shape = self.ends[-1], first.shape[1]
        self.dtype = first.dtype
        self.order: Literal["C", "F"] = "F" if any(p.order == "F" for p in self.parts) else "C"
        self.has_paths = first.has_paths
        self.is_sequential = any(part.is_sequential for part in self.parts)
        self.working_bytes = max(part.working_bytes for part in self.parts)

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        block = np.empty((stop - start, self.shape[1]), self.dtype)
        number = int(np.searchsorted(self.ends, start, side="right")) - 1
        while start < stop:
            first, end = self.ends[number], min(self.ends[number + 1], stop)
            rows = self.parts[number].read(start - first, end - first)
            block[len(block) - stop + start : len(block) - stop + end] = rows
            start, number = end, number + 1
        return block

    def iter_paths(self) -> Iterator[str]:
        """The paths of all rows in their order."""
        for part in self.parts:
            yield from part.iter_paths()


def open_shards(path: Path, files: Sequence[Path]) -> ArraySource:
    """Open files whose rows follow one another.

    Raises
    ------
    SourceError
        When one cannot be read, or has rows of another width or type.
    """
    parts = [open_file(file) for file in files]
    if len(parts) == 1:
        return parts[0]
    source = Shards(path, parts)
    source.note = _note_of_gap(path, [file.stem for file in files]) or parts[0].note
    return source


def _note_of_gap(path: Path, names: Sequence[str]) -> str:
    """What is said of a number that is missing among those which the names end with."""
    found = [re.fullmatch(r"(.*?)(\d{1,9})\D*", name) for name in names]
    if None in found or len({one[1] for one in found if one}) > 1:
        return ""
    numbers = [int(one[2]) for one in found if one]
    if numbers[0] > 1 or numbers[-1] > 2 * len(numbers):
        return ""
    missing = next((n for n in range(numbers[0], numbers[-1]) if n not in numbers), None)
    if missing is None:
        return ""
    return f"{path}: number {missing} is missing among its {len(names)} files: check them"


def open_folder(path: Path) -> ArraySource:
    """Open a folder of shards, or of files that hold a row each.

    Raises
    ------
    SourceError
        When there are none, or they do not fit together.
    """
    if words := other_folder(path):
        raise SourceError(f"{path}: {words}")
    files = [item for item in path.rglob("*") if item.is_file() and not is_hidden(path, item)]
    if not files:
        raise SourceError(f"{path}: is a folder without files: shards, or .npy files of a row each")
    files = by_number(files)
    return open_row_files(path, files) or open_shards(path, files)


def is_hidden(top: Path, file: Path) -> bool:
    """Whether a file, or a folder below `top` that it is in, is not meant to be seen."""
    return any(part.startswith(".") for part in file.relative_to(top).parts)
