"""Zarr arrays of format 2 and 3: a folder, or an array in a group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, check_layout, stored_as
from streamclust.sources.members import Member, chosen_member, paths_among

ENDINGS = (".zarr",)
_METADATA = ("zarr.json", ".zarray", ".zgroup")
_MOST_CHUNK = 256 * 2**20
_TEXTS_AT_ONCE = 65_536


def is_one(path: Path, head: bytes) -> bool:
    """Whether it is a folder with the metadata of an array or a group."""
    return not head and any((path / name).is_file() for name in _METADATA)


@dataclass(eq=False)
class ZarrRows(ArraySource):
    """Rows of an array.

    Attributes
    ----------
    top : Path
        The outermost folder, of the array or its group.
    name : str
        Of the array in the group; empty where there is none.
    paths : str or None
        That of the array of paths.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    top: Path
    name: str
    paths: str | None
    working_bytes: int
    order: Literal["C", "F"] = "C"

    def __post_init__(self) -> None:
        self.has_paths = self.paths is not None

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        values = _read(self.top, _node(self.top, self.name), slice(start, stop))
        return np.ascontiguousarray(values, self.dtype)

    def iter_paths(self) -> Iterator[str]:
        """The texts of the array of paths."""
        array = _node(self.top, self.paths or "")
        for start in range(0, array.shape[0], _TEXTS_AT_ONCE):
            yield from map(str, _read(self.top, array, slice(start, start + _TEXTS_AT_ONCE)))


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open an array, or the one of a group that holds rows or is named.

    Raises
    ------
    SourceError
        When there is none or several, or it cannot be read.
    """
    import zarr

    node = _node(path, "")
    if isinstance(node, zarr.Array):
        members, name = {"": _member(node)}, ""
    else:
        arrays = {name: one for name, one in node.members(None) if isinstance(one, zarr.Array)}
        members = {name: _member(one) for name, one in arrays.items()}
        name = chosen_member(path, members, member)
        node = arrays[name]
    shape = check_layout(path, node.shape, np.dtype(node.dtype))
    chunk = int(np.prod(getattr(node, "shards", None) or node.chunks)) * node.dtype.itemsize
    if chunk > _MOST_CHUNK:
        raise SourceError(
            f"{path}: its chunks {node.chunks} take {chunk >> 20} MiB each: write it again in "
            "chunks of some thousand rows"
        )
    dtype = stored_as(np.dtype(node.dtype))
    return ZarrRows(path, shape, dtype, path, name, paths_among(members, shape[0]), 2 * chunk)


def _member(array: Any) -> Member:
    dtype = np.dtype(array.dtype) if isinstance(array.dtype, np.dtype) else None
    is_text = dtype is None or dtype.kind in "TUSO"
    return Member(array.shape, None if is_text else dtype)


def _node(top: Path, name: str) -> Any:
    import zarr

    try:
        node = zarr.open(top, mode="r")
        return node[name] if name else node
    except Exception as error:  # of codecs, JSON and metadata, of many kinds
        raise _unreadable(top, error) from error


def _read(top: Path, array: Any, rows: slice) -> Any:
    try:
        return array[rows]
    except Exception as error:
        raise _unreadable(top, error) from error


def _unreadable(top: Path, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())[:200]
    return SourceError(f"{top}: cannot be read as Zarr ({reason}): save it again")
