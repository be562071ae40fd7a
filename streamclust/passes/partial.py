"""A few rows of a Zarr array without the rest of their chunk."""

from pathlib import Path
from typing import Any

import numpy as np


def read_rows(array: Any, start: int, stop: int) -> np.ndarray:
    """Rows `start` to `stop`, at most a chunk's.

    Zarr reads whole chunks. Where arrays of different widths are read side by side, in blocks of
    the widest, the chunks of a narrow one would be read many times over: of an uncompressed array
    on disk the rows are read alone.
    """
    chunk = array.chunks[0]
    file = _chunk_file(array, start // chunk)
    if file is None or stop > (start // chunk + 1) * chunk:
        return np.asarray(array[start:stop])
    n_columns = int(np.prod(array.shape[1:]))
    first, count = start % chunk, stop - start
    offset = first * n_columns * array.dtype.itemsize
    values = np.fromfile(file, array.dtype, count * n_columns, offset=offset)
    if values.size < count * n_columns:  # damaged: Zarr says how
        return np.asarray(array[start:stop])
    return values.reshape(count, *array.shape[1:])


def _chunk_file(array: Any, number: int) -> Path | None:
    """The file of a chunk of whole rows that is stored as it is; None where there is none."""
    folder = getattr(getattr(array, "store", None), "root", None)
    if not isinstance(folder, Path) or not _is_plain(array):
        return None
    key = array.metadata.encode_chunk_key((number,) + (0,) * (array.ndim - 1))
    file = folder / array.path / key
    return file if file.exists() else None


def _is_plain(array: Any) -> bool:
    from zarr.codecs import BytesCodec

    codecs: Any = getattr(array.metadata, "codecs", ())
    little = len(codecs) == 1 and isinstance(codecs[0], BytesCodec)
    whole = array.chunks[1:] == array.shape[1:]
    return bool(little and whole and getattr(codecs[0].endian, "value", None) in (None, "little"))
