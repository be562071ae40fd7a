"""The exact nearest rows of some queries, among lists of rows that are shown one after another, or
an array in memory."""

import copy
import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamclust.neighbors.candidates import (
    Members,
    Pairs,
    as_members,
    positions_below,
    ranks,
    upper_bounds,
)

# Of one product: its keys stay in the processor's cache.
_PIECE_ROWS = 512
_LIST_ROWS = 2048
PRODUCT_BYTES = 16 * _PIECE_ROWS * _LIST_ROWS
# Candidates looked at for each neighbour of another group, at first.
_SIBLINGS = 4
# Pairs held a query, in multiples of k, before the nearest are picked and the rest is dropped.
_KEPT = 3
# What a search holds of pairs, in bytes a neighbour of each query, while the nearest are picked.
HELD_A_NEIGHBOR = _KEPT * 64


@dataclass(frozen=True)
class Neighbors:
    """The nearest rows of some rows, nearest first.

    Attributes
    ----------
    indices : ndarray of int64 of shape (n_rows, k)
        Row numbers; -1 where there are fewer than k.
    distances : ndarray of float32 of shape (n_rows, k)
        Euclidean; infinite where there are fewer than k.
    """

    indices: np.ndarray
    distances: np.ndarray

    @classmethod
    def none(cls, n_rows: int, k: int) -> Self:
        return cls(np.full((n_rows, k), -1), np.full((n_rows, k), np.inf, np.float32))

    @classmethod
    def placed(cls, n_rows: int, k: int, nearest: Pairs) -> Self:
        """Put pairs, query by query, nearest first and at most k of each, in rows and columns."""
        made, places = cls.none(n_rows, k), ranks(nearest.queries)
        made.indices[nearest.queries, places] = nearest.numbers
        made.distances[nearest.queries, places] = np.sqrt(nearest.squares)
        return made

    @property
    def complete(self) -> np.ndarray:
        """Which rows (n_rows,) have k neighbours."""
        return self.indices[:, -1] >= 0

    def replace(self, rows: np.ndarray | slice, other: Self) -> None:
        """Put what another search found in place of some rows."""
        self.indices[rows] = other.indices
        self.distances[rows] = other.distances

    def put_first(self, rows: np.ndarray, numbers: np.ndarray, distances: np.ndarray) -> None:
        """Put one neighbour of each of some rows first, in place of the last or of its own."""
        indices, k = self.indices[rows], self.indices.shape[1]
        there = indices == numbers[:, None]
        given_up = np.where(there.any(axis=1), there.argmax(axis=1), k - 1)
        columns = np.arange(k)
        before = np.where(columns <= given_up[:, None], np.maximum(columns - 1, 0), columns)
        for lists, first in ((self.indices, numbers), (self.distances, distances)):
            moved = np.take_along_axis(lists[rows], before, axis=1)
            moved[:, 0] = first
            lists[rows] = moved


class Search:
    """Keeps, of all rows shown, those that may be among the k nearest of each query.

    Distances come from one product a list, ``|y|² − 2xy`` of rows centred on the list, and those
    of the rows kept are then taken anew from the difference: what is near-identical keeps its
    digits, what is identical is at 0. Where so many rows are nearer than the products' rounding
    that not all are kept, the nearest are told by `_Crowd`. A query is no neighbour of itself.

    Parameters
    ----------
    queries : Members
        With groups, neighbours at most one of each group are found besides the plain ones.
    k : int
    thorough : bool
        Keep the nearest row of every group of each list instead: ten times slower, and needed
        where the nearest rows are of a few large groups.
    """

    def __init__(self, queries: Members, k: int, *, thorough: bool = False) -> None:
        self.queries = queries
        self.k = k
        self.thorough = thorough
        # One more: the query may be among the rows shown.
        self.count = (_SIBLINGS * k if self._grouped else k) + 1
        # Of a group the row nearest by its product is taken, which is to be the nearest.
        self.dtype = np.dtype(np.float64 if thorough else np.float32)
        self.bounds = np.full(len(queries), np.inf, self.dtype)
        self._found: list[Pairs] = []
        self._held = 0

    @property
    def _grouped(self) -> bool:
        return self.queries.groups is not None

    def see(self, which: np.ndarray, shown: Members) -> None:
        """Show rows to the queries `which` (positions, increasing); none twice to the same."""
        for start in range(0, len(shown), _LIST_ROWS):
            part = shown[start : start + _LIST_ROWS]
            center = part.values.mean(axis=0)
            factors = _factors((part.values - center).astype(self.dtype, copy=False))
            # As many bytes of either dtype.
            step = 4 * _PIECE_ROWS // self.dtype.itemsize
            for first in range(0, len(which), step):
                self._see_piece(which[first : first + step], part, center, factors)

    def _see_piece(
        self, which: np.ndarray, shown: Members, center: np.ndarray, factors: np.ndarray
    ) -> None:
        rows = np.ones((len(which), factors.shape[1]), self.dtype)
        np.subtract(self.queries.values[which], center, out=rows[:, :-1], casting="same_kind")
        lengths = np.einsum("ij,ij->i", rows[:, :-1], rows[:, :-1])
        keys = rows @ factors.T
        slack = rounding(factors) * (lengths + factors[:, -1].max())
        fresh = bool(np.isinf(self.bounds[which]).any())
        if self.thorough:
            at, columns = self._nearest_of_groups(keys, which, shown, lengths, slack)
        else:
            if fresh:
                self._lower(which, upper_bounds(keys, self.count) + (lengths + slack))
            limits = self.bounds[which] + (slack - lengths)
            measure = _Crowd(self.queries.values[which], shown.values, 4 * slack)
            at, columns = positions_below(keys, limits, self.count, measure)
        pairs = self._measured(which[at], columns, shown)
        if fresh and self._grouped:
            self._lower_to(pairs[pairs.nearest(self.k, of_groups=True)])
        self._keep(pairs)

    def _nearest_of_groups(
        self,
        keys: np.ndarray,
        which: np.ndarray,
        shown: Members,
        lengths: np.ndarray,
        slack: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        assert shown.groups is not None
        keys[self.queries.numbers[which][:, None] == shown.numbers] = np.inf
        sorter = np.argsort(shown.groups, kind="stable")
        starts = np.flatnonzero(np.diff(shown.groups[sorter], prepend=-1))
        sizes = np.diff(starts, append=len(sorter))
        keys = keys[:, sorter]
        minima = np.minimum.reduceat(keys, starts, axis=1)
        self._lower(which, upper_bounds(minima, self.k) + (lengths + slack))
        at, group = positions_below(minima, self.bounds[which] + (slack - lengths), self.k)
        wanted = np.full_like(minima, np.nan)
        wanted[at, group] = minima[at, group]
        at, columns = np.divmod(
            np.flatnonzero(keys == np.repeat(wanted, sizes, axis=1)), len(sorter)
        )
        pairs = at * len(starts) + np.repeat(np.arange(len(starts)), sizes)[columns]
        first = np.flatnonzero(np.diff(pairs, prepend=-1))  # of rows that tie
        return at[first], sorter[columns[first]]

    def compare(self, queries: np.ndarray, columns: np.ndarray, shown: Members) -> None:
        """Compare queries (positions) with one row each; no pair twice."""
        self._keep(self._measured(queries, columns, shown))

    def take(self, other: Self) -> None:
        """Take what another search of the same queries found among other rows."""
        self.bounds = np.minimum(self.bounds, other.bounds)
        for pairs in other._found:
            self._keep(pairs)

    def _measured(self, queries: np.ndarray, columns: np.ndarray, shown: Members) -> Pairs:
        other = shown.numbers[columns] != self.queries.numbers[queries]
        queries, columns = queries[other], columns[other]
        difference = self.queries.values[queries]
        difference -= shown.values[columns]
        squares = np.einsum("ij,ij->i", difference, difference)
        groups = None if shown.groups is None else shown.groups[columns]
        return Pairs(queries.astype(np.int32), squares, shown.numbers[columns], groups)

    def _keep(self, pairs: Pairs) -> None:
        self._found.append(pairs)
        self._held += len(pairs)
        if self._held > _KEPT * self.k * len(self.queries):
            self._settle()

    def _settle(self) -> None:
        """Keep what may still be chosen, and lower the bounds to it."""
        pairs = Pairs.joined(self._found)
        nearest = pairs.nearest(self.k, of_groups=self._grouped)
        self._lower_to(pairs[nearest])
        kept = np.zeros(len(pairs), bool)
        kept[nearest] = True
        if self._grouped:
            kept[pairs.nearest(self.k, of_groups=False)] = True
        self._found = [pairs[kept]]
        self._held = len(self._found[0])

    def _lower_to(self, nearest: Pairs) -> None:
        """Lower the bounds of the queries that have k nearest."""
        last = ranks(nearest.queries) == self.k - 1
        self._lower(nearest.queries[last], nearest.squares[last])

    def _lower(self, which: np.ndarray, bounds: np.ndarray) -> None:
        self.bounds[which] = np.minimum(self.bounds[which], bounds)

    def result(self, *, of_groups: bool = False) -> Neighbors:
        """The k nearest rows of each query; if wished, the nearest of each group only."""
        if not self._found:
            return Neighbors.none(len(self.queries), self.k)
        self._settle()
        nearest = self._found[0][self._found[0].nearest(self.k, of_groups=of_groups)]
        return Neighbors.placed(len(self.queries), self.k, nearest)


class _Crowd:
    """Distances within crowds of rows, between which the products of all rows lose their digits.

    Rows of a crowd are centred on one of them, and multiplied in float64: what then is rounded is
    a part of the distances, not of the way to the centre of the list.

    Parameters
    ----------
    queries, shown : ndarray of shape (n_queries, n_columns) and (n_shown, n_columns)
    widths : ndarray of shape (n_queries,)
        Squared distance to one of a crowd within which another query is of it.
    """

    def __init__(self, queries: np.ndarray, shown: np.ndarray, widths: np.ndarray) -> None:
        self.queries = queries
        self.shown = shown
        self.widths = widths

    def __call__(self, which: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Squared distances of the queries `which` to the rows `columns` (bool)."""
        queries = self.queries[which].astype(np.float64)
        shown = self.shown[columns].astype(np.float64)
        squares = np.empty((len(queries), len(shown)))
        left = np.arange(len(queries))
        while len(left):
            center = queries[left[0]]
            rows = queries[left] - center
            lengths = np.einsum("ij,ij->i", rows, rows)
            near = lengths <= self.widths[which[left]]
            near[0] = True
            others = shown - center
            squares[left[near]] = rows[near] @ (-2 * others.T)
            squares[left[near]] += np.einsum("ij,ij->i", others, others) + lengths[near, None]
            left = left[~near]
        return squares


def _factors(rows: np.ndarray) -> np.ndarray:
    """Rows (-2y, |y|²): their product with (x, 1) is the squared distance less |x|²."""
    lengths = np.einsum("ij,ij->i", rows, rows)
    return np.concatenate([-2 * rows, lengths[:, None]], axis=1)


def rounding(factors: np.ndarray) -> np.floating:
    """A bound of the rounding of products with `_factors`, in parts of the squared lengths that
    they are differences of.

    It grows with the root of the number of terms, whose errors are of either sign (Higham, N. J. &
    Mary, T. (2019). A new approach to probabilistic rounding error analysis. SIAM Journal on
    Scientific Computing 41(5)); of few terms 16 epsilons are ample.
    """
    return np.finfo(factors.dtype).eps * max(16.0, math.sqrt(factors.shape[1] - 1))


class NearestRows:
    """The k nearest of all rows seen to each of some queries, as an accumulator.

    Parameters
    ----------
    queries : Members
        Rows less the shift, without groups. Distances are taken in their dtype.
    k : int
    shift : ndarray of shape (n_columns,)
        Subtracted from the rows seen.
    """

    def __init__(self, queries: Members, k: int, shift: np.ndarray) -> None:
        self.queries = queries
        self.k = k
        self.shift = shift
        self.search = Search(queries, k)

    def __deepcopy__(self, memo: Any) -> Self:
        # Blocks' accumulators share the queries, which do not change.
        other = type(self)(self.queries, self.k, self.shift)
        other.merge(self)
        return other

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See rows; the last extra holds their numbers (`Rows.numbered`)."""
        if len(values):
            dtype = self.queries.values.dtype
            shown = as_members(values, extras[-1], None, self.shift, dtype)
            self.search.see(np.arange(len(self.queries)), shown)

    def merge(self, other: Self) -> None:
        self.search.take(other.search)

    def result(self) -> Neighbors:
        """The nearest rows, by number, and their distances."""
        return self.search.result()


class DistancesTo:
    """Distances of some queries to rows known by number, in float64: an accumulator.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_columns)
    numbers : ndarray of int64 of shape (n_queries, k)
        Of the rows, below 0 for none.
    """

    def __init__(self, queries: np.ndarray, numbers: np.ndarray) -> None:
        self.queries = queries
        self.numbers = numbers
        self.order = np.argsort(numbers, axis=None, kind="stable")
        self.distances = np.full(numbers.shape, np.inf)

    def __deepcopy__(self, memo: Any) -> Self:
        # Blocks' accumulators share what does not change.
        other = copy.copy(self)
        other.distances = self.distances.copy()
        return other

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See rows; the last extra holds their numbers, increasing (`Rows.numbered`)."""
        seen = extras[-1]
        if not len(seen):
            return
        flat = self.numbers.ravel()
        ends = np.searchsorted(flat[self.order], [seen[0], seen[-1] + 1])
        pairs = self.order[ends[0] : ends[1]]
        places = np.searchsorted(seen, flat[pairs])
        there = seen[places] == flat[pairs]
        pairs, places = pairs[there], places[there]
        apart = self.queries[pairs // self.numbers.shape[1]].astype(np.float64) - values[places]
        self.distances.flat[pairs] = np.sqrt(np.einsum("ij,ij->i", apart, apart))

    def merge(self, other: Self) -> None:
        np.minimum(self.distances, other.distances, out=self.distances)

    def result(self) -> np.ndarray:
        """Distances (n_queries, k), increasing; infinite where there is no such row."""
        return np.sort(self.distances, axis=1)


_QUERIES = 8192


def exact_neighbors(
    values: np.ndarray, k: int, groups: np.ndarray | None = None
) -> tuple[Neighbors, Neighbors | None]:
    """Find each row's k nearest other rows, by comparing all rows with all.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Finite.
    k : int
    groups : ndarray of int of shape (n_rows,), optional
        Rows of one group, such as the images of one vehicle; below 0 for a row of its own.

    Returns
    -------
    plain : Neighbors
    of_groups : Neighbors or None
        The nearest with at most one row of each group, the row's own group included.
    """
    members = as_members(values, np.arange(len(values)), groups, values.mean(axis=0))
    return nearest_among(members, members, k)


def nearest_among(queries: Members, members: Members, k: int) -> tuple[Neighbors, Neighbors | None]:
    """Find each query's k nearest of the members, and with groups those of distinct groups."""
    plain = Neighbors.none(len(queries), k)
    of_groups = None if queries.groups is None else Neighbors.none(len(queries), k)
    for start in range(0, len(queries), _QUERIES):
        part = slice(start, start + _QUERIES)
        search = Search(queries[part], k)
        everyone = np.arange(len(search.queries))
        search.see(everyone, members)
        plain.replace(part, search.result())
        if of_groups is not None:
            distinct = search.result(of_groups=True)
            lacking = np.flatnonzero(~distinct.complete)
            if len(lacking):
                again = Search(search.queries[lacking], k, thorough=True)
                again.see(np.arange(len(lacking)), members)
                distinct.replace(lacking, again.result(of_groups=True))
            of_groups.replace(part, distinct)
    return plain, of_groups
