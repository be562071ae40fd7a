"""What estimators are given: parameters, which are checked, and rows, which are read batch by
batch: of numpy, sparse, Zarr, HDF5 and dask arrays."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, validate_data

from streamclust.errors import SettingsError

BATCH_BYTES = 2**25  # of a batch in float64, where the user does not set its rows
_SUMMED_ROWS = 2**30


@dataclass(frozen=True)
class Number:
    """What a parameter may be: a number in a range.

    Parameters
    ----------
    kind : type
        ``Integral`` or ``Real``.
    least, most : float
    is_above : bool
        Whether `least` itself is too little.
    """

    kind: type
    least: float
    most: float = math.inf
    is_above: bool = False

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, self.kind) or isinstance(value, bool):
            return False
        number: Any = value
        return (number > self.least if self.is_above else number >= self.least) and (
            number <= self.most
        )

    def __str__(self) -> str:
        kind = "an integer" if self.kind is Integral else "a number"
        least = f"above {self.least:g}" if self.is_above else f"of at least {self.least:g}"
        return f"{kind} {least}" + (f" and at most {self.most:g}" if self.most < math.inf else "")


def check_parameters(estimator: Any, rules: Mapping[str, Sequence[Any]]) -> None:
    """Refuse parameters out of their range.

    Parameters
    ----------
    estimator : estimator
    rules : dict of str to sequence
        By parameter what it may be: a `Number`, or a value.

    Raises
    ------
    SettingsError
        A ValueError.
    """
    for name, allowed in rules.items():
        value = getattr(estimator, name)
        if not any(_is_allowed(value, rule) for rule in allowed):
            listed = " or ".join(str(x) if isinstance(x, Number) else repr(x) for x in allowed)
            raise SettingsError(f"{name} must be {listed}, not {value!r}")


def _is_allowed(value: Any, rule: Any) -> bool:
    if isinstance(rule, Number):
        return value in rule
    if isinstance(rule, bool):
        return isinstance(value, bool | np.bool_) and bool(value) == rule
    return value is rule or (isinstance(rule, str) and isinstance(value, str) and value == rule)


def seed_of(random_state: Any) -> int:
    """A seed of a random_state as scikit-learn has it.

    Raises
    ------
    ValueError
        When it is none.
    """
    return int(check_random_state(random_state).randint(2**31 - 1))


def is_dask(X: Any) -> bool:
    """Tell whether X is a dask array, without importing dask."""
    return type(X).__module__.startswith("dask.array")


def is_lazy(X: Any) -> bool:
    """Tell whether X is an array outside numpy (Zarr, HDF5, dask …) whose rows can be sliced."""
    if isinstance(X, np.ndarray | np.generic) or sparse.issparse(X) or hasattr(X, "iloc"):
        return False
    return all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))


def iter_batches(X: Any, batch_rows: int) -> Iterator[np.ndarray]:
    """Give the rows of X, in order, as numpy arrays of at most `batch_rows` rows.

    A chunk of a Zarr, HDF5 or dask array is read once: it is cut where it is larger than a
    batch, and a batch is a whole number of chunks where they are smaller.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_rows, n_columns)
        What is neither numpy, sparse nor lazy is made one numpy array first.
    batch_rows : int

    Yields
    ------
    ndarray of shape (at most batch_rows, n_columns)
        A view for numpy arrays; sparse rows are made dense.
    """
    for span in _spans(X, batch_rows):
        for start in range(0, len(span), batch_rows):
            yield span[start : start + batch_rows]


def map_dask_rows(
    X: Any, function: Callable[[np.ndarray], np.ndarray], n_columns: int, dtype: np.dtype
) -> Any:
    """Give the dask array of ``function(rows)``, (n_rows, n_columns), computed chunk by chunk.

    In place of dask_ml's ParallelPostFit, which announces the shape of X as that of the result.
    """
    return X.rechunk({1: -1}).map_blocks(
        function, dtype=dtype, chunks=(X.chunks[0], (n_columns,)), meta=np.empty((0, 0), dtype)
    )


def default_batch_rows(n_features: int) -> int:
    """Tell how many rows make 32 MiB in float64."""
    return max(BATCH_BYTES // (8 * n_features), 1)


def validated_batches(
    estimator: Any, X: Any, batch_size: int | None, *, reset: bool
) -> Iterator[np.ndarray]:
    """Give the rows of X as finite float32 or float64 batches, checked as scikit-learn does.

    Arrays are checked batch by batch as they are read, never as a whole.

    Parameters
    ----------
    estimator : estimator
        Learns the number and names of the columns from the first batch, or is asked for them.
    X : array-like, sparse matrix, or array with row slices, of shape (n_samples, n_features)
    batch_size : int or None
        Rows of a batch; None for `default_batch_rows`.
    reset : bool
        Whether the columns are learnt.

    Raises
    ------
    ValueError
        As :func:`sklearn.utils.validation.validate_data`.
    """
    dtype = [np.float64, np.float32]
    if not hasattr(X, "shape"):
        X = np.asarray(X)
    whole = not (is_lazy(X) or isinstance(X, np.ndarray))
    if whole:
        X = validate_data(estimator, X, accept_sparse="csr", dtype=dtype, reset=reset)
    elif len(X.shape) != 2 or 0 in X.shape:
        validate_data(estimator, np.empty(X.shape), reset=reset)  # says what is wrong
    elif X.dtype == np.float16:
        dtype = [np.float32]
    for batch in iter_batches(X, batch_size or default_batch_rows(X.shape[1])):
        yield batch if whole else validate_data(estimator, batch, dtype=dtype, reset=reset)
        reset = False


class CheckedRows:
    """Row slices of an array as finite numpy arrays of one float dtype, checked as they are read.

    Parameters
    ----------
    array : array with row slices, of shape (n_rows, n_columns)
    dtype : dtype
    prepare : callable, optional
        What each slice goes through after it was checked.
    """

    def __init__(
        self,
        array: Any,
        dtype: Any,
        prepare: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = np.dtype(dtype)
        self.prepare = prepare

    def __getitem__(self, part: slice) -> np.ndarray:
        values = check_array(np.asarray(self.array[part]), dtype=self.dtype, order="C")
        return values if self.prepare is None else self.prepare(values)


def largest_spread(n_columns: int, dtype: Any = np.float32) -> float:
    """Tell by how much columns may vary: from there on sums of squared distances may be infinite.

    Of two rows the sum of the squares, and twice the product, is at most ``4 * n_columns`` squares
    of the spread; sums over a billion rows have to fit `dtype`, which is that of the neighbour
    graph unless it is given.
    """
    return math.sqrt(float(np.finfo(dtype).max) / (4 * n_columns * _SUMMED_ROWS))


def near_enough(values: np.ndarray) -> np.ndarray:
    """Give rows back, unless squared distances between them may be infinite.

    Raises
    ------
    SettingsError
        For them.
    """
    largest = max(float(values.max()), -float(values.min()))
    if 2 * largest >= largest_spread(values.shape[1]):
        raise SettingsError(
            f"values of up to {largest:.1g} are too large for squared distances: use "
            "scaling='l2', or divide the columns first"
        )
    return values


def _spans(X: Any, batch_rows: int) -> Iterator[np.ndarray]:
    if sparse.issparse(X):
        X = X.tocsr()
        for start in range(0, X.shape[0], batch_rows):
            yield X[start : start + batch_rows].toarray()
    elif is_dask(X):
        for i in range(X.numblocks[0]):
            yield np.asarray(X.blocks[i])
    elif is_lazy(X):
        step = _span_rows(X, batch_rows)
        for start in range(0, X.shape[0], step):
            yield np.asarray(X[start : start + step])
    else:
        yield np.asarray(X)


def _span_rows(X: Any, batch_rows: int) -> int:
    chunks = getattr(X, "chunks", None)
    if not chunks or not isinstance(chunks[0], int):
        return batch_rows
    return max(batch_rows // chunks[0], 1) * chunks[0]
