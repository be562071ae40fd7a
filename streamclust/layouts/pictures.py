"""Pictures of the stored layouts of a set: densities of all rows by cluster, panels, views."""

from typing import Any

import numpy as np

from streamclust.figures import FIGURE_BYTES, MAP_BINS, figure_file
from streamclust.memory import Need
from streamclust.passes import Rows
from streamclust.passes.accumulators import Density, DensityMap, DensityMaps
from streamclust.store import (
    Job,
    Outputs,
    StoredClustering,
    StoredLayout,
    find_clustering,
    fingerprint,
    layouts_of,
)

STEP = "draw layouts"
# A view of space fills a ninth of the picture.
VIEW_BINS = 160


def draw_layouts(job: Job, descriptor: str, outputs: Outputs) -> None:
    """Draw the layouts of one set by its recommended clustering, or the one that they show, unless
    that is done.

    ``figures/<set>-<layout>.png`` has all rows on a plane, or from several sides, and
    ``figures/<set>-<layout>-clusters.png`` each cluster of a plane.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    for layout in layouts_of(job.workspace, descriptor).values():
        clustering = find_clustering(job.workspace, descriptor, layout.clustering or None)
        if clustering is not None:
            _draw(job, layout, clustering, outputs)


def draw_layouts_needs(descriptor: str, rows: Rows, n_clusters: int, dimensions: int) -> list[Need]:
    """Memory of the histograms and the pictures made of them."""
    n_maps, n_bins = _shape(dimensions)
    counts = DensityMaps.nbytes(n_clusters + 1, n_bins**2, n_maps, rows.rows_a_block)
    block = rows.rows_a_block * (4 * dimensions + 16)
    name = f"{STEP} of {descriptor}"
    return [
        Need(name, fixed=counts, per_block=block + counts),
        Need(name, fixed=2 * counts + FIGURE_BYTES),
    ]


def _shape(dimensions: int) -> tuple[int, int]:
    """Planes that are drawn, and the bins of their sides."""
    from streamclust.figures import VIEW_ANGLES

    return (1, MAP_BINS) if dimensions == 2 else (len(VIEW_ANGLES), VIEW_BINS)


def _draw(job: Job, layout: StoredLayout, clustering: StoredClustering, outputs: Outputs) -> None:
    descriptor, name = layout.set_name, layout.name
    mark = fingerprint(STEP, 1, [layout.fingerprint, clustering.fingerprint])
    is_flat = layout.dimensions == 2
    files = [figure_file(descriptor, name)]
    files += [figure_file(descriptor, f"{name}-clusters")] if is_flat else []
    if all(outputs.is_current(file, mark) for file in files):
        job.skip(STEP, descriptor, name)
        return
    positions, sizes = layout.positions, clustering.sizes[...]
    rows = job.rows_of(descriptor, "reduced")
    placed = Rows(
        positions,
        rows.valid,
        extras=(_NoiseLast(clustering.labels, len(sizes)),),
        rows_a_block=positions.chunks[0],
    )
    needs = draw_layouts_needs(descriptor, placed, len(sizes), layout.dimensions)
    title = f"{descriptor}: {layout.method} of all rows, by {clustering.name}"
    with job.step(STEP, descriptor, needs, rows.n_rows, name) as passes:
        maps = _planes(layout.limits)
        density = passes.reduce("density", placed, DensityMaps(maps, len(sizes) + 1)).result()
        if is_flat:
            _draw_plane(outputs, files, mark, layout, maps[0], density[0], sizes, title)
        else:
            from streamclust.figures import space_views

            with outputs.writing(files[0], mark) as file:
                space_views(file, maps, density, sizes, title, layout.axis_name)


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
