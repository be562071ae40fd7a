"""Descriptors that a program holds: arrays, memory maps, tensors, frames, lazy arrays."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import (
    ArraySource,
    FileState,
    RawBytes,
    check_layout,
    stored_array,
    stored_as,
)
from streamclust.sources.containers import Slices, is_dask, is_frame, slices_of
from streamclust.sources.members import descriptor_columns, note_of_unread
from streamclust.sources.sequential import SequentialSource

_PIECE_BYTES = 4 * 2**20
# Of a set without a name of its own.
ONLY_SET = "descriptors"


@dataclass(eq=False)
class HeldRows(SequentialSource):
    """Rows of an array of this process, which are read here whoever computes on them.

    Parameters
    ----------
    path : Path
        What they are called in messages.
    held : Slices
    """

    path: Path
    held: Slices
    shape: tuple[int, int]
    dtype: np.dtype
    order: Literal["C", "F"] = "C"

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """All rows, as many at a time as the array has them."""
        start = 0
        for part in self.held.parts(max(1, _PIECE_BYTES // (self.shape[1] * self.dtype.itemsize))):
            values = np.ascontiguousarray(part, self.dtype)
            yield start, values
            start += len(values)

    def check_unchanged(self) -> None:
        """What is held is its program's own."""


def held_sets(case: Any) -> dict[str, ArraySource] | None:
    """Sources of an array, or of a mapping of names to arrays; None where it is neither.

    Raises
    ------
    SourceError
        When one is no table of numbers.
    """
    if isinstance(case, Mapping):
        return {str(name): open_held(values, str(name)) for name, values in case.items()}
    return None if slices_of(case) is None else {ONLY_SET: open_held(case, ONLY_SET)}


def open_held(array: Any, name: str) -> ArraySource:
    """Open an array that a program holds; a memory map is read from its file.

    Raises
    ------
    SourceError
        When it is no table of numbers.
    """
    # What was written to a map that is copied on writing is not in its file.
    is_mapped = isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap)
    if is_mapped and array.filename and array.mode != "c":
        return _mapped(array)
    if np.ma.isMaskedArray(array) and np.ma.is_masked(array):
        raise SourceError(f"{name}: has masked values: array.filled(numpy.nan), or leave them out")
    note = ""
    if is_frame(array):
        array, note = _with_descriptors_alone(array, name)
    held = _slices(array, name)
    ndim = getattr(array, "ndim", 2)
    shape = check_layout(Path(name), tuple(held.shape) if ndim == 2 else array.shape, held.dtype)
    dtype = stored_as(held.dtype)
    source = HeldRows(Path(name), held, shape, dtype)
    source.note, source.working_bytes = note, held.chunk_bytes
    source.state = FileState(_fingerprint(array, source), inode=0)
    return source


def _slices(array: Any, name: str) -> Slices:
    try:
        held = slices_of(array)
        if held is not None and not held.in_memory and not is_dask(array):
            held[:1]
    except (TypeError, RuntimeError) as error:
        # Of tensors with gradients, on other devices, or of types that numpy has not.
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"{name}: is no array of numpy's ({reason}): tensor.detach().float().cpu().numpy()"
        ) from None
    if held is None:
        raise SourceError(f"{name}: is {type(array).__name__}, not an array: use numpy.asarray")
    return held


def _with_descriptors_alone(frame: Any, name: str) -> tuple[Any, str]:
    """Those columns of a frame that are descriptors, and what is to be said of others."""
    kinds = {column: str(getattr(dtype, "kind", "O")) for column, dtype in frame.dtypes.items()}
    chosen = {str(column) for column in descriptor_columns({str(c): k for c, k in kinds.items()})}
    others = [column for column in kinds if str(column) not in chosen]
    if not others or not chosen or not frame.columns.is_unique:
        return frame, ""
    return frame.drop(columns=others), note_of_unread(Path(name), map(str, others))


def _mapped(array: np.memmap) -> ArraySource:
    path = Path(str(array.filename))
    order: Literal["C", "F"] = "C" if array.flags.c_contiguous else "F"
    state = FileState.of(path)
    payload = RawBytes(array.offset, array.nbytes)
    source = stored_array(path, array.shape, array.dtype, order, payload)
    source.state = state
    return source


def _fingerprint(array: Any, source: ArraySource) -> dict[str, int | str]:
    """What tells whether the rows are those of an earlier run: their values, or, of a dask array,
    its name, which follows from what it is computed of."""
    digest = hashlib.blake2b(f"{source.shape} {source.dtype}".encode(), digest_size=16)
    if is_dask(array):
        digest.update(str(getattr(array, "name", None) or array._name).encode())
    else:
        rows = max(1, _PIECE_BYTES // (source.shape[1] * source.dtype.itemsize))
        for start in range(0, len(source), rows):
            digest.update(source.read(start, min(start + rows, len(source))).data)
    size = source.shape[0] * source.shape[1] * source.dtype.itemsize
    return {"size": size, "mtime_ns": 0, "blake2b": digest.hexdigest()}
