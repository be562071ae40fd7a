"""The pictures of a set: variance and metric curves, density maps of all rows, and the tree."""

from typing import Any

import numpy as np

from streamclust.choice.rule import is_degenerate, recommend
from streamclust.choice.tables import choose, measured
from streamclust.memory import MIB, Need
from streamclust.passes.accumulators.histogram import DensityMap, DensityMaps, map_edges
from streamclust.passes.accumulators.sample import UniformSample
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.reduction.discriminant import discriminant_axes
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs
from streamclust.store.workspace import fingerprint

STEP = "draw"
BINS = 320
_SAMPLE_ROWS = 20_000
# What matplotlib holds while it draws one of the figures.
FIGURE_BYTES = 236 * MIB
# The algorithm whose clusterings are cuts of one tree.
TREE = "ward"
_MAPS = {"map-pca": "principal component", "map-discriminant": "discriminant axis"}


def draw(job: Job, descriptor: str, outputs: Outputs) -> None:
    """Draw the figures of one set, unless they show what is stored already.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    name, choice = choose(job.workspace, descriptor)
    reasons = list(map(str, choice.reasons))
    table = [
        {**line, "refused": is_degenerate(line)} for line in measured(job.workspace, descriptor)
    ]
    path = f"descriptors/{descriptor}"
    shown = [job.workspace.fingerprint_of(f"{path}/clusterings/{line['name']}") for line in table]
    pca = job.workspace.fingerprint_of(f"{path}/pca")
    mark = fingerprint(STEP, 4, name, reasons, shown, table, pca)
    kinds = ("variance", "metrics", "dendrogram", *_MAPS)
    variance, metrics, tree, *maps = (_file(descriptor, kind) for kind in kinds)
    cut = _best_cut(table)
    wanted = [variance, *([metrics] if table else []), *([tree] if cut else [])]
    wanted += maps if name else []
    for stale in {variance, metrics, tree, *maps} - set(wanted):
        outputs.remove(stale)
    if all(outputs.is_current(file, mark) for file in wanted):
        job.skip(STEP, descriptor)
        return
    rows = job.rows_of(descriptor, "reduced")
    k = 2 if name is None else _n_clusters(job, descriptor, name)
    with job.step(STEP, descriptor, draw_needs(descriptor, rows, k), rows.n_rows) as passes:
        _curves(job, descriptor, table, name, outputs, mark, *reasons[:1])
        if cut is not None:
            _tree(job, descriptor, cut, name, outputs, mark)
        if name is not None:
            _maps(job, passes, descriptor, rows, name, outputs, mark)


def draw_needs(descriptor: str, rows: Rows, n_clusters: int) -> list[Need]:
    """Memory of the histograms, the pictures made of them, and the blocks."""
    row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
    counts = DensityMaps.nbytes(n_clusters, BINS**2, len(_MAPS), rows.rows_a_block)
    sample = 2 * _SAMPLE_ROWS * row_bytes
    block = 3 * rows.rows_a_block * row_bytes
    name = f"{STEP} of {descriptor}"
    return [
        Need(name, fixed=counts + sample, per_block=block + counts),
        Need(name, fixed=2 * counts + FIGURE_BYTES),
    ]


def _n_clusters(job: Job, descriptor: str, name: str) -> int:
    path = f"descriptors/{descriptor}/clusterings/{name}"
    return int(job.workspace.root[path].attrs["n_clusters"])


def _file(descriptor: str, kind: str) -> str:
    return f"figures/{descriptor}-{kind}.png"


def _curves(
    job: Job,
    descriptor: str,
    table: list[dict[str, Any]],
    name: str | None,
    outputs: Outputs,
    mark: str,
    reason: str = "",
) -> None:
    from streamclust.figures.curves import metric_curves
    from streamclust.figures.variance import variance_curve

    group = job.workspace.root[f"descriptors/{descriptor}/pca"]
    ratio, share = group["explained_variance_ratio"][...], group.attrs["share"]
    with outputs.writing(_file(descriptor, "variance"), mark) as path:
        variance_curve(path, ratio, len(ratio), share, f"{descriptor}: principal components")
    if table:
        shown = next(((x["algorithm"], x["n_clusters"]) for x in table if x["name"] == name), None)
        with outputs.writing(_file(descriptor, "metrics"), mark) as path:
            metric_curves(path, table, shown, f"{descriptor}: clusterings", reason)


def _best_cut(table: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Of the cuts of one tree the one that the rule takes, or the least; None without a tree."""
    cuts = [line for line in table if line["algorithm"] == TREE]
    if not cuts:
        return None
    return cuts[recommend(cuts).index or 0]


def _tree(
    job: Job,
    descriptor: str,
    cut: dict[str, Any],
    recommended: str | None,
    outputs: Outputs,
    mark: str,
) -> None:
    from streamclust.figures.tree import dendrogram

    note = f"labels: descriptors/{descriptor}/clusterings/{cut['name']}/labels"
    if cut["name"] == recommended:
        note = "the recommended clustering"
    elif recommended is not None:
        note = f"recommended of all: {recommended}  ·  {note}"

    clustering = job.workspace.root[f"descriptors/{descriptor}/clusterings/{cut['name']}"]
    merges, weights = clustering["merges"][...], clustering["weights"][...]
    title = f"{descriptor}: {cut['algorithm']}, cut into {cut['n_clusters']} clusters"
    with outputs.writing(_file(descriptor, "dendrogram"), mark) as path:
        dendrogram(path, merges, weights, cut["n_clusters"], title, note)


def _maps(
    job: Job,
    passes: Passes,
    descriptor: str,
    rows: Rows,
    name: str,
    outputs: Outputs,
    mark: str,
) -> None:
    from streamclust.figures.density import density_map

    root = job.workspace.root[f"descriptors/{descriptor}"]
    clustering = root[f"clusterings/{name}"]
    labels, sizes, means = clustering["labels"], clustering["sizes"][...], clustering["means"][...]
    k, mean = len(sizes), root["pca/reduced_mean"][...]
    sampled = rows.having(numbered=True)
    sample = passes.reduce(
        "sampling", sampled, UniformSample(_SAMPLE_ROWS, job.settings.random_state)
    ).result()[0]
    maps = [
        DensityMap(axes, mean, *map_edges((sample - mean) @ axes, BINS))
        for axes in _axes(root["pca/reduced_scatter"][...], sizes, means)
    ]
    flat = rows.having(extras=(labels,))
    density = passes.reduce("density", flat, DensityMaps(maps, k))
    for number, (kind, axis) in enumerate(_MAPS.items()):
        with outputs.writing(_file(descriptor, kind), mark) as path:
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


def _axes(scatter: np.ndarray, sizes: np.ndarray, means: np.ndarray) -> list[np.ndarray]:
    """Principal and discriminant axes, in the order of `_MAPS`; a missing second one is zero."""
    principal = np.linalg.eigh(scatter)[1][:, ::-1][:, :2]
    principal = np.pad(principal, ((0, 0), (0, 2 - principal.shape[1])))
    return [principal, discriminant_axes(sizes, means, scatter)]
