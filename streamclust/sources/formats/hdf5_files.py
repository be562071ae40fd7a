"""Arrays in HDF5, and in MATLAB's files of version 7.3, which are HDF5 behind a header."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import (
    ArraySource,
    RawBytes,
    check_layout,
    stored_array,
    stored_as,
)
from streamclust.sources.members import Member, chosen_member, paths_among

ENDINGS = (".h5", ".hdf5", ".hdf", ".he5", ".mat")
_MAGIC = b"\x89HDF\r\n\x1a\n"
_MATLAB = b"MATLAB 7.3 MAT-file"
# Files of hostile depth are not followed.
_MOST_MEMBERS = 10_000
_TEXTS_AT_ONCE = 65_536
# Of unpacked chunks, that a read may find again.
_CACHE_BYTES = 32 * 2**20


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins as HDF5 does, or as MATLAB's files that hold it."""
    return head.startswith((_MAGIC, _MATLAB))


@dataclass(eq=False)
class DatasetRows(ArraySource):
    """Rows of a data set that is packed in chunks.

    Attributes
    ----------
    file : Path
    name : str
        Of the data set.
    paths : str or None
        That of the data set that holds the paths.
    is_transposed : bool
        Whether rows stand in columns, as MATLAB writes them.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    file: Path
    name: str
    paths: str | None
    is_transposed: bool
    order: Literal["C", "F"] = "C"
    working_bytes: int = 2 * _CACHE_BYTES

    def __post_init__(self) -> None:
        self.has_paths = self.paths is not None

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        with _opened(self.file) as content, _told(self.file, self.name):
            data = content[self.name]
            rows = data[:, start:stop].T if self.is_transposed else data[start:stop]
            return np.ascontiguousarray(rows, self.dtype)

    def iter_paths(self) -> Iterator[str]:
        """The texts of the data set of paths."""
        assert self.paths is not None
        yield from iter_texts(self.file, self.paths)


def iter_texts(file: Path, name: str) -> Iterator[str]:
    """The texts of a data set, in UTF-8."""
    with _opened(file) as content, _told(file, name):
        data = content[name]
        for start in range(0, data.shape[0], _TEXTS_AT_ONCE):
            for text in data[start : start + _TEXTS_AT_ONCE]:
                yield text.decode() if isinstance(text, bytes) else str(text)


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open the data set of a file that holds rows, or the one that is named.

    Raises
    ------
    SourceError
        When there is none or several, or it cannot be read.
    """
    with open(path, "rb") as file:
        is_matlab = file.read(len(_MATLAB)) == _MATLAB
    with _opened(path) as content, _told(path, member or "/"):
        members = _members(content)
        if is_matlab:
            members = {n: m._replace(shape=m.shape[::-1]) for n, m in members.items()}
        name = chosen_member(path, members, member)
        data = content[name]
        shape = check_layout(path, members[name].shape, data.dtype)
        paths = paths_among(members, shape[0])
        offset = data.id.get_offset()
        if offset is not None and data.chunks is None and not data.external and paths is None:
            size = shape[0] * shape[1] * data.dtype.itemsize
            payload = RawBytes(offset, size)
            return stored_array(path, shape, data.dtype, "F" if is_matlab else "C", payload)
        _check_chunks(path, data)
        return DatasetRows(path, shape, stored_as(data.dtype), path, name, paths, is_matlab)


def _members(content: Any) -> dict[str, Member]:
    """All data sets, by their names; of links, soft ones and those to other files are left."""
    import h5py

    found: dict[str, Member] = {}

    def note(name: str, one: Any) -> str | None:
        if len(found) >= _MOST_MEMBERS:
            return name  # which ends it
        # Groups of MATLAB's own.
        if isinstance(one, h5py.Dataset) and not name.startswith("#") and one.shape is not None:
            is_text = h5py.check_string_dtype(one.dtype) is not None
            found[name] = Member(one.shape, None if is_text else one.dtype)
        return None

    content.visititems(note)
    return found


def _check_chunks(path: Path, data: Any) -> None:
    """Refuse what would take too much memory, or be looked for elsewhere."""
    if data.is_virtual or data.external:
        raise SourceError(
            f"{path}: '{data.name}' stands in other files: copy it into one with h5repack"
        )
    if data.chunks and np.prod(data.chunks) * data.dtype.itemsize > 8 * _CACHE_BYTES:
        raise SourceError(
            f"{path}: '{data.name}' is packed in chunks of {data.chunks}: pack it in smaller ones "
            "with h5repack -l CHUNK=1024x512"
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        raise SourceError(f"{path}: is an HDF5 file: pip install 'streamclust[hdf5]'") from None
    with _told(path, "/"):
        file = h5py.File(path, "r", rdcc_nbytes=_CACHE_BYTES, locking=False)
    with file:
        yield file


@contextmanager
def _told(path: Path, name: str) -> Iterator[None]:
    """Tell of what h5py raises, which is of many kinds."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{path}: '{name}' cannot be read ({reason}): save it again") from error
