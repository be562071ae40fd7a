"""The neighbours of a bundle's rows: searched in the cells they probe, kept in a file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamclust.neighbors.candidates import Members
from streamclust.neighbors.search import Neighbors, Search
from streamclust.neighbors.shuffle import Bundle, Shuffled, members_of, save

# Queries, and rows that they are compared with.
Shown = Iterable[tuple[np.ndarray, Members]]


@dataclass(frozen=True)
class SearchBundle:
    """Writes the neighbours of a bundle's rows, by row number, unless they are there already.

    Parameters
    ----------
    shuffled : Shuffled
    k : int
    sampled : ndarray of int64
        Numbers of rows whose neighbours are told.
    """

    shuffled: Shuffled
    k: int
    sampled: np.ndarray

    @property
    def grouped(self) -> bool:
        """Whether neighbours of distinct groups are found besides the plain ones."""
        return "group" in (self.shuffled.dtype.names or ())

    @property
    def names(self) -> list[str]:
        """The lists written of each row."""
        return ["plain", "grouped"] if self.grouped else ["plain"]

    @property
    def dtype(self) -> np.dtype:
        """Of what is written of a row."""
        fields: list[tuple] = [("number", np.int64)]
        for name in self.names:
            fields += [(name, np.int64, (self.k,)), (f"{name} distances", np.float32, (self.k,))]
        return np.dtype(fields)

    def file(self, bundle: Bundle) -> Path:
        """Where a bundle's neighbours are kept."""
        return self.shuffled.folder / f"neighbors-{bundle.number:06}.rows"

    def __call__(self, bundle: Bundle) -> np.ndarray:
        """What is written of the bundle's sampled rows."""
        if not self.file(bundle).exists():
            save(self.file(bundle), self._search(bundle))
        found = np.fromfile(self.file(bundle), self.dtype)
        return found[np.isin(found["number"], self.sampled)]

    def _search(self, bundle: Bundle) -> np.ndarray:
        records = self.shuffled.read(bundle)
        members, probes = members_of(records), records["probes"].copy()
        del records
        search = Search(members, self.k)
        _feed(search, self._shown(bundle, members, probes))
        lists = [search.result()]
        if bundle.start:
            self._tie(members, bundle, lists[0])
        if self.grouped:
            lists.append(self._of_groups(bundle, search, probes))
        return self._records(members, lists)

    def _tie(self, members: Members, bundle: Bundle, plain: Neighbors) -> None:
        """Put the nearest row of the first part of a cell that is cut first, where none is nearer:
        so copies of one row hang together, however many parts they fill."""
        search = Search(replace(members, groups=None), 1)
        search.see(np.arange(len(members)), members_of(self.shuffled.read_cell(bundle.first)))
        nearest = search.result()
        as_near = np.flatnonzero(nearest.distances[:, 0] <= plain.distances[:, 0])
        plain.put_first(as_near, nearest.indices[as_near, 0], nearest.distances[as_near, 0])

    def _of_groups(self, bundle: Bundle, search: Search, probes: np.ndarray) -> Neighbors:
        distinct = search.result(of_groups=True)
        lacking = np.flatnonzero(~distinct.complete)
        if len(lacking):
            again = Search(search.queries[lacking], search.k, thorough=True)
            _feed(again, self._shown(bundle, search.queries, probes[lacking]))
            distinct.replace(lacking, again.result(of_groups=True))
        return distinct

    def _shown(self, bundle: Bundle, members: Members, probes: np.ndarray) -> Shown:
        """The cells of each query, its own first: that bounds what the others may add."""
        lists = _Lists(self.shuffled, bundle, members)
        for columns in (probes[:, :1], probes[:, 1:]):
            for cell, which in _by_cell(columns):
                yield which, lists(cell)

    def _records(self, members: Members, lists: list[Neighbors]) -> np.ndarray:
        records = np.empty(len(members), self.dtype)
        records["number"] = members.numbers
        for name, neighbors in zip(self.names, lists, strict=True):
            records[name] = neighbors.indices
            records[f"{name} distances"] = neighbors.distances
        return records[np.argsort(members.numbers)]

    def merged(self, records: np.ndarray) -> np.ndarray:
        """All that is written of some rows, as one record a row in order of numbers."""
        return records[np.argsort(records["number"])]


class SearchAll(SearchBundle):
    """Compares a bundle's rows with the rows of all bundles, its own first."""

    def _shown(self, bundle: Bundle, members: Members, probes: np.ndarray) -> Shown:
        everyone = np.arange(len(probes))
        yield everyone, members
        for other in self.shuffled.bundles:
            if other != bundle:
                yield everyone, members_of(self.shuffled.read(other))


class _Lists:
    """Gives the rows of a cell: out of the bundle at hand, or from its file."""

    def __init__(self, shuffled: Shuffled, bundle: Bundle, own: Members) -> None:
        self.shuffled = shuffled
        self.bundle = bundle
        self.own = own
        sizes = shuffled.sizes[bundle.first : bundle.last]
        # Of a cell that is cut, the rows at hand are all that are searched.
        self.edges = np.minimum(np.concatenate([[0], np.cumsum(sizes)]), len(own))

    def __call__(self, cell: int) -> Members:
        if self.bundle.first <= cell < self.bundle.last:
            start, stop = self.edges[cell - self.bundle.first :][:2]
            return self.own[start:stop]
        return members_of(self.shuffled.read_cell(cell))


def _feed(search: Search, shown: Shown) -> None:
    for which, members in shown:
        search.see(which, members)


def _by_cell(probes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    cells = probes.ravel()
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.diff(cells[order].astype(np.int64), prepend=-1))
    for part in np.split(order, starts[1:]):
        if len(part):
            yield int(cells[part[0]]), part // probes.shape[1]


class Unshuffle:
    """Gathers the neighbours of a block's rows from the files of all bundles: a transform.

    Parameters
    ----------
    search : SearchBundle
        What wrote them.
    rows_a_block : int
        Of the blocks that were shuffled, and that this is called with.
    """

    def __init__(self, search: SearchBundle, rows_a_block: int) -> None:
        self.search = search
        self.rows_a_block = rows_a_block
        bundles = search.shuffled.bundles
        lengths = np.stack([search.shuffled.runs(bundle)[:, 1] for bundle in bundles])
        self.ends = np.cumsum(lengths, axis=1)
        self.starts = self.ends - lengths

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        numbers = extras[-1]  # Rows.numbered
        records = np.empty(0, self.search.dtype)
        if len(numbers):
            runs = list(self._runs(int(numbers[0]) // self.rows_a_block))
            records = self.search.merged(np.concatenate(runs))
        fields = [field for name in self.search.names for field in (name, f"{name} distances")]
        return tuple(np.ascontiguousarray(records[field]) for field in fields)

    def _runs(self, block: int) -> Iterator[np.ndarray]:
        dtype = self.search.dtype
        for bundle in self.search.shuffled.bundles:
            start, end = (int(edges[bundle.number, block]) for edges in (self.starts, self.ends))
            if end > start:
                file = self.search.file(bundle)
                yield np.fromfile(file, dtype, end - start, offset=start * dtype.itemsize)
