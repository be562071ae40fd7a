"""Where the members of a zip file stand, of formats that are zip files."""

from __future__ import annotations

import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamclust.errors import SourceError

_LOCAL = b"PK\x03\x04"
_LOCAL_BYTES = 30
_OF_DAMAGE = (
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, struct.error),
    *(RuntimeError, EOFError, ValueError, KeyError),
)


def is_zip_of(head: bytes, ending: str) -> bool:
    """Whether a file begins as a zip file does, with a member of such an ending."""
    if not head.startswith(_LOCAL):
        return False
    length = int.from_bytes(head[26:28], "little")
    return head[_LOCAL_BYTES : _LOCAL_BYTES + length].endswith(ending.encode())


@contextmanager
def zip_members(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file.

    Raises
    ------
    SourceError
        When it is damaged, or a member cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as content:
            yield content
    except SourceError:
        raise
    except OSError as error:
        # That of bzip2 has no number.
        if error.errno:
            raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
        raise _damaged(path, error) from error
    except _OF_DAMAGE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())[:200]
    return SourceError(f"{path}: is damaged ({reason}): copy or save it again")


def place_in_zip(path: Path, info: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin in the file.

    Raises
    ------
    SourceError
        When they do not stand there whole.
    """
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        head = file.read(_LOCAL_BYTES)
        size = os.fstat(file.fileno()).st_size
    lengths = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    start = info.header_offset + _LOCAL_BYTES + lengths
    if not head.startswith(_LOCAL) or start + info.compress_size > size:
        raise SourceError(f"{path}: ends before '{info.filename}' does: copy or save it again")
    return start
