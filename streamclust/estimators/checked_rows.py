"""Rows that are checked as scikit-learn checks them, block by block as they are read."""

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_array, validate_data

from streamclust.sources import (
    DaskSlices,
    Slices,
    is_dask,
    is_frame,
    slices_of,
)

BATCH_BYTES = 2**25  # of a batch in float64, where the user does not set its rows

_FLOATS = (np.float64, np.float32)


class CheckedRows:
    """Finite rows of float32 or float64, from any container, converted a block at a time.

    What does not slice by rows (lists, frames other than pandas') is made one array first. Blocks
    are checked when they are read; those of the same rows are not checked again.

    Parameters
    ----------
    estimator : estimator
        Learns the number and names of the columns, or is asked for them.
    X : array-like, sparse matrix, frame, or array with row slices, of shape (n_rows, n_columns)
    reset : bool
        Whether the columns are learnt.
    dtype : dtype, optional
        What rows are converted to; by default `float_dtype` of theirs.

    Attributes
    ----------
    dtype : dtype
    n_columns : int

    Raises
    ------
    ValueError
        As :func:`sklearn.utils.validation.validate_data`, for values when they are read.
    """

    def __init__(self, estimator: Any, X: Any, *, reset: bool, dtype: Any = None) -> None:
        self.slices = _validated(estimator, X, reset)
        self.dtype = float_dtype(self.slices.dtype) if dtype is None else np.dtype(dtype)
        self.n_columns = self.slices.n_columns
        self._prepare: Callable[[np.ndarray], np.ndarray] | None = None
        self._name = type(estimator).__name__
        self._known: set[tuple[int, int]] = set()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; rows of dask arrays with unknown sizes are counted now."""
        return self.slices.shape

    @property
    def dask_array(self) -> Any:
        """The dask array that X is; None for all else."""
        return self.slices.array if isinstance(self.slices, DaskSlices) else None

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(self.shape[0])
        part = self.slices[start:stop]
        if (start, stop) in self._known:
            values = np.asarray(part, self.dtype, order="C")
        else:
            values = self._checked(part)
            self._known.add((start, stop))
        return values if self._prepare is None else self._prepare(values)

    def prepared(self, prepare: Callable[[np.ndarray], np.ndarray]) -> Self:
        """The same rows, of which each block goes through `prepare` after it was checked."""
        other = copy.copy(self)
        other._prepare = prepare
        return other

    def batches(self, batch_rows: int | None = None) -> Iterator[np.ndarray]:
        """Give all rows in their order, at most `batch_rows` (32 MiB by default) at a time.

        Raises
        ------
        ValueError
            Values that are not finite, or no rows at all.
        """
        empty = True
        for part in self.slices.parts(batch_rows or default_batch_rows(self.n_columns)):
            values = self._checked(part)
            yield values if self._prepare is None else self._prepare(values)
            empty = False
        if empty:
            self._checked(np.empty((0, self.n_columns)))

    def _checked(self, part: Any) -> np.ndarray:
        return check_array(part, dtype=self.dtype, order="C", input_name="X", estimator=self._name)


def stacked(parts: Iterable[np.ndarray], shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Parts one after another in one array of the given shape, which is held once."""
    out, done = np.empty(shape, dtype), 0
    for part in parts:
        out[done : done + len(part)] = part
        done += len(part)
    return out


def float_dtype(dtype: np.dtype) -> np.dtype:
    """Tell what rows are converted to: float32 where they are float32 or float16, else float64."""
    small = dtype.kind == "f" and dtype.itemsize <= 4
    return np.dtype(np.float32 if small else np.float64)


def default_batch_rows(n_columns: int) -> int:
    """Tell how many rows make 32 MiB in float64."""
    return max(BATCH_BYTES // (8 * n_columns), 1)


def _validated(estimator: Any, X: Any, reset: bool) -> Slices:
    if sparse.issparse(X):
        # All values are looked at, which is no more than is held.
        X = validate_data(estimator, X, accept_sparse="csr", dtype=_FLOATS, reset=reset)
    slices = slices_of(X)
    if slices is None or (slices.in_memory and X.ndim != 2):
        return Slices(validate_data(estimator, X, dtype=_FLOATS, order="C", reset=reset))
    if not sparse.issparse(X):
        validate_data(estimator, _first_rows(X, slices), dtype=_FLOATS, reset=reset)
    return slices


def _first_rows(X: Any, slices: Slices) -> Any:
    """What has the names, number and type of the columns, without reading what is not held."""
    if slices.in_memory:
        return slices[:1]
    if is_frame(X) or (is_dask(X) and hasattr(X, "columns")):
        import pandas

        return pandas.DataFrame(np.zeros((1, len(X.columns)), slices.dtype), columns=X.columns)
    if isinstance(slices, DaskSlices):
        return np.zeros((1, *slices.array.shape[1:]), slices.dtype)
    return np.zeros((min(X.shape[0], 1), *X.shape[1:]), slices.dtype)
