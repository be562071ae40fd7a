"""Pairs of a query and a row that may be its neighbour, and the nearest of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from streamclust.models.neighbors.select import order_by, ranks

# Codes of groups are below two to the power of this; queries have the other bits.
GROUP_BITS = 40


@dataclass(frozen=True)
class Members:
    """Rows with what identifies them.

    Parameters
    ----------
    values : ndarray of float32 of shape (n_rows, n_columns)
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
    values: np.ndarray, numbers: np.ndarray, groups: np.ndarray | None, shift: np.ndarray
) -> Members:
    """Rows less `shift`, so that a large common offset costs no digits, in float32."""
    centered = (values - shift).astype(np.float32, copy=False)
    return Members(centered, numbers, None if groups is None else group_codes(groups, numbers))


@dataclass(frozen=True)
class Pairs:
    """Queries, each with a row that may be its neighbour.

    Parameters
    ----------
    queries : ndarray of int32 of shape (n_pairs,)
        Their positions.
    squares : ndarray of float32 of shape (n_pairs,)
        Squared distances.
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
