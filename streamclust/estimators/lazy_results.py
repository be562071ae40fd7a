"""Results for dask rows, computed a chunk at a time when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array


def map_chunks(
    array: Any,
    function: Callable[[np.ndarray], np.ndarray],
    rows_dtype: np.dtype,
    dtype: Any,
    n_columns: int | None = None,
) -> Any:
    """Give the dask array of ``function(rows)``.

    In place of dask_ml's ParallelPostFit, which announces the shape of X as that of the result,
    and fails on empty chunks.

    Parameters
    ----------
    array : dask.array.Array of shape (n_rows, n_features)
        Also of unknown sizes.
    function : callable
        Called with finite rows of `rows_dtype`; can be pickled.
    rows_dtype : dtype
    dtype : dtype
        Of the result, which has it in truth.
    n_columns : int, optional
        Of the result; without, it is of shape (n_rows,).
    """
    empty = np.empty((0,) if n_columns is None else (0, n_columns), dtype)
    shape: dict[str, Any] = {"chunks": (array.chunks[0], (n_columns,))}
    if n_columns is None:
        shape = {"drop_axis": 1}
    task = _OnChunk(function, rows_dtype, empty)
    return array.rechunk({1: -1}).map_blocks(task, dtype=empty.dtype, meta=empty, **shape)


@dataclass(frozen=True)
class _OnChunk:
    """A function of rows, of which there may be none."""

    function: Callable[[np.ndarray], np.ndarray]
    rows_dtype: np.dtype
    empty: np.ndarray

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        if not len(rows):
            return self.empty
        made = self.function(check_array(rows, dtype=self.rows_dtype, order="C", input_name="X"))
        return made.astype(self.empty.dtype, copy=False)
