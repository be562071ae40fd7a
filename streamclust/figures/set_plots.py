"""The pictures of a set: variance and metric curves, density maps of all rows, and the tree."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.choice import is_degenerate, measured, recommend, stored_choice
from streamclust.figures.files import FIGURE_BYTES, figure_file
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import DensityMap, DensityMaps, UniformSample, map_edges
from streamclust.reduction import discriminant_axes
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import StoredClustering, fingerprint

MAP_BINS = 320
_SAMPLE_ROWS = 20_000
# The algorithm whose clusterings are cuts of one tree.
TREE = "ward"
_MAPS = {"map-pca": "principal component", "map-discriminant": "discriminant axis"}


@dataclass(frozen=True)
class DrawSet(SetStep):
    """Draw the figures of one set.

    Parameters
    ----------
    set_name : str
    most_clusters : int, optional
        That may come to be drawn; by default those of the recommended clustering.
    """

    name = "draw"
    set_name: str
    most_clusters: int | None = None

    def needs(self, on: CaseShapes) -> list[Need]:
        """The histograms, the pictures made of them, and the blocks."""
        rows = on.reduced(self.set_name)
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        n_clusters = self.most_clusters or on.n_clusters(self.set_name) or 2
        counts = DensityMaps.nbytes(n_clusters, MAP_BINS**2, len(_MAPS), rows.rows_a_block)
        sample = 2 * _SAMPLE_ROWS * row_bytes
        block = 3 * rows.rows_a_block * row_bytes
        return [
            Need(fixed=counts + sample, per_block=block + counts),
            Need(fixed=2 * counts + FIGURE_BYTES),
        ]

    def fingerprint(self, job: Job) -> str:
        name, choice = stored_choice(job.workspace, self.set_name)
        reasons, table = list(map(str, choice.reasons)), _table(job, self.set_name)
        stored = job.set(self.set_name)
        clusterings = {one.name: one.fingerprint for one in stored.clusterings}
        shown = [clusterings[line["name"]] for line in table]
        return fingerprint(self.name, 5, name, reasons, shown, table, stored.pca_fingerprint)

    def restore(self, job: Job, mark: str) -> bool:
        name, _ = stored_choice(job.workspace, self.set_name)
        table = _table(job, self.set_name)
        kinds = ("variance", "metrics", "dendrogram", *_MAPS)
        variance, metrics, tree, *maps = (figure_file(self.set_name, kind) for kind in kinds)
        wanted = [variance, *([metrics] if table else []), *([tree] if _best_cut(table) else [])]
        wanted += maps if name else []
        for stale in {variance, metrics, tree, *maps} - set(wanted):
            job.outputs.remove(stale)
        return all(job.outputs.is_current(file, mark) for file in wanted)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        name, choice = stored_choice(job.workspace, self.set_name)
        table = _table(job, self.set_name)
        _curves(job, self.set_name, table, name, mark, *map(str, choice.reasons[:1]))
        cut = _best_cut(table)
        if cut is not None:
            _tree(StoredClustering(job.workspace, self.set_name, cut["name"]), name, job, mark)
        if name is not None:
            recommended = StoredClustering(job.workspace, self.set_name, name)
            _maps(job, passes, recommended, job.rows_of(self.set_name, "reduced"), mark)


def _table(job: Job, set_name: str) -> list[dict[str, Any]]:
    """The measured clusterings, each with whether the rule refuses it."""
    lines = measured(job.workspace, set_name)
    return [{**line, "refused": is_degenerate(line)} for line in lines]


def _curves(
    job: Job,
    descriptor: str,
    table: list[dict[str, Any]],
    name: str | None,
    mark: str,
    reason: str = "",
) -> None:
    from streamclust.figures.curves import metric_curves, variance_curve

    described = job.set(descriptor)
    ratio, share = described.explained_variance_ratio, described.wanted_variance
    with job.outputs.writing(figure_file(descriptor, "variance"), mark) as path:
        variance_curve(path, ratio, len(ratio), share, f"{descriptor}: principal components")
    if table:
        shown = next(((x["algorithm"], x["n_clusters"]) for x in table if x["name"] == name), None)
        with job.outputs.writing(figure_file(descriptor, "metrics"), mark) as path:
            metric_curves(path, table, shown, f"{descriptor}: clusterings", reason)


def _best_cut(table: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Of the cuts of one tree the one that the rule takes, or the least; None without a tree."""
    cuts = [line for line in table if line["algorithm"] == TREE]
    if not cuts:
        return None
    return cuts[recommend(cuts).index or 0]


def _tree(clustering: StoredClustering, recommended: str | None, job: Job, mark: str) -> None:
    from streamclust.figures.tree import dendrogram

    note = f"labels: {clustering.labels.path}"
    if clustering.name == recommended:
        note = "the recommended clustering"
    elif recommended is not None:
        note = f"recommended of all: {recommended}  ·  {note}"
    k = clustering.n_clusters
    title = f"{clustering.set_name}: {clustering.algorithm}, cut into {k} clusters"
    with job.outputs.writing(figure_file(clustering.set_name, "dendrogram"), mark) as path:
        dendrogram(path, *clustering.tree, k, title, note)


def _maps(job: Job, passes: Passes, clustering: StoredClustering, rows: Rows, mark: str) -> None:
    from streamclust.figures.density import density_map

    descriptor = clustering.set_name
    sizes, means = clustering.sizes[...], clustering.means[...]
    k, reduced = len(sizes), job.set(descriptor).reduced_scatter
    sampled = rows.having(numbered=True)
    drawn = UniformSample(_SAMPLE_ROWS, job.settings.random_state)
    planes = _Planes(reduced.mean, _axes(reduced.scatter, sizes, means))
    maps = passes.reduce("sampling", sampled, drawn, tell=planes)
    labelled = rows.having(extras=(clustering.labels,))
    density = passes.reduce("density", labelled, DensityMaps(maps, k))
    for number, (kind, axis) in enumerate(_MAPS.items()):
        with job.outputs.writing(figure_file(descriptor, kind), mark) as path:
            density_map(
                path,
                density.counts[number],
                maps[number].edges_x,
                maps[number].edges_y,
                int(density.outside[number]),
                sizes,
                f"{descriptor}: {k} clusters of all {int(sizes.sum()):,} rows",
                (f"{axis} 1", f"{axis} 2"),
            )


@dataclass(frozen=True)
class _Planes:
    """Tells how far planes through the data must reach to show the rows of a sample."""

    mean: np.ndarray
    axes: list[np.ndarray]

    def __call__(self, sample: UniformSample) -> list[DensityMap]:
        rows = sample.result()[0] - self.mean
        return [
            DensityMap(axes, self.mean, *map_edges(rows @ axes, MAP_BINS)) for axes in self.axes
        ]


def _axes(scatter: np.ndarray, sizes: np.ndarray, means: np.ndarray) -> list[np.ndarray]:
    """Principal and discriminant axes, in the order of `_MAPS`; a missing second one is zero."""
    principal = np.linalg.eigh(scatter)[1][:, ::-1][:, :2]
    principal = np.pad(principal, ((0, 0), (0, 2 - principal.shape[1])))
    return [principal, discriminant_axes(sizes, means, scatter)]
