"""Rows a part at a time, whatever holds them: numpy, sparse, pandas, Zarr, HDF5 or dask."""

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse


class Slices:
    """Rows that are sliced: of numpy arrays and memory maps, views.

    Parameters
    ----------
    held : ndarray of shape (n_rows, n_columns)

    Attributes
    ----------
    dtype : dtype
        Of the values as they are held.
    in_memory : bool
        Whether all rows are held, or mapped, already.
    """

    in_memory = True

    def __init__(self, held: Any) -> None:
        self.held = held
        self.dtype = held.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.held.shape

    @property
    def n_columns(self) -> int:
        """Columns, which are told without counting rows."""
        return int(self.held.shape[1])

    @property
    def chunk_bytes(self) -> int:
        """What is read at once, however few rows are asked for."""
        return 0

    def __getitem__(self, rows: slice) -> Any:
        return self.held[rows]

    def parts(self, batch_rows: int) -> Iterator[Any]:
        """Give all rows in their order, at most `batch_rows` at a time."""
        for start in range(0, self.shape[0], batch_rows):
            yield self[start : start + batch_rows]


class SparseSlices(Slices):
    """Rows of a sparse matrix, dense a part at a time.

    Parameters
    ----------
    held : sparse matrix or array of shape (n_rows, n_columns)
        Copied where it is not in CSR format.
    """

    def __init__(self, held: Any) -> None:
        super().__init__(held.tocsr())

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.held[rows].toarray()


class FrameSlices(Slices):
    """Rows of a pandas frame; parts are frames.

    Parameters
    ----------
    held : pandas.DataFrame of shape (n_rows, n_columns)
    """

    def __init__(self, held: Any) -> None:
        self.held = held
        self.dtype = common_dtype(held.dtypes)

    def __getitem__(self, rows: slice) -> Any:
        return self.held.iloc[rows]


class ChunkedSlices(Slices):
    """Rows of an array that is read when it is sliced, such as Zarr's and HDF5's.

    A chunk is read once by `parts`: it is cut where it is larger than a batch, and a batch is a
    whole number of chunks where they are smaller.

    Parameters
    ----------
    held : array with ``shape``, ``dtype`` and row slices, of shape (n_rows, n_columns)
    """

    in_memory = False

    def __init__(self, held: Any) -> None:
        self.held = held
        try:
            self.dtype = np.dtype(held.dtype)
        except TypeError:  # a type of its own, which has numpy's when it is read
            self.dtype = self[:1].dtype

    @property
    def chunk_bytes(self) -> int:
        """Of the chunks beside each other that hold a row."""
        chunks = getattr(self.held, "shards", None) or getattr(self.held, "chunks", None)
        if not chunks or not isinstance(chunks[0], int):
            return 0
        return min(chunks[0], self.shape[0]) * self.n_columns * self.dtype.itemsize

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.asarray(self.held[rows])

    def parts(self, batch_rows: int) -> Iterator[np.ndarray]:
        step = self._rows_read(batch_rows)
        for start in range(0, self.shape[0], step):
            yield from _cut(self[start : start + step], batch_rows)

    def _rows_read(self, batch_rows: int) -> int:
        chunks = getattr(self.held, "chunks", None)
        if not chunks or not isinstance(chunks[0], int):
            return batch_rows
        return max(batch_rows // chunks[0], 1) * chunks[0]


class DaskSlices(Slices):
    """Rows of a dask array, a chunk computed at a time.

    `parts` goes through chunks of unknown sizes as they come, and passes over empty ones. Where
    rows are sliced or counted, unknown sizes are computed first, chunk by chunk, once.

    Parameters
    ----------
    array : dask.array.Array of shape (n_rows, n_columns)
        Left as it is, unknown sizes included.
    """

    in_memory = False

    def __init__(self, array: Any) -> None:
        self.array = array
        self.dtype = array.dtype

    @cached_property
    def held(self) -> Any:
        """The array with known sizes."""
        if not any(map(math.isnan, self.array.chunks[0])):
            return self.array
        return self.array.copy().compute_chunk_sizes()

    @property
    def n_columns(self) -> int:
        return int(self.array.shape[1])

    @property
    def chunk_bytes(self) -> int:
        """Of the largest chunk, and of what it is computed of, which is as large at least."""
        return 2 * max(self.held.chunks[0]) * self.n_columns * self.dtype.itemsize

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.asarray(self.held[rows])

    def parts(self, batch_rows: int) -> Iterator[np.ndarray]:
        for number in range(self.array.numblocks[0]):
            yield from _cut(np.asarray(self.array.blocks[number]), batch_rows)


def is_dask(X: Any) -> bool:
    """Tell whether X is a dask array or frame, without importing dask."""
    package = type(X).__module__
    return package.startswith(("dask.array", "dask.dataframe", "dask_expr"))


def is_lazy(X: Any) -> bool:
    """Tell whether X is an array outside numpy (Zarr, HDF5, dask …) whose rows can be sliced."""
    if isinstance(X, np.ndarray | np.generic) or sparse.issparse(X) or hasattr(X, "iloc"):
        return False
    return all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))


def is_frame(X: Any) -> bool:
    """Tell whether X is a pandas frame, without importing pandas."""
    return hasattr(X, "iloc") and hasattr(X, "dtypes") and hasattr(X, "columns")


def slices_of(X: Any) -> Slices | None:
    """The rows of X, a part at a time; None where its type has no slices of rows.

    Parameters
    ----------
    X : object
        A dask frame becomes an array whose chunks are its partitions.
    """
    if is_dask(X):
        return DaskSlices(X.to_dask_array() if hasattr(X, "to_dask_array") else X)
    if sparse.issparse(X):
        return SparseSlices(X)
    if is_frame(X):
        return FrameSlices(X)
    if is_lazy(X):
        return ChunkedSlices(X)
    return Slices(X) if isinstance(X, np.ndarray) else None


def common_dtype(dtypes: Any) -> np.dtype:
    """The dtype that holds the columns of a frame; object where one is not of numpy."""
    if all(isinstance(dtype, np.dtype) for dtype in dtypes):
        return np.result_type(*dtypes) if len(dtypes) else np.dtype(np.float64)
    return np.dtype(object)


def _cut(rows: np.ndarray, batch_rows: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), batch_rows):
        yield rows[start : start + batch_rows]
