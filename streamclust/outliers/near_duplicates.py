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

The k-th neighbour, not the first, sets the scale, for it lies beyond the copies: the rule holds
where every image is there twice. But where most rows lie in groups of fewer than k, such as the
images of a vehicle, it lies beyond the group, and all of its ordinary members would be near. There
the scale is the distance to the last neighbour within the group (`scale_of`): a neighbour usually
less than `STEP` of the way to the next one is the last of a group, unless it is within `COPY` of
the scale, as copies are. In uniform rows of dimension D the j-th neighbour lies about
``(j / (j + 1))^(1/D)`` of the way to the next: above `STEP`, but for the first on a line. Copies
are held against a vehicle's other images then, not against other vehicles.

**No chains.** Small steps lead from any row to any other. Pairs are joined in order of distance,
and only while the way along the joined pairs from a group's root to each of its rows stays within
2 · `share`: so no two rows of a group are more than 4 · `share` of the scale apart, however many
there are. Exact duplicates add nothing to the way: any number of them is one group, found first and
counted as one place from then on.

Measured on 2,003 real vehicle images (four sets, 64 components): 0.25 in one set alone finds from 4
groups (osnet) to 27 (vdc_type), all of them by eye one picture, frames of a moment, or black or
white; 0.4 in all four finds 5, repeated pictures and frames, and no black ones.

.. [1] Abbas, A., Tirumala, K., Simig, D., Ganguli, S. & Morcos, A. S. (2023). SemDeDup:
   data-efficient learning at web-scale through semantic deduplication. arXiv:2303.09540.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from streamclust.memory import MIB, Need
from streamclust.outliers.neighbor_graphs import distance_scale, usual_distance
from streamclust.outliers.score_space import graph_chunk
from streamclust.passes import Passes
from streamclust.passes.accumulators import UniformSample
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import (
    SetOutliers,
    StoredNeighbors,
    fingerprint,
    parts_with_paths,
    paths_fingerprint,
)

NEAR = 0.25
NEAR_IN_SEVERAL = 0.4
EXACT = 1e-4
PAIRS_A_ROW = 4
STEP = 0.6
COPY = 0.1
# Rows whose medians tell where groups end.
_SAMPLED_ROWS = 2**16
COLUMNS = ("group", "row", "path", "distance")
# Row numbers as scipy's graphs have them: below 2^31.
_PAIR = np.dtype([("distance", np.float32), ("first", np.int32), ("second", np.int32)])
# Pairs that are Python's numbers at a time.
_BLOCK = 2**16


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

    def __getitem__(self, part: slice) -> Self:
        return type(self)(self.group[part], self.row[part], self.distance[part])

    def lines(self, paths: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Lines of a table with `COLUMNS`, given the path of each member."""
        columns = (self.group.tolist(), self.row.tolist(), paths, self.distance.tolist())
        for group, row, path, distance in zip(*columns, strict=True):
            yield {"group": group, "row": row, "path": path, "distance": f"{distance:.4g}"}


class NearPairs:
    """The pairs of rows that are near, each once: an accumulator over the neighbour graph.

    The nearest `PAIRS_A_ROW` of a row are kept, enough to hold a group together: 48 bytes a row at
    most, where every row has that many duplicates.

    Parameters
    ----------
    scale : float
        Of the set: `set_scale`. With 0, only distances of 0 are near.
    share : float
        What is near, as a share of the scale.
    """

    def __init__(self, scale: float, share: float = NEAR) -> None:
        self.scale = scale
        self.share = share
        self._parts: list[np.ndarray] = []

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
        row_numbers, other = numbers[row], indices[row, column]
        pairs = np.empty(len(row), _PAIR)
        pairs["first"], pairs["second"] = (
            np.minimum(row_numbers, other),
            np.maximum(row_numbers, other),
        )
        relative = distances[row, column] / (self.scale or 1.0)
        pairs["distance"] = np.where(relative <= EXACT, 0, relative)
        self._parts.append(pairs)

    def merge(self, other: Self) -> None:
        self._parts += other._parts

    def result(self) -> np.ndarray:
        """Pairs by distance: a structured array of ``distance`` (shares of the scale), ``first``
        and ``second`` (row numbers, the lower first)."""
        pairs = np.concatenate([np.empty(0, _PAIR), *self._parts])
        self._parts = []
        # A pair stands in both rows' lists, at distances that may differ by rounding.
        pairs = pairs[np.lexsort((pairs["distance"], pairs["second"], pairs["first"]))]
        fresh = np.diff(pairs["first"], prepend=-1) != 0
        fresh |= np.diff(pairs["second"], prepend=-1) != 0
        pairs = pairs[fresh]
        self._parts = [pairs[np.argsort(pairs["distance"], kind="stable")]]
        return self._parts[0]


def set_scale(graph: StoredNeighbors, passes: Passes, seed: int) -> float:
    """The distance that near is a share of, from a set's graph."""
    sampled = UniformSample(_SAMPLED_ROWS, seed)
    rows = graph.rows.having(extras=(), numbered=True)
    usual = passes.reduce("usual distances of a sample", rows, sampled, tell=_scales)
    return scale_of(usual, usual_distance(graph, passes)) if len(usual) else 0.0


def _scales(sampled: UniformSample) -> np.ndarray:
    """The usual distance along each column; nothing where no row was seen."""
    found = sampled.result()
    return np.array([distance_scale(column) for column in found[0].T] if found else [])


def scale_of(usual: np.ndarray, last: float) -> float:
    """The distance to the last neighbour that lies within the group of a row, as the module tells.

    Parameters
    ----------
    usual : ndarray of shape (k,)
        Median distances to the neighbours, ascending.
    last : float
        That to the last of them, of all rows; the scale where rows lie in no groups of fewer.
    """
    scale = last
    for place in range(len(usual) - 2, -1, -1):
        is_step = usual[place] < STEP * usual[place + 1]
        if is_step and usual[place] > COPY * scale:
            scale = float(usual[place])
    return scale


def duplicate_groups(pairs: np.ndarray, share: float = NEAR) -> DuplicateGroups:
    """Join pairs to groups as the module tells.

    Parameters
    ----------
    pairs : structured ndarray
        As `NearPairs.result` gives them.
    share : float
        The one that the pairs were found with.
    """
    n_exact = int(np.searchsorted(pairs["distance"], 0, side="right"))
    n_rows = int(pairs["second"].max(initial=-1)) + 1
    exact, near = pairs[:n_exact], pairs[n_exact:]
    copies = ConnectedComponents(n_rows)
    for block in _blocks(exact):
        copies.join(block["first"], block["second"])
    places = copies.result()
    nearest = np.full(n_rows, np.inf, np.float32)
    nearest[exact["first"]] = nearest[exact["second"]] = 0
    forest = _Forest(np.bincount(places), 2 * share)
    for block in _blocks(near):
        ends = places[block["first"]], places[block["second"]]
        joined = block[forest.join_all(*ends, block["distance"])]
        for end in ("first", "second"):
            np.minimum.at(nearest, joined[end], joined["distance"])
    rows = np.flatnonzero(np.isfinite(nearest))
    return _ordered(forest.roots[places[rows]], rows, nearest[rows])


class ConnectedComponents:
    """Connected components of a graph whose edges come in blocks: all of them are held nowhere.

    Parameters
    ----------
    n_nodes : int
    """

    def __init__(self, n_nodes: int) -> None:
        self.n_nodes = n_nodes
        # Of each node its component, as far as edges were joined.
        self._labels: np.ndarray | None = None
        self._size = n_nodes
        self._edges: list[np.ndarray] = []
        # So many edges that joining all nodes by them takes linear time.
        self._most = max(_BLOCK, n_nodes // 4)

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Take edges, given by their two ends."""
        self._edges.append(np.stack([first, second]))
        if sum(edges.shape[1] for edges in self._edges) >= self._most:
            self._settle()

    def merge(self, other: Self) -> None:
        """Take the edges of another of the same nodes."""
        if other._labels is not None:
            _, first = np.unique(other._labels, return_index=True)
            self.join(np.arange(self.n_nodes), first[other._labels])
        for edges in other._edges:
            self.join(*edges)

    def _settle(self) -> np.ndarray:
        labels = self._labels
        if labels is None:
            labels = np.arange(self.n_nodes, dtype=np.int32)
        if self._edges:
            ends = labels[np.concatenate(self._edges, axis=1)]
            ones = np.ones(ends.shape[1], np.int8)
            graph = coo_array((ones, tuple(ends)), (self._size, self._size))
            self._size, joined = connected_components(graph, directed=False)
            labels = joined[labels]
            self._edges = []
        self._labels = labels
        return labels

    def result(self) -> np.ndarray:
        """The component of each node, (n_nodes,) int32: 0, 1, … in the order of their first
        nodes."""
        return self._settle()


def _blocks(pairs: np.ndarray) -> Iterator[np.ndarray]:
    return (pairs[start : start + _BLOCK] for start in range(0, len(pairs), _BLOCK))


class _Forest:
    """Groups of places, each with the way from its root to every place, of `longest` at most.

    Places are numbered by their first rows; the larger group, in rows, keeps its root, and of
    groups alike the one of the lower root. The places of a group are a ring of `following` ones.
    """

    def __init__(self, sizes: np.ndarray, longest: float) -> None:
        self.longest = longest
        self.roots = np.arange(len(sizes), dtype=np.int32)
        self._root = _numbers(self.roots)
        self._following = _numbers(self.roots.copy())
        self._size = _numbers(sizes.astype(np.int32))
        self._way = _numbers(np.zeros(len(sizes)))
        self._reach = _numbers(np.zeros(len(sizes)))

    def join_all(self, first: np.ndarray, second: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """Bring the ends of pairs into one group, pair after pair, where the ways allow it; tell
        of which pairs (bool) the ends then were in one."""
        root, size, way, reach = self._root, self._size, self._way, self._reach
        joined = np.zeros(len(distances), bool)
        pairs = zip(first.tolist(), second.tolist(), distances.tolist(), strict=True)
        for number, (large, small, distance) in enumerate(pairs):
            kept, lost = root[large], root[small]
            if (-size[lost], lost) < (-size[kept], kept):
                kept, lost, large, small = lost, kept, small, large
            between = way[large] + distance + way[small]
            if kept != lost and between + reach[lost] <= self.longest:
                self._take(kept, lost, between)
            joined[number] = root[small] == kept
        return joined

    def _take(self, kept: int, lost: int, between: float) -> None:
        root, following, place = self._root, self._following, lost
        while root[place] != kept:
            root[place] = kept
            self._way[place] += between
            place = following[place]
        following[kept], following[lost] = following[lost], following[kept]
        self._size[kept] += self._size[lost]
        self._reach[kept] = max(self._reach[kept], between + self._reach[lost])


def _numbers(array: np.ndarray) -> Any:
    """An array's memory as Python's numbers, one by one: an array would give slower ones."""
    return array.data


def common_groups(sets: Iterable[DuplicateGroups]) -> DuplicateGroups:
    """Rows that are together in every set's groups; of their distances, the largest is told.

    Of an iterator, two sets are held at a time.
    """
    return functools.reduce(_common_of_two, sets)


def _common_of_two(one: DuplicateGroups, other: DuplicateGroups) -> DuplicateGroups:
    row = np.intersect1d(one.row, other.row, assume_unique=True)
    places = [_places(groups.row, row) for groups in (one, other)]
    keys = one.group[places[0]] * (other.group.max(initial=0) + 1) + other.group[places[1]]
    _, labels, counts = np.unique(keys, return_inverse=True, return_counts=True)
    together = counts[labels] > 1
    distance = np.maximum(one.distance[places[0]], other.distance[places[1]])
    return _ordered(labels[together], row[together], distance[together])


def _places(among: np.ndarray, rows: np.ndarray) -> np.ndarray:
    order = np.argsort(among)
    return order[np.searchsorted(among, rows, sorter=order)]


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


BYTES_A_ROW = 168
DUPLICATES_FILE = "duplicates.csv"


@dataclass(frozen=True)
class FindDuplicates(Step):
    """Write duplicates.csv: rows that nearly coincide in every set."""

    name = "duplicates"
    sets: Sequence[str]

    def needs(self, on: CaseShapes) -> list[Need]:
        """The pairs, were every row a duplicate, and the graph's blocks."""
        block = graph_chunk(on, self.sets) * on.settings.n_neighbors * (8 + 4 + 16)
        held = on.n_rows * BYTES_A_ROW + 16 * MIB
        return [Need(fixed=held, per_block=2 * block)]

    def fingerprint(self, job: Job) -> str:
        graphs = [SetOutliers(job.workspace, name).neighbors for name in self.sets]
        made_of = [graph.fingerprint for graph in graphs]
        return fingerprint(self.name, 3, made_of, paths_fingerprint(job.workspace))

    def restore(self, job: Job, mark: str) -> bool:
        return job.outputs.is_current(DUPLICATES_FILE, mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        share = NEAR if len(self.sets) == 1 else NEAR_IN_SEVERAL
        groups = common_groups(_of_set(job, passes, name, share) for name in self.sets)
        job.outputs.table(DUPLICATES_FILE, COLUMNS, _lines(job, groups), mark)


def _lines(job: Job, groups: DuplicateGroups) -> Iterator[dict[str, Any]]:
    for part, paths in parts_with_paths(job.workspace, groups.row):
        yield from groups[part].lines(paths)


def _of_set(job: Job, passes: Passes, name: str, share: float) -> DuplicateGroups:
    stored = SetOutliers(job.workspace, name)
    scale = set_scale(stored.neighbors, passes, job.settings.random_state)
    rows = stored.neighbors.rows.having(valid=stored.rows.valid, numbered=True)
    pairs = passes.reduce(f"{name}: near pairs", rows, NearPairs(scale, share)).result()
    return duplicate_groups(pairs, share)
