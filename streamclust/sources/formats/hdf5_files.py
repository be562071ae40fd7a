"""Arrays in HDF5, and in MATLAB's files of version 7.3, which are HDF5 behind a header."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
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
from streamclust.sources.formats.bands import BandedSource
from streamclust.sources.members import Member, chosen_member, paths_among

ENDINGS = (".h5", ".hdf5", ".hdf", ".he5", ".mat")
_MAGIC = b"\x89HDF\r\n\x1a\n"
_MATLAB = b"MATLAB 7.3 MAT-file"
# Files of hostile depth are not followed.
_MOST_MEMBERS = 10_000
_TEXTS_AT_ONCE = 65_536
# Of unpacked chunks: none is asked for twice.
_CACHE_BYTES = 2**20
_MOST_CHUNK = 256 * 2**20


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins as HDF5 does, or as MATLAB's files that hold it."""
    return head.startswith((_MAGIC, _MATLAB))


@dataclass(eq=False)
class DatasetRows(BandedSource):
    """Rows of a data set that is packed in chunks, or is not as in memory.

    Attributes
    ----------
    file : Path
    name : str
        Of the data set.
    paths : str or None
        That of the data set that holds the paths.
    is_transposed : bool
        Whether rows stand in columns, as MATLAB writes them.
    chunk : (int, int)
        Rows and bytes of a chunk.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    file: Path
    name: str
    paths: str | None
    is_transposed: bool
    chunk: tuple[int, int]
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        self.has_paths = self.paths is not None
        self.set_chunks(*self.chunk)

    def read_band(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        lines, width = stop - start, self.shape[1]
        band = np.empty((width, lines) if self.is_transposed else (lines, width), self.dtype)
        if not lines:
            return band.reshape(0, width)
        rows = slice(start, stop)
        with _opened(self.file) as content, _told(self.file, self.name):
            data = content[self.name]
            _check_filters(self.file, data)
            data.read_direct(band, (slice(None), rows) if self.is_transposed else rows)
        return np.ascontiguousarray(band.T) if self.is_transposed else band

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
            members = _of_matlab(content, members)
        name = chosen_member(path, members, member)
        data = content[name]
        shape = check_layout(path, members[name].shape, data.dtype)
        paths = paths_among(members, shape[0])
        if _is_as_in_memory(data) and paths is None:
            size = shape[0] * shape[1] * data.dtype.itemsize
            payload = RawBytes(data.id.get_offset(), size)
            return stored_array(path, shape, data.dtype, "F" if is_matlab else "C", payload)
        chunk = _chunk(path, data, is_matlab)
        dtype = stored_as(data.dtype)
        rows = DatasetRows(path, shape, dtype, path, name, paths, is_matlab, chunk)
        rows.note = _note_of_missing(path, data)
        return rows


def _note_of_missing(path: Path, data: Any) -> str:
    """What is said of values that were never written."""
    if data.chunks is None:
        n_chunks, n_there = 1, int(data.id.get_storage_size() > 0)
    else:
        sides = zip(data.shape, data.chunks, strict=True)
        n_chunks = math.prod(-(-side // chunk) for side, chunk in sides)
        n_there = data.id.get_num_chunks()
    if n_there >= n_chunks:
        return ""
    return (
        f"{path.name}: {n_chunks - n_there} of {n_chunks} chunks of '{data.name}' were never "
        f"written: their values are {data.fillvalue}, as HDF5 has it"
    )


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


def _of_matlab(content: Any, members: dict[str, Member]) -> dict[str, Member]:
    """Data sets as MATLAB shows them: it holds columns in rows, and numbers and words in tables."""
    import h5py

    no_tables = (b"char", b"cell", b"logical")
    kinds = {name: h5py.AttributeManager(content[name]).get("MATLAB_class") for name in members}
    return {
        name: one._replace(shape=one.shape[::-1])
        for name, one in members.items()
        if math.prod(one.shape) > 1 and kinds[name] not in no_tables
    }


def _is_as_in_memory(data: Any) -> bool:
    """Whether the bytes of a data set are those of its array: floats and integers may be of any
    number of bits, which numpy has none of."""
    import h5py

    is_plain = data.chunks is None and not data.external and data.id.get_offset() is not None
    return is_plain and data.id.get_type() == h5py.h5t.py_create(data.dtype)


def _chunk(path: Path, data: Any, is_transposed: bool) -> tuple[int, int]:
    """Rows and bytes of a chunk; refuse what takes too much memory, or is looked for elsewhere."""
    if data.is_virtual or data.external:
        raise SourceError(
            f"{path}: '{data.name}' stands in other files: copy it into one with h5repack"
        )
    if data.chunks is None:
        return 1, 0
    _check_filters(path, data)
    n_bytes = math.prod(data.chunks) * data.dtype.itemsize
    if n_bytes > _MOST_CHUNK:
        raise SourceError(
            f"{path}: '{data.name}' is packed in chunks of {data.chunks}: pack it in smaller ones "
            "with h5repack -l CHUNK=1024x512"
        )
    return data.chunks[-1 if is_transposed else 0], n_bytes


def _check_filters(path: Path, data: Any) -> None:
    """Refuse what is packed in a way that is not known here."""
    import h5py

    packed = data.id.get_create_plist()
    for number in range(packed.get_nfilters()):
        code, _, _, name = packed.get_filter(number)
        if not h5py.h5z.filter_avail(code) and find_spec("hdf5plugin"):
            import_module("hdf5plugin")  # which makes its filters known
        if not h5py.h5z.filter_avail(code):
            told = ascii(name.decode(errors="replace"))[1:-1][:40]
            raise SourceError(
                f"{path}: '{data.name}' is packed by filter {code} ({told}), which is not "
                "installed: pip install hdf5plugin, or pack it again with h5repack -f GZIP=1"
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
