"""How many rows there are: of pairs of codes, and of each cluster at the places of a plane."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

# Rows projected at once, so that their float64 copy stays in cache.
PIECE_ROWS = 4096

# The ends of the data are shown instead of clipped if that widens an axis by no more than this.
HARDLY_LARGER = 1.25
MARGIN = 0.05


class Contingency:
    """Contingency tables of pairs of integer codings, all counted in one pass.

    A coding is a column of integers: the labels of a clustering, or the codes of an attribute. A
    row whose code is negative in either coding of a pair (noise, unknown) is in no cell of its
    table. Memory is 8 bytes a cell, of all tables together: `nbytes`.

    Parameters
    ----------
    n_codes : sequence of int
        Codes of each coding: they run from 0 to below it.
    pairs : sequence of tuple of int
        Which two codings each table is of; codings are the columns of `update`, counted from 0.
    """

    def __init__(self, n_codes: Sequence[int], pairs: Sequence[tuple[int, int]]) -> None:
        self.n_codes = list(n_codes)
        self.pairs = list(pairs)
        self.tables = [np.zeros((n_codes[a], n_codes[b]), np.int64) for a, b in pairs]

    def update(self, *codings: np.ndarray) -> None:
        """See rows: integer arrays of shape (n_rows,) or (n_rows, n_codings), side by side."""
        columns = np.concatenate([np.atleast_2d(part.T) for part in codings])
        for table, (a, b) in zip(self.tables, self.pairs, strict=True):
            table += count_pairs(columns[a], columns[b], table.shape)

    def merge(self, other: Self) -> None:
        for table, seen in zip(self.tables, other.tables, strict=True):
            table += seen

    def result(self) -> list[np.ndarray]:
        """A table of int64 for each pair, (codes of the first, codes of the second)."""
        return [table.copy() for table in self.tables]

    @staticmethod
    def nbytes(n_codes: Sequence[int], pairs: Sequence[tuple[int, int]]) -> int:
        """Memory of the tables."""
        return 8 * sum(n_codes[a] * n_codes[b] for a, b in pairs)


def count_pairs(first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The contingency table of two codings held in memory.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_rows,)
        Rows with a negative code in either are not counted.
    shape : tuple of int
        Codes of each.

    Returns
    -------
    ndarray of int64, of `shape`
    """
    known = (first >= 0) & (second >= 0)
    cells = first[known].astype(np.int64) * shape[1] + second[known]
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


@dataclass(frozen=True, eq=False)
class DensityMap:
    """A plane through the data to look at the rows on, and its bins.

    Attributes
    ----------
    axes : ndarray of shape (n_columns, 2)
    offset : ndarray of shape (n_columns,)
        Subtracted from the rows before they are multiplied by `axes`.
    edges_x, edges_y : ndarray of shape (n_bins + 1,)
        Ends of the bins, evenly spaced.
    """

    axes: np.ndarray
    offset: np.ndarray
    edges_x: np.ndarray
    edges_y: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of bins."""
        return len(self.edges_x) - 1, len(self.edges_y) - 1


@dataclass(frozen=True, eq=False)
class Density:
    """What `DensityMaps` knows of one plane.

    Attributes
    ----------
    counts : ndarray of int64, shape (n_clusters, n_bins_x, n_bins_y)
    outside : int
        Rows of a cluster that lie beyond the edges.
    unlabelled : int
        Rows that belong to no cluster, wherever they lie.
    """

    counts: np.ndarray
    outside: int
    unlabelled: int


class DensityMaps:
    """Count the rows of each cluster in the bins of several planes at once.

    Attributes `counts` (a list of what `Density` has), `outside` and `unlabelled` may be read at
    any time.

    A row within rounding of the edge between two bins may be counted in either; the last bins
    contain their upper edge, as in ``numpy.histogram2d``.
    """

    def __init__(self, maps: Sequence[DensityMap], n_clusters: int) -> None:
        self.shapes = [one.shape for one in maps]
        # One offset for all keeps the digits that a large common mean would cost; the rest of
        # each plane's own offset is small and can be subtracted after the product.
        self.shift = np.array([one.offset for one in maps], np.float64).mean(axis=0)
        scaled = [_in_bins(one, self.shift) for one in maps]
        self.matrix = np.hstack([matrix for matrix, _ in scaled])
        self.start = np.concatenate([start for _, start in scaled])
        self.counts = [np.zeros((n_clusters, *shape), np.int64) for shape in self.shapes]
        self.outside = np.zeros(len(self.shapes), np.int64)
        self.unlabelled = 0

    @staticmethod
    def nbytes(n_clusters: int, n_bins: int, n_maps: int, block_rows: int) -> int:
        """Bytes held at the peak of an update, the block itself not counted.

        Parameters
        ----------
        n_clusters, n_maps, block_rows : int
        n_bins : int
            Bins of a plane: those of x times those of y.
        """
        return 8 * n_clusters * n_bins * n_maps + 8 * block_rows * (2 * n_maps + 7)

    def update(self, values: np.ndarray, labels: np.ndarray) -> None:
        """See rows (n_rows, n_columns) and their clusters (n_rows,); below 0 means none."""
        positions = self._positions(values)
        labelled = labels >= 0
        self.unlabelled += len(labels) - int(np.count_nonzero(labelled))
        clusters = labels.astype(np.int64)
        for m, (bins_x, bins_y) in enumerate(self.shapes):
            x, y = positions[2 * m], positions[2 * m + 1]
            # NaN compares false: such rows are outside.
            inside = labelled & (x >= 0) & (x <= bins_x) & (y >= 0) & (y <= bins_y)
            column = np.minimum(x[inside].astype(np.int64), bins_x - 1)
            row = np.minimum(y[inside].astype(np.int64), bins_y - 1)
            cells = (clusters[inside] * bins_x + column) * bins_y + row
            # A block has few rows as compared with cells: no array of all cells is made for it.
            np.add.at(self.counts[m].reshape(-1), cells, 1)
            self.outside[m] += np.count_nonzero(labelled) - len(cells)

    def _positions(self, values: np.ndarray) -> np.ndarray:
        """Where rows lie in units of bins: x and y of each plane, one after the other."""
        positions = np.empty((self.matrix.shape[1], len(values)))
        for start in range(0, len(values), PIECE_ROWS):
            piece = slice(start, start + PIECE_ROWS)
            rows = values[piece] - self.shift
            with np.errstate(invalid="ignore"):
                projected = self.matrix.T @ rows.T
            np.subtract(projected, self.start[:, None], out=positions[:, piece])
        return positions

    def merge(self, other: Self) -> None:
        """Take in what `other`, of the same planes, saw."""
        for own, new in zip(self.counts, other.counts, strict=True):
            own += new
        self.outside += other.outside
        self.unlabelled += other.unlabelled

    def result(self) -> list[Density]:
        """Tell the counts of each plane, as a view that a later update changes."""
        return [
            Density(counts, int(outside), self.unlabelled)
            for counts, outside in zip(self.counts, self.outside, strict=True)
        ]


def map_edges(
    projected_sample: np.ndarray,
    bins: int | tuple[int, int],
    quantiles: tuple[float, float] = (0.002, 0.998),
) -> tuple[np.ndarray, np.ndarray]:
    """Bins for a plane such that a few rows far away do not squeeze the picture.

    Parameters
    ----------
    projected_sample : ndarray of shape (n_rows, 2)
        Some rows on the plane; those that are not finite are passed over.
    bins : int or (int, int)
        Bins along x and y.
    quantiles : (float, float)
        What lies between them is shown, with a small margin; or all of the sample, if that is
        hardly more.

    Returns
    -------
    edges_x, edges_y : ndarray of shape (bins + 1,)
    """
    n_bins = (bins, bins) if isinstance(bins, int) else bins
    sample = np.asarray(projected_sample, np.float64)
    sample = sample[np.isfinite(sample).all(axis=1)]
    low_x, high_x = _limits(sample[:, 0], quantiles)
    low_y, high_y = _limits(sample[:, 1], quantiles)
    return np.linspace(low_x, high_x, n_bins[0] + 1), np.linspace(low_y, high_y, n_bins[1] + 1)


def _limits(values: np.ndarray, quantiles: tuple[float, float]) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    least, low, high, most = np.quantile(values, [0, *quantiles, 1])
    if most == least:
        half = max(1.0, abs(least)) / 2
        return least - half, most + half
    margin = MARGIN * (high - low)
    if most - least <= HARDLY_LARGER * (high - low):
        # The sample's ends are not quite those of all rows.
        margin = MARGIN / 2 * (most - least)
        return least - margin, most + margin
    if high == low:
        return least, most
    return max(least, low - margin), min(most, high + margin)


def _in_bins(density_map: DensityMap, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes and start that turn shifted rows into positions in units of bins."""
    low = np.array([density_map.edges_x[0], density_map.edges_y[0]], np.float64)
    high = np.array([density_map.edges_x[-1], density_map.edges_y[-1]], np.float64)
    per_unit = np.array(density_map.shape) / (high - low)
    axes = density_map.axes.astype(np.float64)
    return axes * per_unit, ((density_map.offset - shift) @ axes + low) * per_unit
