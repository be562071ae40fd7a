"""Arrays in packed files: numpy's, pickles and joblib's in gzip, bzip2, xz, zstd or zlib."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import check_layout, check_only_array, stored_as
from streamclust.sources.formats.npy_files import HEADER_LIMIT, read_header
from streamclust.sources.formats.plain_pickles import PlainArray, read_plain
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".z")
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x5d\0\0": "lzma",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_PIECE_BYTES = 2**20
_BUFFER_BYTES = 2**16
_NUMPY = b"\x93NUMPY"


def is_one(path: Path, head: bytes) -> bool:
    """Whether it begins as packed files do."""
    return _packing(head) is not None


def _packing(head: bytes) -> str | None:
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    # Deflate with a window up to 32 KiB, and a check of both bytes.
    is_zlib = head[:1] == b"\x78" and int.from_bytes(head[:2], "big") % 31 == 0
    return "zlib" if is_zlib else None


@dataclass(eq=False)
class PackedRows(SequentialSource):
    """Rows that are unpacked one after another.

    Attributes
    ----------
    file : Path
    stored : dtype
        As they are unpacked.
    first : int
        Where they begin in what is unpacked.
    tail : bytes or None
        What stands behind them; None where anything was read when the file was opened.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    file: Path
    stored: np.dtype
    first: int
    tail: bytes | None
    order: Literal["C", "F"] = "C"
    working_bytes: int = 32 * 2**20

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """All rows, and at last whether anything follows."""
        width = self.shape[1] * self.stored.itemsize
        n_rows = max(1, _PIECE_BYTES // width)
        with _unpacked(self.file) as content:
            _read(self.file, content, self.first)
            for start in range(0, len(self), n_rows):
                count = min(n_rows, len(self) - start)
                values = np.frombuffer(_read(self.file, content, count * width), self.stored)
                yield start, values.reshape(count, -1).astype(self.dtype)
            if self.tail is not None and content.read(len(self.tail) + 1) != self.tail:
                raise SourceError(
                    f"{self.file}: goes on behind its array: unpack it first, where arrays may "
                    "follow one another"
                )


def open_array(path: Path, member: str | None = None) -> PackedRows:
    """Open a packed file of one array. A pickle is unpacked once to see its end.

    Raises
    ------
    SourceError
        When it holds anything else, or columns one after another.
    """
    check_only_array(path, member)
    with _unpacked(path) as content:
        head = content.read(HEADER_LIMIT)
        found = _described(path, head, content)
    table = check_layout(path, found.shape, found.dtype)
    if found.order == "F" and min(table) > 1:
        raise SourceError(
            f"{path}: is packed column after column, and cannot be read by rows: unpack it first"
        )
    return PackedRows(
        path, table, stored_as(found.dtype), path, found.dtype, found.start, found.tail
    )


def _described(path: Path, head: bytes, content: IO[bytes]) -> PlainArray:
    if head.startswith(_NUMPY):
        shape, order, dtype, length = read_header(path, head)
        return PlainArray(shape, order, dtype, length, b"")
    if head[:1] == b"\x80":
        return read_plain(path, _Again(head, content))
    what = "a tar archive" if head[257:262] == b"ustar" else "no array that is known"
    raise SourceError(
        f"{path}: holds {what}: unpack it first, or pack a .npy file or the pickle of an array"
    )


class _Again(io.RawIOBase):
    """A stream whose beginning was read, from the beginning on."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self.head = io.BytesIO(head)
        self.rest = rest

    def read(self, size: int = -1) -> bytes:
        data = self.head.read(size)
        return data + self.rest.read(size - len(data)) if len(data) < size else data

    def readline(self, size: int | None = -1) -> bytes:
        return self.head.readline(size)


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """The content of a packed file, from its beginning.

    Raises
    ------
    SourceError
        When it is damaged or cut short, or what unpacks it is not there.
    """
    with open(path, "rb") as file:
        name = _packing(file.read(8))
        file.seek(0)
        try:
            with _opened(path, name, file) as content:
                yield content
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise _damaged(path, error) from error
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) or isinstance(error, SourceError):
                raise
            raise _damaged(path, error) from error
        except Exception as error:
            # That of zstandard, which is imported when it is met.
            if type(error).__module__.partition(".")[0] != "zstandard":
                raise
            raise _damaged(path, error) from error


def _opened(path: Path, name: str | None, packed: IO[bytes]) -> Any:
    if name == "gzip":
        return gzip.GzipFile(fileobj=packed)
    if name == "bzip2":
        return bz2.BZ2File(packed)
    if name == "zlib":
        return io.BufferedReader(_Inflated(packed), _BUFFER_BYTES)
    if name == "zstd":
        try:
            import zstandard
        except ImportError:
            raise SourceError(
                f"{path}: is packed by zstd: pip install 'streamclust[zstd]'"
            ) from None
        unpacked = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        return io.BufferedReader(unpacked, _BUFFER_BYTES)
    return lzma.LZMAFile(packed)


class _Inflated(io.RawIOBase):
    """What a zlib stream holds, which has no file of its own in the standard library."""

    def __init__(self, packed: IO[bytes]) -> None:
        self.packed = packed
        self.inflate = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = b""
        while not data and not self.inflate.eof:
            piece = self.inflate.unconsumed_tail or self.packed.read(2**16)
            if not piece:
                raise EOFError("the packed stream ends before its end mark")
            data = self.inflate.decompress(piece, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _read(path: Path, content: IO[bytes], count: int) -> bytes:
    data = content.read(count)
    if len(data) < count:
        raise SourceError(f"{path}: ends before its array does: copy or pack it again")
    return data


def _damaged(path: Path, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())[:200]
    return SourceError(f"{path}: is damaged or cut short ({reason}): copy or pack it again")
