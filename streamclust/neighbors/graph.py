"""The k nearest neighbours of all rows, out of core: an inverted file searched cell by cell.

Rows are partitioned into cells by k-means, and each row is compared with the rows of the cells
nearest to it (IVF: Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search",
IEEE TPAMI 33(1); without the quantization). Rows wait in files in the order of their cells, so a
task reads the cells it needs in whole runs and holds one bundle of rows and one cell.

NN-descent (pynndescent) is the other way, in overlapping shards. On 416,314 x 64 in memory it was
measured to be as fast for the same recall once it is compiled, which takes 20 to 40 seconds in each
process, and its libraries alone hold 290 MiB: hence it is used on request only.

How many of the true neighbours a search finds, its recall, is estimated on a sample of rows; where
that is too few, more is searched.
"""

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import Need, return_freed_memory
from streamclust.neighbors.bundles import (
    BUNDLE_ROWS,
    SearchAll,
    SearchBundle,
    Shuffled,
    Unshuffle,
    shuffle,
)
from streamclust.neighbors.candidates import as_members
from streamclust.neighbors.cells import Cells, fit_cells, number_of_cells, sample_size
from streamclust.neighbors.search import HELD_A_NEIGHBOR, PRODUCT_BYTES, DistancesTo, NearestRows
from streamclust.neighbors.shards import (
    COMPILED,
    SHARD_ROWS,
    SearchShard,
    candidates_a_row,
    descent_bytes,
    number_of_shards,
)
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import UniformSample

MOST_PROBES = 64
MOST_OVERLAP = 4

SearchAlgorithm = Literal["auto", "exact", "nn_descent"]

SAMPLED_ROWS = 1000
# Distances this near to each other are equal: those of a product and its repetition.
_TIE = 1e-5


@dataclass(frozen=True)
class GraphSettings:
    """What graph is wanted.

    Parameters
    ----------
    n_neighbors : int
    probes : int
        Cells searched for each row; half as many more, up to 64, until `recall` is reached.
    recall : float
        Share of the true neighbours to be found, estimated on a sample of rows.
    seed : int
    algorithm : {"auto", "exact", "nn_descent"}
        "auto" searches the cells nearest to each row, and "exact" all rows, which takes time in
        proportion to the square of their number. "nn_descent" is pynndescent's within overlapping
        shards: measured to be no faster, with 20 to 40 seconds of compiling in each process.
    overlap : int
        Shards that NN-descent puts each row in; one more, up to 4, until `recall` is reached.

    Raises
    ------
    SettingsError
        A setting makes no sense, or NN-descent is asked for where pynndescent is not installed.
    """

    n_neighbors: int = 15
    probes: int = 18
    recall: float = 0.95
    seed: int = 0
    algorithm: str = "auto"
    overlap: int = 2

    def __post_init__(self) -> None:
        if self.n_neighbors < 1:
            raise SettingsError(f"a graph has at least 1 neighbour a row, not {self.n_neighbors}")
        if not 1 <= self.probes <= MOST_PROBES:
            raise SettingsError(f"1 to {MOST_PROBES} cells are searched, not {self.probes}")
        if not 0 <= self.recall <= 1:
            raise SettingsError(f"recall is a share from 0 to 1, not {self.recall}")
        if not 1 <= self.overlap <= MOST_OVERLAP:
            raise SettingsError(f"shards overlap 1 to {MOST_OVERLAP} times, not {self.overlap}")
        if self.algorithm not in get_args(SearchAlgorithm):
            known = ", ".join(get_args(SearchAlgorithm))
            raise SettingsError(f"algorithm is one of {known}, not {self.algorithm!r}")
        if self.algorithm == "nn_descent" and find_spec("pynndescent") is None:
            raise SettingsError("nn_descent needs pynndescent: pip install pynndescent, or auto")

    def n_cells(self, n_rows: int) -> int:
        """Cells, or shards, that so many rows are partitioned into."""
        return (number_of_shards if self.algorithm == "nn_descent" else number_of_cells)(n_rows)

    def efforts(self, n_cells: int) -> list[int]:
        """How many of the cells, or shards, are searched for each row, one try after another."""
        if self.algorithm == "exact":
            return [1]
        if self.algorithm == "nn_descent":
            return list(range(min(self.overlap, n_cells), min(MOST_OVERLAP, n_cells) + 1))
        efforts = [min(self.probes, n_cells)]
        while efforts[-1] < min(MOST_PROBES, n_cells):
            efforts.append(min(-(-3 * efforts[-1] // 2), n_cells, MOST_PROBES))
        return efforts


def graph_needs(rows: Rows, settings: GraphSettings, *, grouped: bool) -> list[Need]:
    """Memory of the sample that cells are learned from, of sorting blocks, and of searching.

    Parameters
    ----------
    rows : Rows
        Of the blocks that are read, 8 MiB each as a rule.
    settings : GraphSettings
    grouped : bool
        Whether rows have groups.
    """
    descending = settings.algorithm == "nn_descent"
    single = rows.n_columns * 4
    n_cells = settings.n_cells(rows.n_rows)
    sample = min(sample_size(n_cells), rows.n_rows) * (rows.row_bytes + 16)
    copies, probes = (MOST_OVERLAP, 1) if descending else (1, MOST_PROBES)
    record = single + 2 * probes + 16
    block = rows.rows_a_block * (2 * rows.row_bytes + 2 * copies * record)
    tables = 8 * n_cells * (2 * -(-rows.n_rows // rows.rows_a_block) + 16)
    k, lists = settings.n_neighbors, 2 if grouped else 1
    bundle_rows = min(SHARD_ROWS if descending else BUNDLE_ROWS, copies * rows.n_rows)
    list_bytes = 2 * 12 * k * lists
    bundle = bundle_rows * (2 * (record + single) + list_bytes) + PRODUCT_BYTES
    if descending:
        # One shard at a time is descended in; others wait with their rows and candidates.
        tables += COMPILED + descent_bytes(bundle_rows, k, grouped=grouped)
        bundle += 8 * bundle_rows * candidates_a_row(k, grouped=grouped)
    else:
        bundle += bundle_rows * k * lists * HELD_A_NEIGHBOR
    seeding = Need(fixed=4 * sample, per_block=2 * block)
    sorting = Need(fixed=tables, per_block=block)
    return [seeding, sorting, Need(fixed=tables, per_block=bundle)]


class Recall(NamedTuple):
    """An estimate, its standard error, and the number of rows it is taken from."""

    share: float
    error: float
    n_rows: int


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


class GraphReport(NamedTuple):
    """How a graph was made.

    Attributes
    ----------
    recall : Recall
        Of the plain neighbours, on a sample of rows.
    probes : int
        Cells, or shards, searched for each row.
    n_cells, largest_cell : int
        Number of cells, and of the rows of the largest.
    n_bundles : int
        Tasks that searched.
    """

    recall: Recall
    probes: int
    n_cells: int
    largest_cell: int
    n_bundles: int


def neighbor_graph(
    rows: Rows,
    settings: GraphSettings,
    passes: Passes,
    scratch: Path,
    outputs: Sequence[Any],
    groups: Any = None,
) -> GraphReport:
    """Find the k nearest other valid rows of each valid row and write them to `outputs`.

    The same scratch folder continues what was cut short: the caller gives one to each combination
    of rows, groups and settings, and deletes it at the end. It takes twice the rows and, with each
    row, 12 k bytes (24 k with groups) and 50; NN-descent takes that for each copy of a row.

    Parameters
    ----------
    rows : Rows
        Finite rows (n_rows, n_columns), without extras.
    settings : GraphSettings
    passes : Passes
    scratch : pathlib.Path
        A folder that all workers see.
    outputs : sequence of Zarr arrays of shape (n_rows, k)
        Row numbers (integers) and Euclidean distances (floats) of the neighbours, nearest first,
        chunked alike, in whole blocks of the rows or parts of one. With groups two more follow,
        of neighbours of which at most one is of each group, the row's own included. Where there
        are fewer than k they hold -1 and infinity, and rows that are not valid the fill values.
    groups : array-like of int of shape (n_rows,), optional
        Which rows belong together, such as the images of one vehicle: 0 to 2^39, below 0 for a
        row that belongs to none.
    """
    rows = rows.having(rows_a_block=min(rows.rows_a_block, outputs[0].chunks[0]))
    numbered = rows.having(numbered=True)
    grouped = rows if groups is None else rows.having(extras=(groups,))
    n_cells = settings.n_cells(rows.n_rows)
    (sample, _) = _draw(numbered, sample_size(n_cells), settings.seed, passes)
    cells = fit_cells(sample, n_cells, settings.seed, passes)
    del sample
    judged = _judged(numbered, cells.shift, settings, passes)
    return_freed_memory()
    tries = _Tries(grouped, settings, cells, judged, scratch, passes)
    search, effort, recall = tries.until_enough()
    unshuffle = Unshuffle(search, rows.rows_a_block)
    passes.write("writing neighbours", numbered, unshuffle, outputs)
    probes = len(cells) if settings.algorithm == "exact" else effort
    return _report(recall, probes, search.shuffled)


@dataclass(frozen=True)
class _Judged:
    """Sampled rows by which a search is judged, in order of their numbers.

    All in float64 from the rows as they are: what rounding hides from a search it must not hide
    from its judge.

    Parameters
    ----------
    values : ndarray of float64 of shape (n_sampled, n_columns)
    numbers : ndarray of int64 of shape (n_sampled,)
    true : ndarray of shape (n_sampled, k)
        Distances to their true neighbours.
    rows : Rows
        All rows, numbered.
    """

    values: np.ndarray
    numbers: np.ndarray
    true: np.ndarray
    rows: Rows

    def recall(self, records: np.ndarray, passes: Passes) -> Recall:
        """Of what a search wrote of the sampled rows."""
        found = np.full(self.true.shape, -1)
        found[np.searchsorted(self.numbers, records["number"])] = records["plain"]
        distances = DistancesTo(self.values, found)
        return recall_of(
            passes.reduce("judging neighbours", self.rows, distances, tell=DistancesTo.result),
            self.true,
        )


def _judged(numbered: Rows, shift: np.ndarray, settings: GraphSettings, passes: Passes) -> _Judged:
    # Another sample: rows that cells were learned from are better off than others.
    values, numbers = _draw(numbered, SAMPLED_ROWS, settings.seed + 1, passes)
    order = np.argsort(numbers)
    values, numbers = values[order], numbers[order]
    queries = as_members(values, numbers, None, shift, np.float64)
    nearest = NearestRows(queries, settings.n_neighbors, shift)
    told = passes.reduce("exact neighbours of a sample", numbered, nearest, tell=NearestRows.result)
    true = told.distances
    return _Judged(values.astype(np.float64), numbers, true, numbered)


def _draw(numbered: Rows, size: int, seed: int, passes: Passes) -> list[np.ndarray]:
    """Values and numbers of sampled rows; a row of zeros where there are none."""
    drawn = passes.reduce("sampling rows", numbered, UniformSample(size, seed)).result()
    return drawn or [np.zeros((1, numbered.n_columns), np.float32), np.array([-1])]


@dataclass(frozen=True)
class _Tries:
    """Searches with more and more effort, until the recall of a sample is what is wanted.

    Parameters
    ----------
    rows : Rows
        With their groups as the only extra, if there are any.
    settings : GraphSettings
    cells : Cells
    judged : _Judged
    scratch : pathlib.Path
    passes : Passes
    """

    rows: Rows
    settings: GraphSettings
    cells: Cells
    judged: _Judged
    scratch: Path
    passes: Passes

    def until_enough(self) -> tuple[SearchBundle, int, Recall]:
        """The search that found enough, or the last, its effort and its recall."""
        *efforts, last = self.settings.efforts(len(self.cells))
        for effort, more in itertools.pairwise([*efforts, last]):
            # What a search found is deleted before the next: only its recall tells that it failed.
            failed = self.scratch / f"{self.settings.algorithm}-{effort}.recall"
            if not failed.exists():
                search, recall = self._search(effort)
                if recall.share >= self.settings.recall:
                    return search, effort, recall
                failed.write_text(json.dumps(recall.share))
            shutil.rmtree(self._folder(effort), ignore_errors=True)
            self._tell(json.loads(failed.read_text()), effort, more)
        search, recall = self._search(last)
        if recall.share < self.settings.recall:
            self._tell(recall.share, last)
        return search, last, recall

    def _tell(self, share: float, effort: int, more: int | None = None) -> None:
        descends = self.settings.algorithm == "nn_descent"
        searched, wanted = "shards" if descends else "cells", f"{self.settings.recall:g}"
        line = f"recall {share:.3f} with {effort} {searched} searched for each row"
        if more is not None:
            self.passes.events.warn(f"{line}: {more} are searched to reach {wanted}")
            return
        others = "auto or exact" if descends else "exact, slow where rows are many,"
        self.passes.events.warn(
            f"{line}, below {wanted}: take --neighbors {others} where scores must not miss any"
        )

    def _folder(self, effort: int) -> Path:
        return self.scratch / f"{self.settings.algorithm}-{effort}"

    def _search(self, effort: int) -> tuple[SearchBundle, Recall]:
        search = self._prepared(effort)
        parts = self.passes.map("searching neighbours", search, search.shuffled.bundles, "bundle")
        records = search.merged(np.concatenate(parts))
        return search, self.judged.recall(records, self.passes)

    def _prepared(self, effort: int) -> SearchBundle:
        """Bring the rows into the order of their cells, or shards, for what searches them."""
        folder, k = self._folder(effort), self.settings.n_neighbors
        folder.mkdir(parents=True, exist_ok=True)
        if self.settings.algorithm == "nn_descent":
            return self._of_shards(effort, folder)
        shuffled = shuffle(self.rows, self.cells, effort, folder, self.passes)
        search = SearchAll if self.settings.algorithm == "exact" else SearchBundle
        return search(shuffled, k, self.judged.numbers)

    def _of_shards(self, effort: int, folder: Path) -> SearchBundle:
        settings = self.settings
        shuffled = shuffle(
            self.rows, self.cells, effort, folder, self.passes, copies_alone=SHARD_ROWS
        )
        descent = SearchShard(shuffled, settings.n_neighbors, self.judged.numbers, settings.seed)
        if any(map(descent.is_large, shuffled.bundles)):
            self.passes.events.note("compiling pynndescent once in each process, about 30 s")
        return descent


def _report(recall: Recall, probes: int, shuffled: Shuffled) -> GraphReport:
    sizes = shuffled.sizes
    return GraphReport(recall, probes, len(sizes), int(sizes.max()), len(shuffled.bundles))
