"""What a source of descriptors is: rows of a file, read block by block.

An array whose values stand in a file as they are in memory is a `StoredArray`: mapped pages would
count as resident memory, so everything is read into own buffers. What can only be read from its
beginning on, as compressed files, is a `SequentialSource`.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from streamclust.errors import SourceError

# No file is longer.
_BEYOND = 1 << 62
_LONGEST_SHAPE = 200

_KIND_NAMES = {
    "b": "bool",
    "c": "complex",
    "O": "object",
    "V": "structured",
    "S": "bytes string",
    "U": "text string",
    "T": "text string",
    "M": "datetime",
    "m": "timedelta",
}
# Of types that astype would refuse, or make something else of.
_CONVERSIONS = {
    "c": "np.hstack([array.real, array.imag])",
    "O": "np.stack(array) where it holds arrays, array.astype('float32') where it holds numbers",
    "V": "numpy.lib.recfunctions.structured_to_unstructured(array)",
}


class ArraySource(ABC):
    """A two-dimensional array in a file, of which any block of rows can be read.

    Safe to read from several threads at once; can be pickled (it holds the path
    and plain numbers, and opens the file anew at every read).

    Attributes
    ----------
    path : Path
        The file, or the folder, pattern or name in a file that `open_source` was given.
    shape : (int, int)
        Rows and columns.
    dtype : np.dtype
        Type of what `read` returns, in native byte order.
    order : {"C", "F"}
        How the file holds the array: row after row, or column after column.
    state : FileState or None
        What the file was like when it was opened; None where `open_source` did not open it.
    has_paths : bool
        Whether the rows come with the paths of their images.
    is_sequential : bool
        Whether rows are quickly read in their order only.
    working_bytes : int
        Memory that reading takes beside the rows that are read.
    note : str
        What a person is to be told of it, such as columns that are not read.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    order: Literal["C", "F"]
    state: FileState | None = None
    has_paths: bool = False
    is_sequential: bool = False
    working_bytes: int = 0
    note: str = ""

    def iter_paths(self) -> Iterator[str]:
        """The paths of all rows in their order, where `has_paths`."""
        raise NotImplementedError

    def check_unchanged(self) -> None:
        """Refuse what was read of a file that is not as it was when it was opened.

        Raises
        ------
        SourceError
            For it.
        """
        check_unchanged(self.path, self.state)

    @abstractmethod
    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`, which are known to exist."""

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read a block of rows.

        Parameters
        ----------
        start, stop : int
            ``0 <= start <= stop <= len(self)``.

        Returns
        -------
        ndarray of shape (stop - start, columns) and type `dtype`
            C-contiguous, and the caller's own.

        Raises
        ------
        IndexError
            If the rows do not exist.
        SourceError
            If the file has become shorter, or its bytes are damaged.
        """
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"rows {start}:{stop} of {self.path}, which has {len(self)}")
        return self.read_rows(start, stop)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        if not isinstance(rows, slice):
            raise TypeError(f"only slices of rows can be read, not {type(rows).__name__}")
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise IndexError("only slices of step 1 can be read")
        return self.read(start, max(start, stop))


class WrappedSource(ArraySource):
    """What gives the rows of another source in its own way, and is like it in all else.

    Parameters
    ----------
    source : ArraySource
    """

    def __init__(self, source: ArraySource) -> None:
        self.source = source
        self.path, self.state = source.path, source.state
        self.shape, self.dtype, self.order = source.shape, source.dtype, source.order
        self.has_paths, self.is_sequential = source.has_paths, source.is_sequential
        self.working_bytes, self.note = source.working_bytes, source.note

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        return self.source.read(start, stop)

    def iter_paths(self) -> Iterator[str]:
        """The paths of all rows in their order."""
        return self.source.iter_paths()


def check_layout(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, int]:
    """Refuse what is not a table of numbers; return its rows and columns.

    Raises
    ------
    SourceError
        If the type is not float, int or uint, the shape not two-dimensional, or
        one side of it is empty.
    """
    if dtype.kind not in "fiu":
        name = _KIND_NAMES.get(dtype.kind, str(dtype))
        way_out = _CONVERSIONS.get(dtype.kind, "array.astype('float32')")
        raise SourceError(
            f"{path}: holds {name} values ({dtype}): descriptors must be float or integer; "
            f"convert with {way_out}"
        )
    told = str(shape)
    # A damaged file may tell of thousands of sides.
    told = told if len(told) < _LONGEST_SHAPE else f"{told[:_LONGEST_SHAPE]}…"
    if len(shape) != 2:
        hint = {
            0: "it is a single number",
            1: "use array.reshape(rows, columns)",
        }.get(len(shape), "use array.reshape(len(array), -1)")
        raise SourceError(f"{path}: has shape {told}, not (rows, columns): {hint}")
    rows, columns = shape
    if not 0 <= rows * columns * dtype.itemsize < 2**62 or rows < 0:
        raise SourceError(f"{path}: has the impossible shape {told}: save the file again")
    if rows == 0 or columns == 0:
        empty = "0 rows" if rows == 0 else "0 columns"
        raise SourceError(f"{path}: has {empty} (shape {shape}): there is nothing to cluster")
    return rows, columns


def check_only_array(path: Path, member: str | None) -> None:
    """Refuse a name in a file of a format that holds one array.

    Raises
    ------
    SourceError
        For it.
    """
    if member is not None:
        raise SourceError(f"{path}: holds one array: leave out /{member}")


def stored_as(dtype: np.dtype) -> np.dtype:
    """Type in which values stored as `dtype` are given: native, float64 at most."""
    if dtype.kind == "f" and dtype.itemsize > 8:
        return np.dtype(np.float64)
    return dtype.newbyteorder("=")


@dataclass(frozen=True)
class FileState:
    """What tells whether a file is still the one that was opened.

    Attributes
    ----------
    fingerprint : dict
        As `fingerprint` gives it.
    inode : int
        Of the file: one that was moved into its place has another, whatever its time and size.
    """

    fingerprint: dict[str, int | str]
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        """The present state of a file or folder; SourceError if it cannot be read."""
        known = fingerprint(path)
        try:
            # Those that a pattern stands for are told by their fingerprints.
            return cls(known, 0 if is_pattern(path) else place_of(path)[0].stat().st_ino)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


def check_unchanged(path: Path, state: FileState | None) -> None:
    """Refuse what was read of a file that is not as it was when it was opened.

    Raises
    ------
    SourceError
        When it was written, replaced or removed since: what was read may be of both.
    """
    if state is None:
        return
    now = FileState.of(path)
    if now != state:
        sizes = [one.fingerprint["size"] for one in (state, now)]
        grown = f" ({sizes[0]} bytes became {sizes[1]})" if sizes[0] != sizes[1] else ""
        raise SourceError(
            f"{path}: was changed while it was read{grown}: nothing of it is kept; give the same "
            "command again once it is written"
        )


def place_of(path: Path) -> tuple[Path, str | None]:
    """The file of ``FILE/NAME``, which stands for an array in a file of several, and the name.

    >>> place_of(Path("setup.cfg/osnet"))
    (PosixPath('setup.cfg'), 'osnet')
    """
    if not path.exists():
        for parent in path.parents:
            if parent.is_file():
                return parent, path.relative_to(parent).as_posix()
    return path, None


def files_of(path: Path) -> list[Path]:
    """The files of a pattern such as ``part-*.npy``, in the order of the numbers in their names.

    Raises
    ------
    SourceError
        Where there is none.
    """
    found = by_number(map(Path, glob.iglob(str(path), recursive=True)))
    if not found:
        raise SourceError(f"{path}: there is no such file: check the pattern")
    return found


def is_pattern(path: Path) -> bool:
    """Whether it may stand for several files."""
    return glob.has_magic(str(path)) and not path.exists()


def by_number(files: Iterable[Path]) -> list[Path]:
    """Files in the order of the numbers in their names, so that 10 comes behind 9."""

    def key(file: Path) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", str(file))
        return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]

    return sorted(files, key=key)


def fingerprint(path: str | Path) -> dict[str, int | str]:
    """Tell whether a file is still the one it was, without reading all of it.

    Returns
    -------
    dict
        ``size`` in bytes, ``mtime_ns``, and ``blake2b``: a digest of the size, the
        first and last MiB, and 62 pieces of 4 KiB evenly spaced over the file. Those of a
        folder follow from its files.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    path, _ = place_of(Path(path))
    if path.is_dir():
        return _of_files(path, sorted(item for item in path.rglob("*") if item.is_file()))
    if is_pattern(path):
        return _of_files(path.parent, files_of(path))
    mib, piece, pieces = 1 << 20, 1 << 12, 62
    try:
        with open(path, "rb") as file:
            stat = os.fstat(file.fileno())
            digest = hashlib.blake2b(str(stat.st_size).encode(), digest_size=16)
            digest.update(file.read(mib))
            for i in range(1, pieces + 1):
                file.seek(stat.st_size * i // (pieces + 1))
                digest.update(file.read(piece))
            file.seek(max(0, stat.st_size - mib))
            digest.update(file.read(mib))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "blake2b": digest.hexdigest()}


def _of_files(top: Path, files: Sequence[Path]) -> dict[str, int | str]:
    """The fingerprint of several files, out of their names and fingerprints."""
    digest, size, latest = hashlib.blake2b(digest_size=16), 0, 0
    for file in files:
        known = fingerprint(file)
        name = os.path.relpath(file, top).replace(os.sep, "/")
        digest.update(f"{name} {known['blake2b']}\n".encode(errors="surrogateescape"))
        size, latest = size + int(known["size"]), max(latest, int(known["mtime_ns"]))
    return {"size": size, "mtime_ns": latest, "blake2b": digest.hexdigest()}


class OpenFile:
    """A file open for reading at any position, from any thread."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def readinto(self, buffer: memoryview, position: int) -> None:
        """Fill `buffer` (of bytes) from `position`; SourceError where the file ends before."""
        done = 0
        # Damaged files may name positions that the system call would not even take.
        position = min(position, _BEYOND)
        while done < len(buffer):
            count = os.preadv(self.descriptor, [buffer[done:]], position + done)
            if count == 0:
                raise SourceError(
                    f"{self.path}: ends at byte {position + done}, {len(buffer) - done} bytes "
                    f"too early: the file was cut short, copy it again"
                )
            done += count


@contextmanager
def opened(path: Path) -> Iterator[OpenFile]:
    """Open the file of `path` for the time of a block; SourceError if that or a read fails."""
    try:
        descriptor = os.open(place_of(path)[0], os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield OpenFile(path, descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error


class Payload(Protocol):
    """The bytes of an array, wherever and however the file holds them."""

    @property
    def size(self) -> int:
        """Number of bytes, once decoded."""

    def readinto(self, file: OpenFile, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the decoded bytes from `offset` on."""


@dataclass(frozen=True)
class RawBytes:
    """Bytes that stand in the file as they are."""

    start: int
    size: int

    def readinto(self, file: OpenFile, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the bytes from `offset` on."""
        file.readinto(buffer, self.start + offset)


@dataclass(eq=False)
class StoredArray(ArraySource):
    """A table of numbers of type `stored`, whose bytes are `payload`."""

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    order: Literal["C", "F"]
    stored: np.dtype
    payload: Payload

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        if start == stop:
            return np.empty((0, self.shape[1]), self.dtype)
        with opened(self.path) as file:
            return self.rows_of(file, start, stop)

    def rows_of(self, file: OpenFile, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`, at least one, of the open file."""
        if self.order == "C":
            block = self._read_lines(file, start, stop)
        else:
            block = self._read_columns(file, start, stop)
        if not self.stored.isnative:
            block = block.byteswap(inplace=True).view(self.stored.newbyteorder("="))
        # Long doubles beyond float64's range become infinite or zero; that is no surprise.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return np.ascontiguousarray(block.T if self.order == "F" else block, dtype=self.dtype)

    def _read_lines(self, file: OpenFile, start: int, stop: int) -> np.ndarray:
        block = np.empty((stop - start, self.shape[1]), self.stored)
        width = self.shape[1] * self.stored.itemsize
        self.payload.readinto(file, _bytes_of(block), start * width)
        return block

    def _read_columns(self, file: OpenFile, start: int, stop: int) -> np.ndarray:
        rows, columns = self.shape
        block = np.empty((columns, stop - start), self.stored)
        for column, strip in enumerate(block):
            offset = (column * rows + start) * self.stored.itemsize
            self.payload.readinto(file, _bytes_of(strip), offset)
        return block


def stored_array(
    path: Path,
    shape: tuple[int, ...],
    stored: np.dtype,
    order: Literal["C", "F"],
    payload: Payload,
) -> StoredArray:
    """Make a source of a payload, after the checks that all formats share."""
    table = check_layout(path, shape, stored)
    needed = table[0] * table[1] * stored.itemsize
    if payload.size != needed:
        raise SourceError(
            f"{path}: holds {payload.size} bytes, but shape {table} of {stored} takes {needed}: "
            f"the file is damaged, save it again"
        )
    return StoredArray(path, table, stored_as(stored), order, stored, payload)


def _bytes_of(block: np.ndarray) -> memoryview:
    return block.reshape(-1).view(np.uint8).data
