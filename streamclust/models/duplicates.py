"""Images that are there more than once: groups of rows that nearly coincide, from neighbours.

**What is near.** A fixed cosine similarity, as in SemDeDup [1]_, does not carry over from one
network to another: on unit rows, where a Euclidean distance d is a cosine of 1 - d² / 2, one
network's repeated photographs lie at d = 0.20 while another's *usual* neighbours do. The yardstick
is therefore the set's own: its **scale** is the median distance to the k-th neighbour, k being
that of the graph (15). Rows are

- **exact** duplicates within 1e-4 of the scale, what float32 leaves of equality;
- **near** duplicates within a `share` of it. Around a row of data of intrinsic dimension D,
  ``k · share^D`` neighbours lie that near by chance: with `NEAR` = 0.25 one in 270 rows for
  D = 6, one in 70,000 for D = 10. Several sets that agree (`common_groups`) seldom do so by
  chance: `NEAR_IN_SEVERAL` = 0.4 each.

The k-th neighbour, not the first, sets the scale, for it lies beyond the other images of the same
vehicle and beyond the copies: the rule holds where every image is there twice.

**No chains.** Small steps lead from any row to any other. Pairs are joined in order of distance,
and only while the way along the joined pairs from a group's root to each of its rows stays within
2 · `share`: so no two rows of a group are more than 4 · `share` of the scale apart, however many
there are. Exact duplicates add nothing to the way: any number of them is one group.

Measured on 2,003 real vehicle images (four sets, 64 components): 0.25 in one set alone finds from 4
groups (osnet) to 27 (vdc_type), all of them by eye one picture, frames of a moment, or black or
white; 0.4 in all four finds 5, repeated pictures and frames, and no black ones.

.. [1] Abbas, A., Tirumala, K., Simig, D., Ganguli, S. & Morcos, A. S. (2023). SemDeDup:
   data-efficient learning at web-scale through semantic deduplication. arXiv:2303.09540.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

NEAR = 0.25
NEAR_IN_SEVERAL = 0.4
EXACT = 1e-4
PAIRS_A_ROW = 4
COLUMNS = ("group", "row", "path", "distance")
_PAIR = np.dtype([("distance", np.float32), ("first", np.int64), ("second", np.int64)])


@dataclass(frozen=True, eq=False)
class DuplicateGroups:
    """Groups of two rows or more, the largest first; those of a size by their first row.

    Attributes
    ----------
    group : ndarray of int64, shape (n_members,)
        0, 1, … in ascending order.
    row : ndarray of int64, shape (n_members,)
        Row numbers, ascending within a group.
    distance : ndarray of float32, shape (n_members,)
        To the nearest known duplicate of the group, as a share of the set's scale; 0 if exact.
    """

    group: np.ndarray
    row: np.ndarray
    distance: np.ndarray

    def lines(self, paths: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Lines of a table with `COLUMNS`, given the path of each member."""
        columns = (self.group.tolist(), self.row.tolist(), paths, self.distance.tolist())
        for group, row, path, distance in zip(*columns, strict=True):
            yield {"group": group, "row": row, "path": path, "distance": f"{distance:.4g}"}


def distance_scale(kth_distances: np.ndarray) -> float:
    """The median of the rows' distances to their k-th neighbour; those not finite are left out."""
    known = kth_distances[np.isfinite(kth_distances)]
    return float(np.median(known)) if len(known) else 0.0


class NearPairs:
    """The pairs of rows that are near, each once: an accumulator over the neighbour graph.

    The nearest `PAIRS_A_ROW` of a row are kept, enough to hold a group together: 80 bytes a row at
    most, where every row has that many duplicates.

    Parameters
    ----------
    scale : float
        Of the set: `distance_scale`. With 0, only distances of 0 are near.
    share : float
        What is near, as a share of the scale.
    """

    def __init__(self, scale: float, share: float = NEAR) -> None:
        self.scale = scale
        self.share = share
        self.pairs = np.empty(0, _PAIR)

    def update(self, distances: np.ndarray, indices: np.ndarray, numbers: np.ndarray) -> None:
        """See rows of the graph.

        Parameters
        ----------
        distances : ndarray of shape (n_rows, k)
            To the neighbours, ascending; not finite where there is none.
        indices : ndarray of int, shape (n_rows, k)
            Row numbers of the neighbours; negative where there is none.
        numbers : ndarray of int, shape (n_rows,)
            Row numbers of the rows.
        """
        near = (distances <= self.share * self.scale) & (indices >= 0)
        near &= indices != numbers[:, None]
        near &= np.cumsum(near, axis=1) <= PAIRS_A_ROW
        row, column = np.nonzero(near)
        own, other = numbers[row].astype(np.int64), indices[row, column].astype(np.int64)
        pairs = np.empty(len(row), _PAIR)
        pairs["first"], pairs["second"] = np.minimum(own, other), np.maximum(own, other)
        relative = distances[row, column] / (self.scale or 1.0)
        pairs["distance"] = np.where(relative <= EXACT, 0, relative)
        self._join(pairs)

    def merge(self, other: Self) -> None:
        self._join(other.pairs)

    def _join(self, pairs: np.ndarray) -> None:
        if len(pairs):
            self.pairs = np.concatenate([self.pairs, pairs])

    def result(self) -> np.ndarray:
        """Pairs by distance: a structured array of ``distance`` (shares of the scale), ``first``
        and ``second`` (row numbers, the lower first)."""
        order = np.lexsort((self.pairs["second"], self.pairs["first"], self.pairs["distance"]))
        pairs = self.pairs[order]
        # A pair stands in both rows' lists, at distances that may differ by rounding.
        _, kept = np.unique(pairs[["first", "second"]], return_index=True)
        return pairs[np.sort(kept)]


def duplicate_groups(pairs: np.ndarray, share: float = NEAR) -> DuplicateGroups:
    """Join pairs to groups as the module tells.

    Parameters
    ----------
    pairs : structured ndarray
        As `NearPairs.result` gives them.
    share : float
        The one that the pairs were found with.
    """
    forest = _Forest(2 * share)
    nearest: dict[int, float] = {}
    for distance, first, second in pairs.tolist():
        if forest.join(first, second, distance):
            nearest.setdefault(first, distance)
            nearest.setdefault(second, distance)
    labels = np.array([forest.root[row] for row in nearest], np.int64)
    rows = np.array(list(nearest), np.int64)
    return _ordered(labels, rows, np.array(list(nearest.values()), np.float32))


class _Forest:
    """Groups of rows, each with the way from its root to every row, of `longest` at most."""

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self.root: dict[int, int] = {}
        self.way: dict[int, float] = {}
        self.members: dict[int, list[int]] = {}
        self.reach: dict[int, float] = {}

    def join(self, first: int, second: int, distance: float) -> bool:
        """Bring two rows into one group if its ways allow it; tell whether they are in one."""
        large, small = sorted((first, second), key=self._rank)
        kept, lost = self.root[large], self.root[small]
        if kept == lost:
            return True
        way = self.way[large] + distance + self.way[small]
        if way + self.reach[lost] > self.longest:
            return False
        for row in self.members[lost]:
            self.root[row] = kept
            self.way[row] += way
        self.members[kept] += self.members.pop(lost)
        self.reach[kept] = max(self.reach[kept], way + self.reach[lost])
        return True

    def _rank(self, row: int) -> tuple[int, int]:
        """Rows of larger groups come first; of groups alike, those of the lower root."""
        root = self.root.setdefault(row, row)
        if root == row and row not in self.way:
            self.way[row], self.members[row], self.reach[row] = 0.0, [row], 0.0
        return -len(self.members[root]), root


def common_groups(sets: Sequence[DuplicateGroups]) -> DuplicateGroups:
    """Rows that are together in every set's groups; of their distances, the largest is told."""
    row = sets[0].row
    for other in sets[1:]:
        row = np.intersect1d(row, other.row)
    keys, distance = [], np.zeros(len(row), np.float32)
    for one in sets:
        order = np.argsort(one.row)
        place = order[np.searchsorted(one.row, row, sorter=order)]
        keys.append(one.group[place])
        distance = np.maximum(distance, one.distance[place])
    labels = np.unique(np.stack(keys), axis=1, return_inverse=True)[1].reshape(-1)
    together = np.bincount(labels, minlength=1)[labels] > 1
    return _ordered(labels[together], row[together], distance[together])


def _ordered(labels: np.ndarray, row: np.ndarray, distance: np.ndarray) -> DuplicateGroups:
    """Number groups from the largest on, whatever their labels were."""
    _, place = np.unique(labels, return_inverse=True)
    sizes = np.bincount(place, minlength=1)
    first = np.full(len(sizes), np.iinfo(np.int64).max)
    np.minimum.at(first, place, row)
    rank = np.empty(len(sizes), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    group = rank[place]
    order = np.lexsort((row, group))
    return DuplicateGroups(group[order], row[order], distance[order])
