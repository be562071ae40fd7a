"""Pictures of the stored layouts of a set: densities of all rows by cluster, panels, views."""

from typing import Any

import numpy as np

from streamclust.choice.tables import choose
from streamclust.figures.set_pictures import BINS, FIGURE_BYTES
from streamclust.layouts.step import layouts_of
from streamclust.memory import Need
from streamclust.passes.accumulators.histogram import Density, DensityMap, DensityMaps
from streamclust.passes.blocks import Rows
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs
from streamclust.store.workspace import fingerprint

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
    recommended, _ = choose(job.workspace, descriptor)
    for name, layout in layouts_of(job.workspace, descriptor).items():
        shown = layout.attrs["clustering"] or recommended
        if shown is not None:
            _draw(job, descriptor, name, layout, shown, outputs)


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
    from streamclust.figures.spaces import ANGLES

    return (1, BINS) if dimensions == 2 else (len(ANGLES), VIEW_BINS)


def _draw(job: Job, descriptor: str, name: str, layout: Any, shown: str, outputs: Outputs) -> None:
    root = job.workspace.root[f"descriptors/{descriptor}"]
    clustering = root[f"clusterings/{shown}"]
    path = f"descriptors/{descriptor}"
    marks = [
        job.workspace.fingerprint_of(f"{path}/{p}")
        for p in (f"layouts/{name}", f"clusterings/{shown}")
    ]
    mark = fingerprint(STEP, 1, marks)
    flat = layout.attrs["dimensions"] == 2
    files = [f"figures/{descriptor}-{name}.png"]
    files += [f"figures/{descriptor}-{name}-clusters.png"] if flat else []
    if all(outputs.is_current(file, mark) for file in files):
        job.skip(STEP, descriptor, name)
        return
    positions, sizes = layout["positions"], clustering["sizes"][...]
    rows = job.rows_of(descriptor, "reduced")
    placed = Rows(
        positions,
        rows.valid,
        extras=(_NoiseLast(clustering["labels"], len(sizes)),),
        rows_a_block=positions.chunks[0],
    )
    needs = draw_layouts_needs(descriptor, placed, len(sizes), layout.attrs["dimensions"])
    title = f"{descriptor}: {name.partition('-')[0]} of all rows, by {shown}"
    with job.step(STEP, descriptor, needs, rows.n_rows, name) as passes:
        maps = _planes(layout)
        density = passes.reduce("density", placed, DensityMaps(maps, len(sizes) + 1)).result()
        if flat:
            _draw_plane(outputs, files, mark, layout, maps[0], density[0], sizes, title)
        else:
            from streamclust.figures.spaces import space_views

            with outputs.writing(files[0], mark) as file:
                space_views(file, maps, density, sizes, title, layout.attrs["axis_name"])


def _draw_plane(
    outputs: Outputs,
    files: list[str],
    mark: str,
    layout: Any,
    plane: DensityMap,
    density: Density,
    sizes: np.ndarray,
    title: str,
) -> None:
    from streamclust.figures.cluster_panels import cluster_panels
    from streamclust.figures.density import density_map

    counts, noise = density.counts[:-1], density.counts[-1]
    axis = layout.attrs["axis_name"]
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
            ticks=layout.attrs["method"] != "umap",
        )
    with outputs.writing(files[1], mark) as file:
        cluster_panels(file, counts, sizes, title)


def _planes(layout: Any) -> list[DensityMap]:
    """The planes of the pictures, within the limits of the layout."""
    limits = np.array(layout.attrs["limits"])
    if len(limits) == 2:
        edges = [np.linspace(low, high, BINS + 1) for low, high in limits.tolist()]
        return [DensityMap(np.eye(2), np.zeros(2), *edges)]
    from streamclust.figures.spaces import ANGLES, projection

    corners = np.stack(np.meshgrid(*limits, indexing="ij"), axis=-1).reshape(-1, 3)
    middle = limits.mean(axis=1)
    planes = []
    for angle in ANGLES:
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
