"""Scores by references or by the neighbour graph, of training rows and of new ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamclust.neighbors.graph import neighbor_graph
from streamclust.neighbors.pairs import as_members
from streamclust.neighbors.search import Neighbors, Search
from streamclust.neighbors.settings import GraphSettings
from streamclust.outliers.lof import LocalOutlierFactor, NeighborDistances, ReachabilityDensity
from streamclust.outliers.references import ReferenceDistances
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes, Transform

# New rows that are scored at once, and training rows that they are compared with at once.
BLOCK_ROWS = 8192


class _Output:
    """An array that passes write, as they write Zarr arrays."""

    fill_value = np.nan

    def __init__(self, array: np.ndarray, rows_a_block: int) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype
        self.chunks = (rows_a_block, *array.shape[1:])

    def __setitem__(self, part: slice, values: np.ndarray) -> None:
        self.array[part] = values


def column(passes: Passes, name: str, rows: Rows, transform: Transform) -> np.ndarray:
    """What a transform makes of each row, (n_rows,) float64."""
    told = np.empty(rows.n_rows)
    passes.write(name, rows, transform, [_Output(told, rows.rows_a_block)])
    return told


def stored_graph(rows: Rows, settings: GraphSettings, passes: Passes, folder: Path) -> Rows:
    """Distances to the nearest neighbours as rows, with their numbers, in files of a folder."""
    shape = (rows.n_rows, settings.n_neighbors)
    indices = np.memmap(folder / "indices", np.int64, "w+", shape=shape)
    distances = np.memmap(folder / "distances", np.float32, "w+", shape=shape)
    outputs = [_Output(array, rows.rows_a_block) for array in (indices, distances)]
    neighbor_graph(rows, settings, passes, folder, outputs)
    return Rows(distances, extras=(indices,))


class ReferenceScore:
    """Distances to reference samples as a transform, of numbered training rows or of new ones."""

    def __init__(self, distances: ReferenceDistances) -> None:
        self.distances = distances

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        numbers = extras[-1] if extras else self._identical(values)
        return self.distances(values, numbers)[:1]

    def _identical(self, values: np.ndarray) -> np.ndarray:
        """Numbers of the references that rows are copies of, -1 for all others."""
        known = self.distances
        places = zip(known.order, known.numbers, strict=True)
        numbers = {hash(known.rows[place].tobytes()): number for place, number in places}
        own = (hash((row - known.center).tobytes()) for row in values)
        return np.array([numbers.get(key, -1) for key in own], np.int64)


class GraphScore:
    """Scores of new rows by their neighbours among the training rows, as a transform."""

    def __init__(self, rows: Rows, n_neighbors: int, measure: Transform) -> None:
        self.rows = rows
        self.n_neighbors = n_neighbors
        self.measure = measure

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        found = _nearest(values, self.rows, self.n_neighbors)
        return self.measure(found.distances, found.indices)


def kth_distance(distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
    """Distance to the last of the neighbours, as a transform."""
    return NeighborDistances()(distances, indices)[:1]


def mean_distance(distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean distance to the neighbours, as a transform."""
    return NeighborDistances()(distances, indices)[1:]


@dataclass(frozen=True)
class Factor:
    """Local outlier factor as a transform, by what is known (n_rows,) of the training rows."""

    kth: np.ndarray
    density: np.ndarray

    def __call__(self, distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        (own,) = ReachabilityDensity(self.kth)(distances, indices)
        return LocalOutlierFactor(self.density)(distances, indices, own)


def _nearest(values: np.ndarray, rows: Rows, k: int) -> Neighbors:
    """The k nearest of all `rows` to each of some new ones, less one that is identical."""
    rows = rows.having(numbered=True, rows_a_block=min(rows.rows_a_block, BLOCK_ROWS))
    shift = rows.array[: rows.rows_a_block].mean(axis=0)
    search = Search(as_members(values, np.full(len(values), -1), None, shift), k + 1)
    for span in rows.spans():
        block = rows.read(span)
        shown = as_members(block.values, block.extras[0], None, shift)
        search.see(np.arange(len(values)), shown)
    found = search.result()
    places = np.arange(k) + (found.distances[:, :1] == 0)
    return Neighbors(
        np.take_along_axis(found.indices, places, axis=1),
        np.take_along_axis(found.distances, places, axis=1),
    )
