"""Arrays that joblib.dump wrote without packing them: bytes behind a short pickle, never loaded."""

from __future__ import annotations

import re
from pathlib import Path

from streamclust.errors import SourceError
from streamclust.sources.base import (
    ArraySource,
    RawBytes,
    check_layout,
    check_only_array,
    stored_array,
)
from streamclust.sources.formats.plain_pickles import read_plain

ENDINGS = (".joblib",)


def is_one(path: Path, head: bytes) -> bool:
    """Whether it is a pickle that begins with joblib's name."""
    return head[:1] == b"\x80" and b"joblib.numpy_pickle" in head[:64]


def open_array(path: Path, member: str | None = None) -> ArraySource:
    """Open an array.

    Raises
    ------
    SourceError
        When the file holds anything else.
    """
    check_only_array(path, member)
    with open(path, "rb") as file:
        found = read_plain(path, file)
        table = check_layout(path, found.shape, found.dtype)
        n_bytes = table[0] * table[1] * found.dtype.itemsize
        file.seek(found.start + n_bytes)
        if found.tail is None or not re.fullmatch(found.tail, file.read(64), re.DOTALL):
            raise SourceError(
                f"{path}: is cut short, or holds more than one array: np.save('{path.stem}.npy', …)"
            )
    payload = RawBytes(found.start, n_bytes)
    return stored_array(path, found.shape, found.dtype, found.order, payload)
