"""Neighbours by NN-descent in overlapping shards of the rows, merged row by row."""

from dataclasses import dataclass

import numpy as np

from streamclust.models.neighbors.bundles import SearchBundle
from streamclust.models.neighbors.descent import descend
from streamclust.models.neighbors.exact import nearest_among
from streamclust.models.neighbors.pairs import Members, Pairs
from streamclust.models.neighbors.search import Neighbors
from streamclust.models.neighbors.shuffle import Bundle, members_of

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
        own = members_of(self.shuffled.read(bundle))
        if self.is_large(bundle):
            plain, of_groups = descend(own, self.k, self.seed)
        else:
            plain, of_groups = nearest_among(own, own, self.k)
        records = self._records(own, [plain] if of_groups is None else [plain, of_groups])
        if self.grouped:
            records["codes"] = _codes(own, records["grouped"])
        return records

    def merged(self, records: np.ndarray) -> np.ndarray:
        numbers, rows = np.unique(records["number"], return_inverse=True)
        merged = np.empty(len(numbers), self.dtype)
        merged["number"] = numbers
        for name in self.names:
            at, place = np.nonzero(records[name] >= 0)
            found = records[name][at, place]
            # What two shards found is one neighbour, as rows of one group are.
            same = records["codes"][at, place] if name == "grouped" else found
            squares = np.square(records[f"{name} distances"][at, place])
            pairs = Pairs(rows[at].astype(np.int32), squares, found, same)
            nearest = pairs[pairs.nearest(self.k, of_groups=True)]
            neighbors = Neighbors.placed(len(numbers), self.k, nearest)
            merged[name], merged[f"{name} distances"] = neighbors.indices, neighbors.distances
        return merged


def _codes(own: Members, numbers: np.ndarray) -> np.ndarray:
    """Codes of the groups of rows of a shard, given by number or -1."""
    assert own.groups is not None
    order = np.argsort(own.numbers)
    places = np.searchsorted(own.numbers, numbers, sorter=order)
    return np.where(numbers < 0, -1, own.groups[order[places]])
