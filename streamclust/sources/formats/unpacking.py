"""What packed files hold, read forward: gzip, bzip2, xz, lzma, zlib and zstd."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from streamclust.errors import SourceError

_BUFFER_BYTES = 2**16
_MIB = 2**20
# Of what unpacks bzip2, with its blocks of 900 kB; others take less, but for those below.
_WORKING_BYTES = 8 * _MIB
# xz takes its window and a little more; the largest window of its presets is 64 MiB.
_LZMA_BYTES = tuple((2**power + 4) * _MIB for power in range(2, 9))
_LZMA_REFUSED = "Memory usage limit exceeded"
_ZSTD_WINDOW = 128 * _MIB


class Packing(NamedTuple):
    """How a file is packed.

    Attributes
    ----------
    name : str
    magic : bytes
        What each stream begins with.
    most : int
        Bytes that one packed byte can hold.
    is_padded : bool
        Whether zeros may stand behind a stream.
    is_single : bool
        Whether nothing may stand behind it.
    """

    name: str
    magic: bytes
    most: int
    is_padded: bool = False
    is_single: bool = False


DEFLATE_MOST, BZIP2_MOST, LZMA_MOST = 1_040, 2**21, 2**13
_PACKINGS = (
    Packing("gzip", b"\x1f\x8b", DEFLATE_MOST, is_padded=True),
    Packing("bzip2", b"BZh", BZIP2_MOST),
    Packing("xz", b"\xfd7zXZ\0", LZMA_MOST, is_padded=True),
    Packing("lzma", b"\x5d\0\0", LZMA_MOST, is_single=True),
    Packing("zstd", b"\x28\xb5\x2f\xfd", 2**16),
)
_ZLIB = Packing("zlib", b"\x78", DEFLATE_MOST, is_single=True)


def packing_of(head: bytes) -> Packing | None:
    """How a file is packed, by its first bytes; None where it is not."""
    for packing in _PACKINGS:
        if head.startswith(packing.magic):
            return packing
    # Deflate with a window up to 32 KiB, and a check of both bytes.
    is_zlib = head.startswith(_ZLIB.magic) and int.from_bytes(head[:2], "big") % 31 == 0
    return _ZLIB if is_zlib else None


@contextmanager
def unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """The content of a packed file, from its beginning.

    Raises
    ------
    SourceError
        When it is damaged or cut short, or what unpacks it is not there.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(_BUFFER_BYTES)
            file.seek(0)
            with _opened(path, head, file) as content:
                yield content
    except SourceError:
        raise
    except (EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        # That of bzip2 has no number.
        if error.errno:
            raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
        raise _damaged(path, error) from error
    except Exception as error:
        # That of zstandard, which is imported when it is met.
        if type(error).__module__.partition(".")[0] != "zstandard":
            raise
        raise _damaged(path, error) from error


def working_bytes(path: Path) -> int:
    """What unpacking a file holds beside what it gives.

    Raises
    ------
    SourceError
        When it is more than files of common settings take.
    """
    with open(path, "rb") as file:
        head = file.read(_BUFFER_BYTES)
    packing = packing_of(head)
    window = 0
    if packing is not None and packing.name in ("xz", "lzma"):
        window = _lzma_bytes(path, head)
    if packing is not None and packing.name == "zstd":
        window = min(_zstandard(path).get_frame_parameters(head).window_size, _ZSTD_WINDOW)
    return _WORKING_BYTES + window


def _lzma_bytes(path: Path, head: bytes) -> int:
    """The least memory of those tried with which a file is unpacked."""
    for limit in _LZMA_BYTES:
        try:
            lzma.LZMADecompressor(memlimit=limit).decompress(head, 1)
        except lzma.LZMAError as error:
            if str(error) == _LZMA_REFUSED:
                continue
        return limit
    raise SourceError(
        f"{path}: takes more than {_LZMA_BYTES[-1] // _MIB} MiB to unpack: unpack it first, or "
        "pack it by a preset"
    )


def _opened(path: Path, head: bytes, packed: BinaryIO) -> io.BufferedReader:
    packing = packing_of(head)
    if packing is None:
        raise SourceError(f"{path}: does not begin as packed files do: copy or pack it again")
    raw: Any
    match packing.name:
        case "gzip":
            raw = _Streams(packed, packing, lambda: _Inflated(16 + zlib.MAX_WBITS))
        case "zlib":
            raw = _Streams(packed, packing, lambda: _Inflated(zlib.MAX_WBITS))
        case "bzip2":
            raw = _Streams(packed, packing, bz2.BZ2Decompressor)
        case "zstd":
            unpacker = _zstandard(path).ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
            raw = unpacker.stream_reader(packed, read_across_frames=True)
        case _:
            limit = _lzma_bytes(path, head)
            raw = _Streams(packed, packing, lambda: lzma.LZMADecompressor(memlimit=limit))
    return io.BufferedReader(raw, _BUFFER_BYTES)


def _zstandard(path: Path) -> Any:
    try:
        import zstandard
    except ImportError:
        raise SourceError(f"{path}: is packed by zstd: pip install 'streamclust[zstd]'") from None
    return zstandard


class _Inflated:
    """A stream of zlib's, with the names that those of bz2 and lzma have."""

    def __init__(self, window: int) -> None:
        self._own = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._own.eof

    @property
    def needs_input(self) -> bool:
        return not self._own.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._own.unused_data

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._own.decompress(self._own.unconsumed_tail + data, most)


class _Streams(io.RawIOBase):
    """What streams that follow one another hold. The standard library's own files pass over what
    stands behind them."""

    def __init__(self, packed: BinaryIO, packing: Packing, begin: Callable[[], Any]) -> None:
        self.packed = packed
        self.packing = packing
        self.begin = begin
        self.stream = begin()
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self.stream.eof or self._goes_on():
            piece = b""
            if self.stream.needs_input:
                piece, self.rest = self.rest or self.packed.read(_BUFFER_BYTES), b""
            if data := self.stream.decompress(piece, len(buffer)):
                buffer[: len(data)] = data
                return len(data)
            if not piece and self.stream.needs_input and not self.stream.eof:
                raise EOFError("the packed stream ends before its end mark")
        return 0

    def _goes_on(self) -> bool:
        """Begin the next stream, where there is one."""
        rest = self.stream.unused_data
        while not (rest := rest.lstrip(b"\0") if self.packing.is_padded else rest):
            if not (rest := self.packed.read(_BUFFER_BYTES)):
                return False
        rest += self.packed.read(len(self.packing.magic))
        if self.packing.is_single or not rest.startswith(self.packing.magic):
            raise ValueError("something else stands behind the packed stream")
        self.stream, self.rest = self.begin(), rest
        return True


def _damaged(path: Path, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())[:200]
    return SourceError(f"{path}: is damaged or cut short ({reason}): copy or pack it again")
