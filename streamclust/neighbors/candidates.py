"""Pairs of a query and a row that may be its neighbour, and the nearest of them, which are found
without sorting or partitioning whole rows of a matrix of distances."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

# Columns that share a minimum. Measured on 512 x 8192 float32: partitioning all costs 2 ns a value
# (argpartition 6), minima of 16 and the partition of those 0.35, comparing and gathering 0.25.
_SHARED = 16
# Finer values of some rows (positions) in some columns (bool).
Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]
# Positions kept a row, in multiples of those wanted, before ties are cut.
_EXCESS = 8
# Rows whose values are measured at once: a product in float64 takes no more than the keys.
_MEASURED_ROWS = 64


def upper_bounds(keys: np.ndarray, count: int) -> np.ndarray:
    """Bound the `count`-th smallest value of each row from above.

    It is the `count`-th smallest of the minima of disjoint groups of columns, which are values of
    as many different columns.

    Parameters
    ----------
    keys : ndarray of shape (n_rows, n_columns)
    count : int

    Returns
    -------
    ndarray of shape (n_rows,)
        Infinite where there are fewer than `count` columns.
    """
    n_rows, n_columns = keys.shape
    if n_columns < count:
        return np.full(n_rows, np.inf, keys.dtype)
    shared = min(max(n_columns // (4 * count), 1), _SHARED)
    width = n_columns // shared
    minima = keys[:, : shared * width].reshape(n_rows, shared, width).min(axis=1)
    return np.partition(minima, count - 1, axis=1)[:, count - 1]


def positions_below(
    keys: np.ndarray, bounds: np.ndarray, count: int, measure: Measure | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the values of each row that do not exceed its bound.

    Where that is too many, which is where rows are identical or nearly so, only the `count`
    smallest values of each row that has too many: memory stays bounded. Which they are, `measure`
    tells where the values themselves are too coarse.

    Parameters
    ----------
    keys : ndarray of shape (n_rows, n_columns)
    bounds : ndarray of shape (n_rows,)
    count : int
    measure : callable, optional
        Given some rows (positions) and which of all columns (bool, of shape (n_columns,)) are
        below the bound of any of them, it gives finer values of those rows in those columns.

    Returns
    -------
    rows, columns : ndarray of intp of shape (n_found,)
        In order of rows.
    """
    n_rows, n_columns = keys.shape
    below = keys <= bounds[:, None]
    if count < n_columns and np.count_nonzero(below) > _EXCESS * count * n_rows:
        many = np.flatnonzero(np.count_nonzero(below, axis=1) > _EXCESS * count)
        for start in range(0, len(many), _MEASURED_ROWS):
            part = many[start : start + _MEASURED_ROWS]
            below[part] = _smallest(keys, below, part, count, measure)
    rows, columns = np.divmod(np.flatnonzero(below), n_columns)
    return rows, columns


def _smallest(
    keys: np.ndarray, below: np.ndarray, many: np.ndarray, count: int, measure: Measure | None
) -> np.ndarray:
    """Which are the `count` smallest of the values `below` of the rows `many`."""
    wanted = below[many].any(axis=0)
    columns = np.flatnonzero(wanted)
    values = keys[many][:, columns] if measure is None else measure(many, wanted)
    values = np.where(below[many][:, columns], values, np.inf)
    nearest = np.argpartition(values, count - 1, axis=1)[:, :count]
    smallest = np.zeros((len(many), len(wanted)), bool)
    smallest[np.arange(len(many))[:, None], columns[nearest]] = True
    return smallest


def nearest_columns(keys: np.ndarray, count: int) -> np.ndarray:
    """Columns of the `count` smallest values of each row, smallest first.

    Parameters
    ----------
    keys : ndarray of float32 of shape (n_rows, n_columns)
    count : int
        At most n_columns.

    Returns
    -------
    ndarray of intp of shape (n_rows, count)
    """
    rows, columns = positions_below(keys, upper_bounds(keys, count), count)
    order = order_by(rows, keys[rows, columns])
    taken = order[ranks(rows[order]) < count]
    return columns[taken].reshape(len(keys), count)


def order_by(numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sort by number, then by float32 value: as one integer, ten times faster than lexsort.

    Parameters
    ----------
    numbers : ndarray of int of shape (n,)
        From 0 to 2^31.
    values : ndarray of float32 of shape (n,)

    Returns
    -------
    ndarray of intp of shape (n,)
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.int32)
    # IEEE 754: of positive floats the bits are in order, of negative ones in reverse order.
    ordered = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)
    return np.argsort((numbers.astype(np.int64) << 32) + ordered)


def ranks(numbers: np.ndarray) -> np.ndarray:
    """Place of each entry among those of the same number, from 0, of sorted `numbers` (n,)."""
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    lengths = np.diff(starts, append=len(numbers))
    return np.arange(len(numbers)) - np.repeat(starts, lengths)


# Codes of groups are below two to the power of this; queries have the other bits.
GROUP_BITS = 40


@dataclass(frozen=True)
class Members:
    """Rows with what identifies them.

    Parameters
    ----------
    values : ndarray of float32 or float64 of shape (n_rows, n_columns)
    numbers : ndarray of int64 of shape (n_rows,)
        Row numbers, unique.
    groups : ndarray of int64 of shape (n_rows,), optional
        Codes of the groups that rows belong to, as `group_codes` gives them.
    """

    values: np.ndarray
    numbers: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, part: slice | np.ndarray) -> Self:
        groups = None if self.groups is None else self.groups[part]
        return type(self)(self.values[part], self.numbers[part], groups)


def group_codes(groups: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Codes (n_rows,) of groups; a row of group -1, or any below 0, has one of its own."""
    return np.where(groups < 0, numbers + 2 ** (GROUP_BITS - 1), groups).astype(np.int64)


def as_members(
    values: np.ndarray,
    numbers: np.ndarray,
    groups: np.ndarray | None,
    shift: np.ndarray,
    dtype: np.typing.DTypeLike = np.float32,
) -> Members:
    """Rows less `shift`, so that a large common offset costs no digits, in float32 or float64."""
    common = np.result_type(values, shift, dtype)
    centered = np.subtract(values, shift, dtype=common).astype(dtype, copy=False)
    return Members(centered, numbers, None if groups is None else group_codes(groups, numbers))


@dataclass(frozen=True)
class Pairs:
    """Queries, each with a row that may be its neighbour.

    Parameters
    ----------
    queries : ndarray of int32 of shape (n_pairs,)
        Their positions.
    squares : ndarray of shape (n_pairs,)
        Squared distances, in the dtype of the rows.
    numbers : ndarray of int64 of shape (n_pairs,)
        The other rows' numbers, ...
    groups : ndarray of int64 of shape (n_pairs,), optional
        ... and codes of their groups.
    """

    queries: np.ndarray
    squares: np.ndarray
    numbers: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, part: np.ndarray) -> Self:
        groups = None if self.groups is None else self.groups[part]
        return type(self)(self.queries[part], self.squares[part], self.numbers[part], groups)

    @classmethod
    def joined(cls, parts: Sequence["Pairs"]) -> "Pairs":
        """All pairs of at least one part."""
        groups = [part.groups for part in parts if part.groups is not None]
        return cls(
            np.concatenate([part.queries for part in parts]),
            np.concatenate([part.squares for part in parts]),
            np.concatenate([part.numbers for part in parts]),
            np.concatenate(groups) if groups else None,
        )

    def nearest(self, k: int, *, of_groups: bool) -> np.ndarray:
        """Positions of each query's k nearest pairs, query by query, nearest first.

        `of_groups` leaves the nearest pair of each group only.
        """
        order = order_by(self.queries, self.squares)
        if of_groups:
            order = self._first_of_groups(order)
        return order[ranks(self.queries[order]) < k]

    def _first_of_groups(self, order: np.ndarray) -> np.ndarray:
        assert self.groups is not None
        keys = (self.queries[order].astype(np.int64) << GROUP_BITS) + self.groups[order]
        sorter = np.argsort(keys)
        starts = np.flatnonzero(np.diff(keys[sorter], prepend=-1))
        if len(starts) == 0:
            return order
        # The least place in `order` is the nearest: no stable sort is needed.
        return order[np.sort(np.minimum.reduceat(sorter, starts))]
