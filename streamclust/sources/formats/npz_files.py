"""Arrays in ``.npz`` archives, packed or as they are: members of a zip file in numpy's format."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import (
    ArraySource,
    RawBytes,
    WrappedSource,
    check_layout,
    stored_array,
    stored_as,
)
from streamclust.sources.formats.npy_files import HEADER_LIMIT, read_header
from streamclust.sources.formats.unpacking import BZIP2_MOST, DEFLATE_MOST, LZMA_MOST
from streamclust.sources.formats.zip_members import is_zip_of, place_in_zip, zip_members
from streamclust.sources.members import Member, chosen_member, paths_among
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".npz",)
_ENDING = ".npy"
_MOST_MEMBERS = 10_000
_PIECE_BYTES = 2**20
_TEXT_KINDS = "US"
# By the method of a member: bytes that one packed byte can hold.
_MOST_A_BYTE = {
    zipfile.ZIP_DEFLATED: DEFLATE_MOST,
    zipfile.ZIP_BZIP2: BZIP2_MOST,
    zipfile.ZIP_LZMA: LZMA_MOST,
}


def is_one(path: Path, head: bytes) -> bool:
    """Whether it is a zip file that begins with an array."""
    return is_zip_of(head, _ENDING)


@dataclass(eq=False)
class PackedMember(SequentialSource):
    """Rows of an array that is packed.

    Attributes
    ----------
    file : Path
    name : str
        Of the member.
    first : int
        Where its values begin, unpacked.
    paths : str or None
        The member that holds the paths.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    stored: np.dtype
    file: Path
    name: str
    first: int
    paths: str | None
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        self.has_paths = self.paths is not None

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """All rows, and at last whether anything follows."""
        width = self.shape[1] * self.stored.itemsize
        n_rows = max(1, _PIECE_BYTES // width)
        with _member(self.file, self.name) as content:
            content.read(self.first)
            for start in range(0, len(self), n_rows):
                count = min(n_rows, len(self) - start)
                data = _read(self.file, self.name, content, count * width)
                values = np.frombuffer(data, self.stored).reshape(count, -1)
                yield start, values.astype(self.dtype)
            # Also makes zipfile compare the checksum.
            if content.read(1):
                raise SourceError(f"{self.path}: '{self.name}' goes on behind its array")

    def iter_paths(self) -> Iterator[str]:
        """The texts of the member of paths."""
        assert self.paths is not None
        return _texts(self.file, self.paths)


class PathsBeside(WrappedSource):
    """Rows that stand as they are, with paths in another member.

    Parameters
    ----------
    source : ArraySource
    file : Path
    paths : str
        The member.
    """

    def __init__(self, source: ArraySource, file: Path, paths: str) -> None:
        super().__init__(source)
        self.file, self.paths, self.has_paths = file, paths, True

    def iter_paths(self) -> Iterator[str]:
        """The texts of the member of paths."""
        return _texts(self.file, self.paths)


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open the array of an archive that is a table, or the one that is named.

    Raises
    ------
    SourceError
        When there is none or several, it is no table of numbers, or packed in Fortran order.
    """
    with zip_members(path) as content:
        infos = {
            info.filename.removesuffix(_ENDING): info
            for info in content.infolist()[:_MOST_MEMBERS]
            if info.filename.endswith(_ENDING)
        }
        headers = {name: _header(path, content, info) for name, info in infos.items()}
    members = {name: _told(shape, dtype) for name, (shape, _, dtype, _) in headers.items()}
    name = chosen_member(path, members, member)
    shape, order, dtype, first = headers[name]
    table = check_layout(path, shape, dtype)
    paths = paths_among(members, table[0])
    listed = None if paths is None else infos[paths].filename
    info, size = infos[name], table[0] * table[1] * dtype.itemsize
    most = info.compress_size * _MOST_A_BYTE.get(info.compress_type, 1)
    if info.file_size - first != size or info.file_size > most:
        raise SourceError(
            f"{path}: '{name}' does not hold the {size} bytes of its rows: copy or save it again"
        )
    if info.compress_type == zipfile.ZIP_STORED:
        payload = RawBytes(place_in_zip(path, info) + first, size)
        source: ArraySource = stored_array(path, shape, dtype, order, payload)
        return source if listed is None else PathsBeside(source, path, listed)
    if order == "F" and table[1] > 1:
        raise SourceError(
            f"{path}: '{name}' is packed column after column: pack np.ascontiguousarray of it"
        )
    return PackedMember(path, table, stored_as(dtype), dtype, path, info.filename, first, listed)


_Header = tuple[tuple[int, ...], Literal["C", "F"], np.dtype, int]


def _header(path: Path, content: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Header:
    with content.open(info) as file:
        return read_header(path, file.read(HEADER_LIMIT))


def _told(shape: tuple[int, ...], dtype: np.dtype) -> Member:
    return Member(shape, None if dtype.kind in _TEXT_KINDS else dtype)


@contextmanager
def _member(path: Path, name: str) -> Iterator[IO[bytes]]:
    with zip_members(path) as content, content.open(name) as file:
        yield file


def _read(path: Path, name: str, file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise SourceError(f"{path}: '{name}' ends before its array does: copy it again")
    return data


def _texts(path: Path, name: str) -> Iterator[str]:
    with _member(path, name) as file:
        head = file.read(HEADER_LIMIT)
        (n_rows,), _, dtype, first = read_header(path, head)
    with _member(path, name) as file:
        file.read(first)
        n_texts = max(1, _PIECE_BYTES // max(1, dtype.itemsize))
        for start in range(0, n_rows, n_texts):
            count = min(n_texts, n_rows - start)
            texts = np.frombuffer(_read(path, name, file, count * dtype.itemsize), dtype)
            for text in texts.tolist():
                yield text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
