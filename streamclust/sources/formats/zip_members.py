"""Where the members of a zip file stand, of formats that are zip files."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamclust.errors import SourceError

_LOCAL = b"PK\x03\x04"
_LOCAL_BYTES = 30


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
    except (zlib.error, zipfile.BadZipFile, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{path}: is damaged ({reason}): copy or save it again") from error


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
