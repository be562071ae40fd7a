"""Pictures of the stored layouts of a set: densities of all rows by cluster, panels, views."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.figures import FIGURE_BYTES, MAP_BINS, figure_file
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import Density, DensityMap, DensityMaps
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import (
    Outputs,
    StoredClustering,
    StoredLayout,
    find_clustering,
    fingerprint,
    layouts_of,
)

# A view of space fills a ninth of the picture.
VIEW_BINS = 160


def draw_layouts(job: Job, descriptor: str) -> None:
    """Draw the layouts of one set by its recommended clustering, or the one that they show, unless
    that is done.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    for layout in layouts_of(job.workspace, descriptor).values():
        clustering = find_clustering(job.workspace, descriptor, layout.clustering or None)
        if clustering is not None:
            job.run([DrawLayout(layout, clustering)])


@dataclass(frozen=True)
class DrawLayout(Step):
    """Draw a layout by a clustering.

    ``figures/<set>-<layout>.png`` has all rows on a plane, or from several sides, and
    ``figures/<set>-<layout>-clusters.png`` each cluster of a plane.
    """

    name = "draw layouts"
    layout: StoredLayout
    clustering: StoredClustering

    @property
    def of(self) -> tuple[str, str]:
        return self.layout.set_name, self.layout.name

    def needs(self, on: CaseShapes) -> list[Need]:
        """The histograms and the pictures made of them."""
        chunk, dimensions = self.layout.positions.chunks[0], self.layout.dimensions
        n_maps, n_bins = _shape(dimensions)
        n_clusters = self.clustering.n_clusters + 1
        counts = DensityMaps.nbytes(n_clusters, n_bins**2, n_maps, chunk)
        block = chunk * (4 * dimensions + 16)
        return [
            Need(fixed=counts, per_block=block + counts),
            Need(fixed=2 * counts + FIGURE_BYTES),
        ]

    def fingerprint(self, job: Job) -> str:
        made_of = [self.layout.fingerprint, self.clustering.fingerprint]
        return fingerprint(self.name, 1, made_of)

    def restore(self, job: Job, mark: str) -> bool:
        return all(job.outputs.is_current(file, mark) for file in self._files)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        layout, clustering, files = self.layout, self.clustering, self._files
        positions, sizes = layout.positions, clustering.sizes[...]
        placed = Rows(
            positions,
            job.rows_of(layout.set_name, "reduced").valid,
            extras=(_NoiseLast(clustering.labels, len(sizes)),),
            rows_a_block=positions.chunks[0],
        )
        title = f"{layout.set_name}: {layout.method} of all rows, by {clustering.name}"
        maps = _planes(layout.limits)
        density = passes.reduce("density", placed, DensityMaps(maps, len(sizes) + 1)).result()
        if layout.dimensions == 2:
            _draw_plane(job.outputs, files, mark, layout, maps[0], density[0], sizes, title)
        else:
            from streamclust.figures import space_views

            with job.outputs.writing(files[0], mark) as file:
                space_views(file, maps, density, sizes, title, layout.axis_name)

    @property
    def _files(self) -> list[str]:
        kinds = [self.layout.name]
        if self.layout.dimensions == 2:
            kinds.append(f"{self.layout.name}-clusters")
        return [figure_file(self.layout.set_name, kind) for kind in kinds]


def _shape(dimensions: int) -> tuple[int, int]:
    """Planes that are drawn, and the bins of their sides."""
    from streamclust.figures import VIEW_ANGLES

    return (1, MAP_BINS) if dimensions == 2 else (len(VIEW_ANGLES), VIEW_BINS)


def _draw_plane(
    outputs: Outputs,
    files: list[str],
    mark: str,
    layout: StoredLayout,
    plane: DensityMap,
    density: Density,
    sizes: np.ndarray,
    title: str,
) -> None:
    from streamclust.figures import cluster_panels, density_map

    counts, noise = density.counts[:-1], density.counts[-1]
    axis = layout.axis_name
    with outputs.writing(files[0], mark) as file:
        density_map(
            file,
            counts,
            plane.edges_x,
            plane.edges_y,
            density.outside,
            sizes,
            title,
            (f"{axis} 1", f"{axis} 2"),
            noise,
            ticks=layout.method != "umap",
        )
    with outputs.writing(files[1], mark) as file:
        cluster_panels(file, counts, sizes, title)


def _planes(limits: np.ndarray) -> list[DensityMap]:
    """The planes of the pictures, within the limits of a layout."""
    if len(limits) == 2:
        edges = [np.linspace(low, high, MAP_BINS + 1) for low, high in limits.tolist()]
        return [DensityMap(np.eye(2), np.zeros(2), *edges)]
    from streamclust.figures import VIEW_ANGLES, projection

    corners = np.stack(np.meshgrid(*limits, indexing="ij"), axis=-1).reshape(-1, 3)
    middle = limits.mean(axis=1)
    planes = []
    for angle in VIEW_ANGLES:
        axes = projection(*angle)
        half = np.abs((corners - middle) @ axes).max(axis=0)
        edges = [np.linspace(-end, end, VIEW_BINS + 1) for end in half.tolist()]
        planes.append(DensityMap(axes, middle, *edges))
    return planes


class _NoiseLast:
    """Labels of which those of no cluster are a cluster of their own, the last."""

    def __init__(self, labels: Any, n_clusters: int) -> None:
        self.labels = labels
        self.n_clusters = n_clusters
        self.shape = labels.shape
        self.dtype = labels.dtype

    def __getitem__(self, part: slice) -> np.ndarray:
        labels = np.asarray(self.labels[part])
        return np.where(labels < 0, self.n_clusters, labels)
