"""Arrays in numpy's own format, ``.npy``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource, RawBytes, check_layout, stored_array

# numpy reads a header whole before it looks at its length, so it is given no more than this.
_HEADER_LIMIT = 1 << 16

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def open_array(path: Path) -> ArraySource:
    """Open a ``.npy`` file: C or Fortran order, any byte order, never a pickle.

    Raises
    ------
    SourceError
        If the header is not one of numpy's, the array is no table of numbers, or
        the file ends before the array does.
    """
    with open(path, "rb") as file:
        head = io.BytesIO(file.read(_HEADER_LIMIT))
    shape, order, dtype = _read_header(path, head)
    rows, columns = check_layout(path, shape, dtype)
    width = columns * dtype.itemsize
    missing = rows * width - (path.stat().st_size - head.tell())
    if missing > 0:
        raise SourceError(
            f"{path}: ends before its array does: {missing} of {rows * width} bytes are missing "
            f"({-(-missing // width)} of {rows} rows): copy or save the file again"
        )
    return stored_array(path, shape, dtype, order, RawBytes(head.tell(), rows * width))


def _read_header(
    path: Path, head: io.BytesIO
) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype]:
    try:
        version = np.lib.format.read_magic(head)
        if version not in _HEADER_READERS:
            raise ValueError(f"version {version} is for structured arrays only")
        shape, fortran, dtype = _HEADER_READERS[version](head)
    except Exception as error:  # numpy's parser lets many kinds of error out of a bad header
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"{path}: is not a .npy file, or its header is damaged ({reason}): "
            f"save the array again with np.save"
        ) from error
    return shape, "F" if fortran else "C", dtype
