"""How many of the true nearest neighbours a graph has, estimated on a sample of rows."""

from typing import NamedTuple, Self

import numpy as np

from streamclust.models.neighbors.pairs import Members, as_members
from streamclust.models.neighbors.search import Search

SAMPLED_ROWS = 1000
# Distances this near to each other are equal: those of a product and its repetition.
_TIE = 1e-5


class Recall(NamedTuple):
    """An estimate, its standard error, and the number of rows it is taken from."""

    share: float
    error: float
    n_rows: int


class NearestDistances:
    """Distances from some rows to their k nearest of all rows seen.

    Parameters
    ----------
    queries : Members
        Rows less the shift.
    k : int
    shift : ndarray of shape (n_columns,)
        Subtracted from the rows seen.
    """

    def __init__(self, queries: Members, k: int, shift: np.ndarray) -> None:
        self.queries = queries
        self.k = k
        self.shift = shift
        self.distances = np.full((len(queries), k), np.inf, np.float32)

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See rows; the last extra holds their numbers (`Rows.numbered`)."""
        if len(values) == 0:
            return
        search = Search(self.queries, self.k)
        search.bounds = np.square(self.distances[:, -1])
        shown = as_members(values, extras[-1], None, self.shift)
        search.see(np.arange(len(self.queries)), shown)
        self._join(search.result().distances)

    def merge(self, other: Self) -> None:
        self._join(other.distances)

    def _join(self, distances: np.ndarray) -> None:
        both = np.concatenate([self.distances, distances], axis=1)
        self.distances = np.sort(both, axis=1)[:, : self.k]

    def result(self) -> np.ndarray:
        """Distances (n_queries, k), increasing; infinite beyond the rows there are."""
        return self.distances


def recall_of(found: np.ndarray, true: np.ndarray) -> Recall:
    """Share of the true neighbours found; one as near as the farthest true one counts as true.

    Parameters
    ----------
    found, true : ndarray of shape (n_rows, k)
        Distances, increasing; infinite where there are fewer.
    """
    wanted = np.isfinite(true)
    farthest = np.max(true, axis=1, where=wanted, initial=0, keepdims=True)
    right = np.isfinite(found) & (found <= farthest * (1 + _TIE))
    counted = wanted.any(axis=1)
    shares = right.sum(axis=1)[counted] / wanted.sum(axis=1)[counted]
    if len(shares) == 0:
        return Recall(1.0, 0.0, 0)
    return Recall(float(shares.mean()), float(shares.std() / np.sqrt(len(shares))), len(shares))
