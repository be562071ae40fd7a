"""Zarr arrays of format 2 and 3: a folder, or an array in a group."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, check_layout, stored_as
from streamclust.sources.formats.bands import BandedSource
from streamclust.sources.members import Member, chosen_member, paths_among

ENDINGS = (".zarr",)
_METADATA = ("zarr.json", ".zarray", ".zgroup")
_MOST_CHUNK = 256 * 2**20
_MOST_MEMBERS = 10_000
_MOST_DEPTH = 8
# Its last four bytes are the size of the chunk.
_BLOSC_HEAD = 16
# Of chunks that are unpacked at the same time.
_MOST_TOGETHER = 32 * 2**20
_TEXTS_AT_ONCE = 65_536
# They unpickle, which runs code.
_REFUSED_CODECS = ("pickle", "numcodecs.pickle")


def is_one(path: Path, head: bytes) -> bool:
    """Whether it is a folder with the metadata of an array or a group."""
    return not head and any((path / name).is_file() for name in _METADATA)


@dataclass(eq=False)
class ZarrRows(BandedSource):
    """Rows of an array.

    Attributes
    ----------
    top : Path
        The outermost folder, of the array or its group.
    name : str
        Of the array in the group; empty where there is none.
    paths : str or None
        That of the array of paths.
    chunk : (int, int)
        Rows and columns of what is unpacked together.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    top: Path
    name: str
    paths: str | None
    chunk: tuple[int, int]
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        self.has_paths = self.paths is not None
        self.set_chunks(self.chunk[0], max(self._chunk_bytes, _MOST_TOGETHER))

    @property
    def _chunk_bytes(self) -> int:
        return math.prod(self.chunk) * self.dtype.itemsize

    def read_band(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`, of some chunks beside each other at a time."""
        columns = self.shape[1]
        band = np.empty((stop - start, columns), self.dtype)
        # Zarr unpacks all chunks of what it is asked for, and holds them.
        lines = -(-(stop - start) // self.chunk[0]) + 1
        step = self.chunk[1] * max(1, _MOST_TOGETHER // (self._chunk_bytes * lines))
        with _told(self.top):
            array = _node(self.top, self.name)
            _check_whole(self.top / self.name, array, start, stop)
            for first in range(0, columns, step):
                part = slice(first, first + step)
                band[:, part] = array[start:stop, part]
        return band

    def iter_paths(self) -> Iterator[str]:
        """The texts of the array of paths."""
        with _told(self.top):
            array = _node(self.top, self.paths or "")
            _check_whole(self.top / (self.paths or ""), array, 0, array.shape[0])
            for start in range(0, array.shape[0], _TEXTS_AT_ONCE):
                yield from map(str, array[start : start + _TEXTS_AT_ONCE])


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open an array, or the one of a group that holds rows or is named.

    Raises
    ------
    SourceError
        When there is none or several, or it cannot be read.
    """
    import zarr

    with _told(path):
        node = _node(path, "")
        if isinstance(node, zarr.Array):
            members, name = {"": _member(node)}, ""
        else:
            arrays = _arrays(path)
            members = {name: _member(one) for name, one in arrays.items()}
            name = chosen_member(path, members, member)
            node = arrays[name]
        dtype = np.dtype(node.dtype)
        shape = check_layout(path, node.shape, dtype)
        paths = paths_among(members, shape[0])
        _check_codecs(path / name, node)
        if paths is not None:
            _check_codecs(path / paths, arrays[paths])
        chunk = node.chunks if node.shards is None else node.shards
        if math.prod(chunk) * dtype.itemsize > _MOST_CHUNK:
            raise SourceError(
                f"{path}: its chunks {chunk} take {math.prod(chunk) * dtype.itemsize >> 20} MiB "
                "each: write it again in chunks of some thousand rows"
            )
        rows = ZarrRows(path, shape, stored_as(dtype), path, name, paths, chunk)
        missing = node.nchunks - node.nchunks_initialized
        if missing and node.shards is None:
            rows.note = (
                f"{path.name}: {missing} of {node.nchunks} chunks are not there: their values are "
                f"{node.fill_value}, as Zarr has it"
            )
        return rows


def _arrays(top: Path) -> dict[str, Any]:
    """The arrays of a group, by their names.

    Zarr's own list of them warns of each file that is something else, and logs what is damaged.
    """
    import zarr

    found, groups = {}, [top]
    # Also where a folder is linked into itself.
    for group in islice(groups, _MOST_MEMBERS):
        for folder in sorted(item for item in group.iterdir() if is_one(item, b"")):
            name = folder.relative_to(top).as_posix()
            node = _node(top, name)
            if isinstance(node, zarr.Array):
                found[name] = node
            elif name.count("/") < _MOST_DEPTH:
                groups.append(folder)
    return found


def _member(array: Any) -> Member:
    dtype = np.dtype(array.dtype) if isinstance(array.dtype, np.dtype) else None
    is_text = dtype is None or dtype.kind in "TUSO"
    return Member(array.shape, None if is_text else dtype)


def _check_codecs(path: Path, array: Any) -> None:
    """Refuse an array whose values are unpickled."""
    for codec in (*array.filters, *array.compressors):
        told = codec.to_dict() if hasattr(codec, "to_dict") else codec.get_config()
        if (name := told.get("name", told.get("id"))) in _REFUSED_CODECS:
            raise SourceError(
                f"{path}: refused: it is packed by {name}, which runs code: save it as an array "
                "of numbers or texts"
            )


def _check_whole(folder: Path, array: Any, start: int, stop: int) -> None:
    """Refuse chunks that were cut short: Blosc reads on behind them, which ends the process."""
    if array.shards is not None or "blosc" not in repr(array.compressors[-1:]).lower():
        return
    lines, *others = array.chunks
    rows = range(start // lines, -(-stop // lines))
    beside = (range(-(-n // m)) for n, m in zip(array.shape[1:], others, strict=True))
    for place in product(rows, *beside):
        file = folder / array.metadata.encode_chunk_key(place)
        if not file.is_file():
            continue  # all of it is the fill value
        with open(file, "rb") as content:
            head = content.read(_BLOSC_HEAD)
            size = os.fstat(content.fileno()).st_size
        if len(head) < _BLOSC_HEAD or int.from_bytes(head[-4:], "little") != size:
            raise SourceError(
                f"{file}: a chunk of {size} bytes that tells of others: copy it again"
            )


def _node(top: Path, name: str) -> Any:
    import zarr

    with _told(top / name):
        return zarr.open(top / name, mode="r")


@contextmanager
def _told(top: Path) -> Iterator[None]:
    """Tell of what codecs, JSON and metadata raise, which is of many kinds."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{top}: cannot be read as Zarr ({reason}): save it again") from error
