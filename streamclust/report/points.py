"""A sample of the rows of a set with their positions, for the map of the page."""

import base64
from dataclasses import dataclass

import numpy as np

from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import UniformSample
from streamclust.report.page import LAYOUTS, POINTS
from streamclust.steps import Job
from streamclust.store import StoredClustering, StoredLayout, layouts_of

# Positions are whole numbers from 0 to this, between the limits of their axis.
_TOP = 2**16 - 1
# Of the sample without a layout: as the limits of a layout.
_QUANTILES, _MARGIN = (0.001, 0.999), 0.05
# What the page shows first.
_FIRST = ("umap-2", "lda-2", "pca-2", "umap-3")


@dataclass(frozen=True, eq=False)
class Plot:
    """Positions of the points.

    Attributes
    ----------
    name, axis : str
        Such as ``"umap-2"``, and what its axes are called.
    positions : ndarray of uint16, shape (n_points, 2 or 3)
        Between the limits of the axes; what lies beyond is at the edge.
    n_beyond : int
        Points beyond the limits.
    """

    name: str
    axis: str
    positions: np.ndarray
    n_beyond: int


@dataclass(frozen=True, eq=False)
class Points:
    """A uniform sample of the valid rows of a set.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_points,)
        By random priority: the first are themselves a uniform sample, and the same rows are drawn
        of sets with the same valid rows.
    labels : dict of str to ndarray of int32, shape (n_points,)
        By the name of a clustering; below 0 in no cluster.
    plots : list of Plot
    """

    rows: np.ndarray
    labels: dict[str, np.ndarray]
    plots: list[Plot]

    def first(self, number: int) -> "Points":
        """A uniform sample of at most so many points."""
        plots = [Plot(p.name, p.axis, p.positions[:number], p.n_beyond) for p in self.plots]
        labels = {name: labels[:number] for name, labels in self.labels.items()}
        return Points(self.rows[:number], labels, plots)


def sample_points(
    passes: Passes,
    job: Job,
    descriptor: str,
    clusterings: list[StoredClustering],
    n_points: int = POINTS,
) -> Points:
    """Sample rows of a set with positions, streaming, and take their labels.

    Positions are those of the stored layouts; without any, the first two columns of the reduced
    rows, which are principal components.
    """
    sample = UniformSample(n_points, job.settings.random_state)
    reduced = job.rows_of(descriptor, "reduced")
    values, rows = passes.reduce("points", reduced.having(numbered=True), sample).result()
    order = np.argsort(rows)
    named = {}
    for clustering in clusterings:
        named[clustering.name] = np.empty(len(rows), np.int32)
        named[clustering.name][order] = clustering.labels.at(rows[order])
    plots = []
    for name, layout in _layouts(job, descriptor):
        positions = layout.positions
        placed = Rows(positions, reduced.valid, numbered=True, rows_a_block=positions.chunks[0])
        at, placed_rows = passes.reduce(f"points of {name}", placed, sample).result()
        assert np.array_equal(placed_rows, rows)
        plots.append(_plot(name, layout.axis_name, at, layout.limits))
    if not plots:
        at = np.pad(values[:, :2], ((0, 0), (0, max(0, 2 - values.shape[1]))))
        plots = [_plot("components", "principal component", at, _limits(at))]
    return Points(rows, named, plots)


def point_needs(job: Job, descriptor: str, n_clusterings: int) -> list[Need]:
    """Memory of a block of rows and of the sample while two are joined."""
    rows = job.rows_of(descriptor, "reduced")
    row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize + 16
    sample = 3 * POINTS * row_bytes + 4 * POINTS * n_clusterings
    block = 2 * rows.rows_a_block * row_bytes
    return [Need(fixed=sample, per_block=block + sample)]


def packed(numbers: np.ndarray, dtype: str) -> str:
    """Numbers as base64 of little-endian integers."""
    return base64.b64encode(np.ascontiguousarray(numbers).astype(dtype).tobytes()).decode()


def _layouts(job: Job, descriptor: str) -> list[tuple[str, StoredLayout]]:
    found = list(layouts_of(job.workspace, descriptor).items())
    found.sort(key=lambda one: (*(one[0] != name for name in _FIRST), one[0]))
    return found[:LAYOUTS]


def _limits(positions: np.ndarray) -> np.ndarray:
    low, high = np.quantile(positions, _QUANTILES, axis=0)
    margin = _MARGIN * np.maximum(high - low, np.finfo(np.float32).tiny)
    return np.stack([low - margin, high + margin], axis=1)


def _plot(name: str, axis: str, positions: np.ndarray, limits: np.ndarray) -> Plot:
    low, high = limits.T
    span = np.where(high > low, high - low, 1.0)
    share = (positions.astype(np.float64) - low) / span
    beyond = ((share < 0) | (share > 1)).any(axis=1)
    whole = np.rint(np.clip(share, 0, 1) * _TOP).astype(np.uint16)
    return Plot(name, axis, whole, int(beyond.sum()))
