"""Neighbours by NN-descent in overlapping shards of the rows, merged row by row: in each shard by
pynndescent, with its gaps filled and its distances taken anew.

Source: Dong, Moses & Li 2011, "Efficient k-nearest neighbor graph construction for generic
similarity measures", WWW. What it needs is compiled in each process, which takes about 20 s, and
twice that for the first time on a machine: pynndescent keeps on disk what it can. Keeping the rest
too was tried (numba told to keep everything while pynndescent is imported): 10 s are left, since
numba refuses the outermost functions, at the price of changing numba under others that use it.
"""

import threading
from dataclasses import dataclass

import numpy as np

from streamclust.memory import MIB
from streamclust.neighbors.bundles import Bundle, SearchBundle, members_of
from streamclust.neighbors.candidates import Members, Pairs
from streamclust.neighbors.search import Neighbors, Search, nearest_among

# Candidates asked for beyond k; of rows with groups, in multiples of k, since the nearest rows of
# most are of their own group.
_SPARE = 5
_SPARE_TIMES = 3
_PIECE_ROWS = 2048
# Measured: pynndescent, numba and what they compile.
COMPILED = 330 * MIB
# Measured, in bytes a candidate of each row, of NN-descent and of its heaps' growth.
_HELD_A_CANDIDATE = 40

# Numba's threading layers may forbid two at once, and their memory would add up.
_one_at_a_time = threading.Lock()


def candidates_a_row(k: int, *, grouped: bool) -> int:
    """Candidates that NN-descent is asked for, the row itself included."""
    return k + _SPARE + 1 + (_SPARE_TIMES * k if grouped else 0)


def descent_bytes(n_rows: int, k: int, *, grouped: bool) -> int:
    """Memory that NN-descent holds besides the rows and the libraries."""
    return n_rows * candidates_a_row(k, grouped=grouped) * _HELD_A_CANDIDATE


def descend(members: Members, k: int, seed: int) -> tuple[Neighbors, Neighbors | None]:
    """Find each row's k nearest others, and with groups those of distinct groups.

    Parameters
    ----------
    members : Members
        More than `candidates_a_row`.
    k : int
    seed : int
        The same gives the same neighbours, on any number of threads: one is used.

    Returns
    -------
    plain : Neighbors
    of_groups : Neighbors or None
    """
    candidates = _candidates(members, k, seed)
    plain = Neighbors.none(len(members), k)
    of_groups = None if members.groups is None else Neighbors.none(len(members), k)
    for start in range(0, len(members), _PIECE_ROWS):
        part = slice(start, start + _PIECE_ROWS)
        search = Search(members[part], k)
        search.compare(*_distinct(candidates[part]), members)
        plain.replace(part, search.result())
        if of_groups is not None:
            of_groups.replace(part, search.result(of_groups=True))
    complete = plain.complete if of_groups is None else plain.complete & of_groups.complete
    lacking = np.flatnonzero(~complete)
    if len(lacking):
        again, of_others = nearest_among(members[lacking], members, k)
        plain.replace(lacking, again)
        if of_groups is not None and of_others is not None:
            of_groups.replace(lacking, of_others)
    return plain, of_groups


def _candidates(members: Members, k: int, seed: int) -> np.ndarray:
    """Positions (n_rows, n_candidates) of rows that may be near; below 0 where none was found."""
    from pynndescent import NNDescent  # type: ignore[import-untyped]

    count = min(candidates_a_row(k, grouped=members.groups is not None), len(members))
    with _one_at_a_time:
        # Two threads find other neighbours than one.
        model = NNDescent(members.values, n_neighbors=count, random_state=seed, n_jobs=1)
        return model.neighbor_graph[0]


def _distinct(candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and their candidates, each once."""
    ordered = np.sort(candidates, axis=1)
    fresh = ordered >= 0
    fresh[:, 1:] &= ordered[:, 1:] > ordered[:, :-1]
    rows, columns = np.nonzero(fresh)
    return rows, ordered[rows, columns].astype(np.int64)


# Rows of a shard at most, copies included; a larger one is cut.
SHARD_ROWS = 65_536
# Rows of a shard on the average, without the copies that the overlap adds, up to four times them.
_OWN_ROWS = 16_384
# Below this all rows are compared with all, which is as fast and exact.
SMALL_SHARD = 4096


def number_of_shards(n_rows: int) -> int:
    """Shards of so many rows, whatever the overlap and the memory given."""
    return max(1, -(-n_rows // _OWN_ROWS))


@dataclass(frozen=True)
class SearchShard(SearchBundle):
    """Writes the neighbours that a shard's rows have in it, unless they are there already.

    Parameters
    ----------
    shuffled : Shuffled
        With a copy of each row in each of its shards.
    k : int
    sampled : ndarray of int64
    seed : int
        Of NN-descent.
    """

    seed: int = 0

    @property
    def dtype(self) -> np.dtype:
        plain = SearchBundle.dtype.fget(self)  # type: ignore[attr-defined]
        if not self.grouped:
            return plain
        return np.dtype([*plain.descr, ("codes", np.int64, (self.k,))])

    def is_large(self, bundle: Bundle) -> bool:
        """Whether NN-descent pays in a shard."""
        return bundle.stop - bundle.start >= SMALL_SHARD

    def _search(self, bundle: Bundle) -> np.ndarray:
        members = members_of(self.shuffled.read(bundle))
        if self.is_large(bundle):
            plain, of_groups = descend(members, self.k, self.seed)
        else:
            plain, of_groups = nearest_among(members, members, self.k)
        records = self._records(members, [plain] if of_groups is None else [plain, of_groups])
        if self.grouped:
            records["codes"] = _codes(members, records["grouped"])
        return records

    def merged(self, records: np.ndarray) -> np.ndarray:
        numbers, rows = np.unique(records["number"], return_inverse=True)
        merged = np.empty(len(numbers), self.dtype)
        merged["number"] = numbers
        for name in self.names:
            at, place = np.nonzero(records[name] >= 0)
            others = records[name][at, place]
            # What two shards found is one neighbour, as rows of one group are.
            same = records["codes"][at, place] if name == "grouped" else others
            squares = np.square(records[f"{name} distances"][at, place])
            pairs = Pairs(rows[at].astype(np.int32), squares, others, same)
            nearest = pairs[pairs.nearest(self.k, of_groups=True)]
            neighbors = Neighbors.placed(len(numbers), self.k, nearest)
            merged[name], merged[f"{name} distances"] = neighbors.indices, neighbors.distances
        return merged


def _codes(members: Members, numbers: np.ndarray) -> np.ndarray:
    """Codes of the groups of rows of a shard, given by number or -1."""
    assert members.groups is not None
    order = np.argsort(members.numbers)
    places = np.searchsorted(members.numbers, numbers, sorter=order)
    return np.where(numbers < 0, -1, members.groups[order[places]])
