"""A folder of ``.npy`` files that hold a row each, and whose names are the paths of the rows."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, check_layout, stored_as
from streamclust.sources.formats.npy_files import HEADER_LIMIT, read_header
from streamclust.sources.other_formats import in_one_line

_ENDING = ".npy"


@dataclass(eq=False)
class RowFiles(ArraySource):
    """Arrays of one row.

    Attributes
    ----------
    stored : dtype
        Of all of them.
    header : bytes
        That of the first: others mostly begin alike.
    names : bytes
        The names of the files below `path`, without their ending, in UTF-8.
    places : ndarray of int64, shape (n_rows + 1,)
        Where each name begins among all.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    stored: np.dtype
    folder: Path
    header: bytes
    names: bytes
    places: np.ndarray
    order: Literal["C", "F"] = "C"
    has_paths: bool = True

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`, a file each."""
        block = np.empty((stop - start, self.shape[1]), self.stored)
        for row, values in enumerate(block, start):
            values[:] = self._row(self.folder / (self._name(row) + _ENDING))
        return block.astype(self.dtype, copy=False)

    def _row(self, file: Path) -> np.ndarray:
        n_bytes = self.shape[1] * self.stored.itemsize
        try:
            with open(file, "rb") as opened:
                content = opened.read(HEADER_LIMIT + n_bytes)
        except OSError as error:
            raise SourceError(f"{file}: cannot be read: {error.strerror or error}") from error
        if content.startswith(self.header) and len(content) == len(self.header) + n_bytes:
            return np.frombuffer(content, self.stored, offset=len(self.header))
        _, values = _parsed(file, content)
        if (values.shape, values.dtype) != (self.shape[1:], self.stored):
            raise SourceError(
                f"{file}: holds {len(values)} values of {values.dtype}, and the files before it "
                f"{self.shape[1]} of {self.stored}: rows of one set are of one kind"
            )
        return values

    def _name(self, row: int) -> str:
        start, stop = self.places[row : row + 2]
        return self.names[start:stop].decode("utf-8", "surrogateescape")

    def iter_paths(self) -> Iterator[str]:
        """The names of all files, without their endings."""
        return map(self._name, range(len(self)))


def open_row_files(path: Path, files: Sequence[Path]) -> RowFiles | None:
    """Open files of a row each; None where the first holds something else.

    Raises
    ------
    SourceError
        When another file is no ``.npy``, or the first is damaged.
    """
    if not all(map(holds_a_row, (files[0], files[-1]))):
        return None
    header, first = _parsed(files[0], files[0].read_bytes())
    others = [file for file in files if file.suffix != files[0].suffix]
    if others:
        raise SourceError(
            f"{path}: holds {in_one_line(others[0].name)} beside {_ENDING} files of a row each: "
            "leave these alone there"
        )
    names = [str(file.relative_to(path))[: -len(_ENDING)] for file in files]
    encoded = [name.encode("utf-8", "surrogateescape") for name in names]
    return RowFiles(
        path=path,
        shape=check_layout(path, (len(files), len(first)), first.dtype),
        dtype=stored_as(first.dtype),
        stored=first.dtype,
        folder=path,
        header=header,
        names=b"".join(encoded),
        places=np.cumsum([0, *map(len, encoded)]),
    )


def holds_a_row(file: Path) -> bool:
    """Whether a ``.npy`` file holds one row."""
    if file.suffix.lower() != _ENDING or not file.is_file():
        return False
    with open(file, "rb") as opened:
        start = opened.read(HEADER_LIMIT)
    try:
        shape, *_ = read_header(file, start)
    except SourceError:
        return False  # which its reader explains
    return len(shape) == 1 or (len(shape) == 2 and shape[0] == 1)


def _parsed(file: Path, content: bytes) -> tuple[bytes, np.ndarray]:
    """The header of a file of one row, and its values."""
    *_, length = read_header(file, content[:HEADER_LIMIT])
    try:
        row = np.load(io.BytesIO(content), allow_pickle=False).reshape(-1)
    except ValueError as error:
        raise SourceError(f"{file}: is damaged ({error}): save the row again") from error
    if len(content) != length + row.nbytes:
        raise SourceError(f"{file}: goes on behind its row: save the row again")
    return content[:length], row
