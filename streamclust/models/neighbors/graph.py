"""The k nearest neighbours of all rows, out of core: an inverted file searched cell by cell.

Rows are partitioned into cells by k-means, and each row is compared with the rows of the cells
nearest to it (IVF: Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search",
IEEE TPAMI 33(1); without the quantization). Rows wait in files in the order of their cells, so a
task reads the cells it needs in whole runs and holds one bundle of rows and one cell.

NN-descent (pynndescent) is the other way, in overlapping shards. On 416,314 x 64 in memory it was
measured to be as fast for the same recall once it is compiled, which takes 20 to 40 seconds in each
process, and its libraries alone hold 290 MiB: hence it is used on request only.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamclust.accumulators.sample import UniformSample
from streamclust.memory import return_freed_memory
from streamclust.models.neighbors.bundles import SearchAll, SearchBundle, Unshuffle
from streamclust.models.neighbors.cells import Cells, fit_cells, sample_size
from streamclust.models.neighbors.pairs import as_members
from streamclust.models.neighbors.recall import SAMPLED_ROWS, NearestDistances, Recall, recall_of
from streamclust.models.neighbors.settings import GraphSettings
from streamclust.models.neighbors.shards import SHARD_ROWS, SearchShard
from streamclust.models.neighbors.shuffle import Shuffled, shuffle
from streamclust.passes import Passes, Rows


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

    Returns
    -------
    GraphReport
    """
    rows = rows.having(rows_a_block=min(rows.rows_a_block, outputs[0].chunks[0]))
    numbered = rows.having(numbered=True)
    grouped = rows if groups is None else rows.having(extras=(groups,))
    n_cells = settings.n_cells(rows.n_rows)
    drawn = _draw(numbered, sample_size(n_cells), settings.seed, passes)
    cells = fit_cells(drawn[0], n_cells, settings.seed, passes)
    # Another sample: rows that cells were learned from are better off than others.
    drawn = _draw(numbered, SAMPLED_ROWS, settings.seed + 1, passes)
    judge = _judge(drawn, cells.shift, settings.n_neighbors)
    sampled = judge.queries.numbers
    true = passes.reduce("exact neighbours of a sample", numbered, judge).result()
    del drawn
    return_freed_memory()
    efforts = settings.efforts(len(cells))
    for effort, more in itertools.zip_longest(efforts, efforts[1:]):
        folder = scratch / f"{settings.algorithm}-{effort}"
        folder.mkdir(parents=True, exist_ok=True)
        search = _search(grouped, settings, cells, effort, sampled, folder, passes)
        bundles = search.shuffled.bundles
        found = passes.map("searching neighbours", search, bundles, "bundle")
        recall = recall_of(_distances(search, found, true.shape), true)
        if recall.share >= settings.recall or more is None:
            break
        searched = "shards" if settings.algorithm == "nn_descent" else "cells"
        passes.events.warn(
            f"recall {recall.share:.3f} with {effort} {searched} searched for each row: "
            f"{more} are searched to reach {settings.recall:g}"
        )
    unshuffle = Unshuffle(search, rows.rows_a_block)
    passes.write("writing neighbours", numbered, unshuffle, outputs)
    probes = len(cells) if settings.algorithm == "exact" else effort
    return _report(recall, probes, search.shuffled)


def _draw(numbered: Rows, size: int, seed: int, passes: Passes) -> list[np.ndarray]:
    """Values and numbers of sampled rows; a row of zeros where there are none."""
    drawn = passes.reduce("sampling rows", numbered, UniformSample(size, seed)).result()
    return drawn or [np.zeros((1, numbered.n_columns), np.float32), np.array([-1])]


def _judge(drawn: list[np.ndarray], shift: np.ndarray, k: int) -> NearestDistances:
    """What finds the true neighbours of sampled rows."""
    order = np.argsort(drawn[1])
    queries = as_members(drawn[0][order], drawn[1][order], None, shift)
    return NearestDistances(queries, k, shift)


def _search(
    rows: Rows,
    settings: GraphSettings,
    cells: Cells,
    effort: int,
    sampled: np.ndarray,
    folder: Path,
    passes: Passes,
) -> SearchBundle:
    """Bring the rows into the order of their cells, or shards, for what searches them."""
    if settings.algorithm == "nn_descent":
        shuffled = shuffle(rows, cells, effort, folder, passes, copies_alone=SHARD_ROWS)
        descent = SearchShard(shuffled, settings.n_neighbors, sampled, settings.seed)
        if any(map(descent.is_large, shuffled.bundles)):
            passes.events.note("compiling pynndescent once in each process, about 30 s")
        return descent
    shuffled = shuffle(rows, cells, effort, folder, passes)
    search = SearchAll if settings.algorithm == "exact" else SearchBundle
    return search(shuffled, settings.n_neighbors, sampled)


def _distances(search: SearchBundle, found: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Distances of the sampled rows' neighbours, in the order of the sample."""
    distances = np.full(shape, np.inf, np.float32)
    records = search.merged(np.concatenate(found))
    distances[np.searchsorted(search.sampled, records["number"])] = records["plain distances"]
    return distances


def _report(recall: Recall, probes: int, shuffled: Shuffled) -> GraphReport:
    sizes = shuffled.sizes
    return GraphReport(recall, probes, len(sizes), int(sizes.max()), len(shuffled.bundles))
