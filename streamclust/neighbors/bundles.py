"""Rows brought into the order of their cells, through files by an external counting sort; and the
neighbours of a bundle of them: searched in the cells they probe, kept in a file."""

import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from streamclust.neighbors.candidates import Members, as_members
from streamclust.neighbors.cells import CellFinder, Cells
from streamclust.neighbors.search import Neighbors, Search
from streamclust.passes import Passes, Rows, Span

# Rows of a bundle, which one task holds and searches for; a cell with more of them is cut.
BUNDLE_ROWS = 16_384

# Queries, and rows that they are compared with.
Shown = Iterable[tuple[np.ndarray, Members]]


@dataclass(frozen=True)
class Bundle:
    """Cells `first` to `last` (exclusive); of one that is cut, its rows `start` to `stop`."""

    number: int
    first: int
    last: int
    start: int
    stop: int


@dataclass(frozen=True)
class Shuffled:
    """All rows as records in the order of their cells, cut into bundles.

    A record is a row with its number, the cells it probes, nearest first (the first is its own),
    and its group. Within a cell, records are in order of their numbers.

    Parameters
    ----------
    folder : pathlib.Path
    dtype : numpy.dtype
        Of a record.
    counts : ndarray of int64 of shape (n_blocks, n_cells)
        Rows of each block that lie in each cell.
    alone : int
        If given, each cell is a bundle of its own, cut where it has more rows than that.
    """

    folder: Path
    dtype: np.dtype
    counts: np.ndarray
    alone: int = 0

    @cached_property
    def sizes(self) -> np.ndarray:
        """Rows of each cell."""
        return self.counts.sum(axis=0)

    @cached_property
    def bundles(self) -> list[Bundle]:
        """Consecutive cells of BUNDLE_ROWS rows at most together, and parts of larger ones."""
        if self.alone:
            return list(_bundles(self.sizes, self.alone, together=0))
        return list(_bundles(self.sizes, BUNDLE_ROWS, together=BUNDLE_ROWS))

    @cached_property
    def _bundle_of(self) -> np.ndarray:
        numbers = np.empty(len(self.sizes), np.int64)
        for bundle in reversed(self.bundles):  # of a cell that is cut, its first
            numbers[bundle.first : bundle.last] = bundle.number
        return numbers

    def block_file(self, number: int) -> Path:
        return self.folder / f"block-{number:06}.rows"

    def bundle_file(self, number: int) -> Path:
        return self.folder / f"bundle-{number:06}.rows"

    def runs(self, bundle: Bundle) -> np.ndarray:
        """First record and number of records (n_blocks, 2) of a bundle in each block's file."""
        cells = self.counts[:, bundle.first : bundle.last].sum(axis=1)
        before = np.cumsum(cells) - cells
        skipped = np.clip(bundle.start - before, 0, cells)
        taken = np.clip(bundle.stop - before, 0, cells) - skipped
        return np.stack([self.counts[:, : bundle.first].sum(axis=1) + skipped, taken], axis=1)

    def read(self, bundle: Bundle) -> np.ndarray:
        """All records of a bundle."""
        return np.fromfile(self.bundle_file(bundle.number), self.dtype)

    def read_cell(self, cell: int) -> np.ndarray:
        """The records of a cell; of one that is cut, those of its first bundle."""
        bundle = self.bundles[self._bundle_of[cell]]
        start = int(self.sizes[bundle.first : cell].sum())
        count = int(min(self.sizes[cell], bundle.stop - bundle.start))
        offset = start * self.dtype.itemsize
        return np.fromfile(self.bundle_file(bundle.number), self.dtype, count, offset=offset)


def _bundles(sizes: np.ndarray, most: int, *, together: int) -> Iterator[Bundle]:
    number = first = 0
    while first < len(sizes):
        ends = np.cumsum(sizes[first:])
        last = first + max(1, int(np.searchsorted(ends, together, side="right")))
        n_rows = int(sizes[first:last].sum())
        n_parts = max(1, -(-n_rows // most))
        edges = np.linspace(0, n_rows, n_parts + 1).astype(int)
        for start, stop in itertools.pairwise(edges):
            yield Bundle(number, first, last, int(start), int(stop))
            number += 1
        first = last


def members_of(records: np.ndarray) -> Members:
    """The records' rows without the cells they probe."""
    groups = records["group"].copy() if "group" in (records.dtype.names or ()) else None
    values = np.ascontiguousarray(records["values"])
    return Members(values, records["number"].copy(), groups)


def shuffle(
    rows: Rows, cells: Cells, probes: int, folder: Path, passes: Passes, copies_alone: int = 0
) -> Shuffled:
    """Bring the rows into the order of their cells; what is in the folder is not done again.

    Parameters
    ----------
    rows : Rows
        With their groups as the only extra, if there are any.
    cells : Cells
    probes : int
        Cells nearest to a row that it keeps.
    folder : pathlib.Path
        Gets a file of each block, then of each bundle: twice the rows and 8 to 40 bytes a row.
    passes : Passes
    copies_alone : int
        If given, a row is put in all the cells it would probe, which are bundles of their own,
        cut where they have more rows than that.
    """
    kept = 1 if copies_alone else min(probes, len(cells))
    fields: list[tuple] = [("number", np.int64), ("probes", np.uint16, (kept,))]
    if rows.extras:
        fields.append(("group", np.int64))
    fields.append(("values", np.float32, (rows.n_columns,)))
    dtype = np.dtype(fields)
    make_finder = functools.partial(CellFinder, count=probes)
    (finder,) = passes.map("seeding cells", make_finder, [cells], "level")
    empty = Shuffled(folder, dtype, np.empty((0, 0)), copies_alone)
    sort = _SortBlock(rows.having(numbered=True), finder, empty)
    counts = passes.map("sorting rows by cell", sort, rows.spans(), "block")
    shuffled = replace(empty, counts=np.stack(counts))
    passes.map("gathering cells", _Gather(shuffled), shuffled.bundles, "bundle")
    for number in range(len(counts)):
        shuffled.block_file(number).unlink(missing_ok=True)
    return shuffled


@dataclass(frozen=True)
class _SortBlock:
    """Writes a block's records in the order of their cells, and tells how many each has."""

    rows: Rows
    finder: CellFinder
    files: Shuffled

    def __call__(self, span: Span) -> np.ndarray:
        file = self.files.block_file(span.start // self.rows.rows_a_block)
        counts_file = file.with_suffix(".counts")
        if counts_file.exists():
            return np.fromfile(counts_file, np.int64)
        block = self.rows.read(span)
        groups = block.extras[0] if self.rows.extras else None
        members = as_members(block.values, block.extras[-1], groups, self.finder.cells.shift)
        del block
        probes = self.finder(members.values)
        if self.files.alone:
            members = members[np.tile(np.arange(len(members)), probes.shape[1])]
            probes = probes.T.reshape(-1, 1)
        records = np.empty(len(members), self.files.dtype)
        records["values"], records["number"] = members.values, members.numbers
        records["probes"] = probes
        if members.groups is not None:
            records["group"] = members.groups
        del members
        save(file, records[np.argsort(probes[:, 0], kind="stable")])
        counts = np.bincount(probes[:, 0], minlength=len(self.finder.cells))
        save(counts_file, counts)
        return counts


@dataclass(frozen=True)
class _Gather:
    """Writes a bundle's records out of the files of all blocks."""

    shuffled: Shuffled

    def __call__(self, bundle: Bundle) -> None:
        target = self.shuffled.bundle_file(bundle.number)
        if target.exists():
            return
        dtype = self.shuffled.dtype
        parts = [
            np.fromfile(
                self.shuffled.block_file(number), dtype, count, offset=first * dtype.itemsize
            )
            for number, (first, count) in enumerate(self.shuffled.runs(bundle))
            if count
        ]
        records = np.concatenate(parts) if parts else np.empty(0, dtype)
        save(target, records[np.argsort(records["probes"][:, 0], kind="stable")])


def save(file: Path, records: np.ndarray) -> None:
    """Write a file that is there whole or not at all."""
    unfinished = file.with_name(f".{file.name}")
    records.tofile(unfinished)
    os.replace(unfinished, file)


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
