"""A layout of a set: every row placed on a plane or in space, how well, and within what limits."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from streamclust.errors import SettingsError
from streamclust.layouts.base import DIMENSIONS, Layout, Placement, RowSums, load_layout
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import Covariance, UniformSample, map_edges
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import (
    StoredClustering,
    StoredLayout,
    find_clustering,
    fingerprint,
    layout_sources,
    publish_layout,
    stage_layout,
)

N_NEIGHBORS = 15
SAMPLED_ROWS = 4096
PIECE_ROWS = 256

# Positions that the limits of the axes are taken from: some 65 lie beyond either of them.
LIMIT_ROWS = 65_536
QUANTILES = (0.001, 0.999)
# No seed of a run: the landmarks must not be the rows that the quality is measured on.
_SEED = 2**32


def layout(
    job: Job, descriptor: str, method: str, dimensions: int, clustering: str | None = None
) -> None:
    """Lay all rows of a set out, unless that is done: `streamclust.store.layouts.StoredLayout`.

    Parameters
    ----------
    job : Job
    descriptor : str
    method : {"pca", "lda", "umap"}
    dimensions : {2, 3}
    clustering : str, optional
        Which one lda tells apart, see `streamclust.store.clusterings.find_clustering`; by default
        the recommended one.

    Raises
    ------
    SettingsError
        When there are no reduced rows, no such method or clustering, too few rows, or umap-learn
        is not installed.
    MemoryBudgetError
        When it does not fit the budget.
    """
    chosen = _checked(job, descriptor, method, dimensions)
    clusters = _clustering(job, descriptor, method, chosen, clustering)
    job.run([LayOut(descriptor, method, dimensions, clusters)])


@dataclass(frozen=True)
class LayOut(Step):
    """Place all rows of a set.

    Parameters
    ----------
    set_name, method : str
    dimensions : int
    clustering : StoredClustering, optional
        Which it tells apart.
    """

    name = "layout"
    set_name: str
    method: str
    dimensions: int
    clustering: StoredClustering | None

    @property
    def layout_name(self) -> str:
        return f"{self.method}-{self.dimensions}"

    @property
    def of(self) -> tuple[str, str]:
        return self.set_name, self.layout_name

    def needs(self, on: CaseShapes) -> list[Need]:
        """The layout, the sums it follows from, and the samples it is judged by."""
        rows, dimensions = on.reduced(self.set_name), self.dimensions
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        block = rows.rows_a_block * (2 * row_bytes + 2 * 4 * dimensions)
        sample = SAMPLED_ROWS * (row_bytes + 32) + LIMIT_ROWS * (4 * dimensions + 24)
        return [
            *load_layout(self.method).needs(rows, dimensions),
            Need(fixed=4 * sample, per_block=block + 2 * sample),
            Need(fixed=sample + quality_bytes(rows.n_columns)),
        ]

    def fingerprint(self, job: Job) -> str:
        version, settings = load_layout(self.method).version, self._settings(job)
        made_of = self._made_of(job)
        return fingerprint(self.name, 1, self.method, version, self.dimensions, settings, made_of)

    def restore(self, job: Job, mark: str) -> bool:
        return job.workspace.restore(self._stored(job).path, mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        rows, chosen = job.rows_of(self.set_name, "reduced"), load_layout(self.method)
        with job.workspace.staging() as staged:
            sums = _sums(job, passes, self.set_name, rows, self.clustering)
            fitted = chosen.fit(rows, sums, self.dimensions, job.settings, passes)
            shape = rows.n_rows, self.dimensions
            group, positions = stage_layout(staged, fitted.arrays, shape, rows.array.chunks[0])
            passes.write("placing", rows, _Place(chosen.placement(fitted)), [positions])
            quality = _quality(passes, rows, positions)
            limits, outside = _limits(passes, rows, positions)
            publish_layout(
                group,
                self._stored(job),
                mark,
                **fitted.attributes,
                method=self.method,
                dimensions=self.dimensions,
                axis_name=chosen.axis_name,
                clustering=None if self.clustering is None else self.clustering.name,
                made_of=self._made_of(job),
                settings=self._settings(job),
                quality=quality,
                limits=limits.tolist(),
                outside=outside,
            )

    def _stored(self, job: Job) -> StoredLayout:
        return StoredLayout(job.workspace, self.set_name, self.layout_name)

    def _made_of(self, job: Job) -> list[str | None]:
        name = None if self.clustering is None else self.clustering.name
        return layout_sources(job.workspace, self.set_name, name)

    def _settings(self, job: Job) -> dict[str, Any]:
        """Those that matter."""
        return {name: getattr(job.settings, name) for name in load_layout(self.method).depends_on}


def _checked(job: Job, descriptor: str, method: str, dimensions: int) -> Layout:
    """The layout of this name, found to be possible."""
    if dimensions not in DIMENSIONS:
        raise SettingsError(f"a layout has 2 or 3 dimensions, not {dimensions}")
    if job.set(descriptor).reduced is None:
        raise SettingsError(f"{descriptor} is not reduced yet: run streamclust reduce first")
    chosen = load_layout(method)
    chosen.check(job.n_valid(descriptor))
    return chosen


def _clustering(
    job: Job, descriptor: str, method: str, chosen: Layout, asked: str | None
) -> StoredClustering | None:
    """The clustering that a layout tells apart; None where it tells none."""
    if not chosen.of_clusters:
        if asked is not None:
            raise SettingsError(f"a layout by {method} follows no clustering: leave {asked} out")
        return None
    clustering = find_clustering(job.workspace, descriptor, asked)
    if clustering is None:
        raise SettingsError(
            f"{descriptor} has no clustering to lay out: run streamclust cluster and measure first"
        )
    return clustering


def _sums(
    job: Job, passes: Passes, descriptor: str, rows: Rows, clustering: StoredClustering | None
) -> RowSums:
    scatter = job.set(descriptor).reduced_scatter.scatter
    if clustering is None:
        return RowSums(scatter)
    sizes, means = clustering.sizes[...], clustering.means[...]
    if sizes.sum() == 0:
        raise SettingsError(
            f"{descriptor}: {clustering.name} has no rows in clusters: take another"
        )
    if sizes.sum() < job.n_valid(descriptor):
        labelled = rows.having(extras=(clustering.labels,))
        clustered = passes.reduce("scatter of clusters", labelled, _ScatterOfClusters())
        scatter = clustered.covariance.result().scatter
    return RowSums(scatter, sizes, means)


def _quality(passes: Passes, rows: Rows, positions: Any) -> dict[str, Any]:
    """How far neighbourhoods are kept, of a sample of the rows; null where they have none."""
    drawn = UniformSample(SAMPLED_ROWS, _SEED)
    placed = rows.having(extras=(positions,), numbered=True)
    values, places, _ = passes.reduce("sampling rows", placed, drawn).result()
    quality = passes.map("neighbourhoods kept", _Quality(values), [places], "layout")[0]
    return {name: None if math.isnan(v) else v for name, v in quality._asdict().items()}


def _limits(passes: Passes, rows: Rows, positions: Any) -> tuple[np.ndarray, int]:
    """Limits of the axes such that a few rows far away do not squeeze the picture, and how many
    these are."""
    placed = Rows(positions, rows.valid, rows_a_block=rows.rows_a_block)
    drawn = UniformSample(LIMIT_ROWS, _SEED)
    sample = passes.reduce("sampling positions", placed.having(numbered=True), drawn).result()[0]
    edges = [map_edges(column[:, None].repeat(2, axis=1), 1, QUANTILES)[0] for column in sample.T]
    limits = np.array(edges)
    outside = passes.reduce("counting what lies outside", placed, _Outside(limits))
    return limits, outside.count


class _Place:
    """A placement as a transform with one output."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        return (self.placement(values),)


class _Quality:
    """The quality of positions of sampled rows, as a task."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __call__(self, positions: np.ndarray) -> Any:
        return layout_quality(self.values, positions)


class _ScatterOfClusters:
    """The scatter matrix of the rows that are in a cluster."""

    def __init__(self) -> None:
        self.covariance = Covariance()

    def update(self, values: np.ndarray, labels: np.ndarray) -> None:
        self.covariance.update(values[labels >= 0])

    def merge(self, other: Self) -> None:
        self.covariance.merge(other.covariance)


class _Outside:
    """How many positions lie beyond limits (n_dimensions, 2)."""

    def __init__(self, limits: np.ndarray) -> None:
        self.limits = limits
        self.count = 0

    def update(self, positions: np.ndarray) -> None:
        low, high = self.limits.T
        within = ((positions >= low) & (positions <= high)).all(axis=1)
        self.count += len(positions) - int(np.count_nonzero(within))

    def merge(self, other: Self) -> None:
        self.count += other.count


class LayoutQuality(NamedTuple):
    """What is kept of neighbourhoods.

    Attributes
    ----------
    preservation : float
        Share of the rows' nearest neighbours that are among the nearest in the layout.
    trustworthiness : float
        1 less a penalty for neighbours in the layout that are none among the rows, by how far down
        these rank.
    n_neighbors, n_rows : int
        What both are taken of.
    """

    preservation: float
    trustworthiness: float
    n_neighbors: int
    n_rows: int


def layout_quality(
    values: np.ndarray, positions: np.ndarray, n_neighbors: int = N_NEIGHBORS
) -> LayoutQuality:
    """Compare each row's nearest neighbours with those in the layout, among the rows given.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    positions : ndarray of shape (n_rows, n_dimensions)
    n_neighbors : int
        Fewer are taken of fewer than twice as many rows.

    Returns
    -------
    LayoutQuality
        NaN of fewer than three rows.

    References
    ----------
    Venna, J. & Kaski, S. (2001). Neighborhood preservation in nonlinear projection methods: an
    experimental study. ICANN. As scikit-learn's ``manifold.trustworthiness``.
    """
    n_rows = len(values)
    k = min(n_neighbors, (n_rows - 1) // 2)
    if k < 1:
        return LayoutQuality(np.nan, np.nan, k, n_rows)
    kept, penalty = 0, 0
    rows, places = _centred(values), _centred(positions)
    for start in range(0, n_rows, PIECE_ROWS):
        ranks = _ranks_of_neighbors(rows, places, slice(start, start + PIECE_ROWS), k)
        kept += int(np.count_nonzero(ranks <= k))
        penalty += int(np.maximum(ranks - k, 0).sum())
    worst = n_rows * k * (2 * n_rows - 3 * k - 1) / 2
    return LayoutQuality(kept / (n_rows * k), 1 - penalty / worst, k, n_rows)


def quality_bytes(n_columns: int) -> int:
    """Bytes held at the peak of `layout_quality` on `SAMPLED_ROWS` rows."""
    return SAMPLED_ROWS * (8 * 6 * PIECE_ROWS + 8 * 4 * n_columns)


def _centred(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return rows - rows.mean(axis=0)


def _ranks_of_neighbors(rows: np.ndarray, places: np.ndarray, part: slice, k: int) -> np.ndarray:
    """Ranks (n_part, k) among the rows, from 1, of the nearest neighbours in the layout."""
    near = np.argpartition(_squares_to_others(places, part), k - 1, axis=1)[:, :k]
    squares = _squares_to_others(rows, part)
    of_near = np.take_along_axis(squares, near, axis=1)
    return np.stack([(squares < column[:, None]).sum(axis=1) for column in of_near.T], axis=1) + 1


def _squares_to_others(rows: np.ndarray, part: slice) -> np.ndarray:
    """Squared distances of some rows to all; infinite to themselves."""
    lengths = np.einsum("ij,ij->i", rows, rows)
    some = rows[part]
    squares = lengths - 2 * some @ rows.T + lengths[part, None]
    numbers = np.arange(len(some))
    squares[numbers, part.start + numbers] = np.inf
    return squares
