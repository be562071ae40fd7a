"""Exact internal indices of every clustering of a set, in two passes that serve them all."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamclust.accumulators.clusters import PIECE_ROWS, ClusterSpread, ClusterSums
from streamclust.memory import Need
from streamclust.models.scores import calinski_harabasz, davies_bouldin, explained_share
from streamclust.passes import Passes, Rows
from streamclust.steps.job import Job
from streamclust.workspace import Workspace

STEP = "measure"
VERSION = 1


def measure(job: Job, descriptor: str) -> None:
    """Measure the clusterings of one descriptor set that have not been measured.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    names = [
        name
        for name in job.workspace.clusterings(descriptor)
        if scores_of(job.workspace, descriptor, name) is None
    ]
    if not names:
        job.skip(STEP, descriptor)
        return
    root = job.workspace.root[f"descriptors/{descriptor}/clusterings"]
    n_clusters = [int(root[name].attrs["n_clusters"]) for name in names]
    rows = job.rows_of(descriptor, "reduced")
    rows = rows.having(extras=(_Columns([root[name]["labels"] for name in names]),))
    shift = job.workspace.root[f"descriptors/{descriptor}/pca/reduced_mean"][...]
    needs = measure_needs(descriptor, rows, n_clusters)
    with job.step(STEP, descriptor, needs, rows.n_rows) as passes:
        results = _measure(passes, descriptor, rows, n_clusters, shift)
        for name, scores in zip(names, results, strict=True):
            path = f"descriptors/{descriptor}/clusterings/{name}"
            # JSON knows no NaN: what is not defined (for one cluster) is stored as null.
            known = {n: None if v != v else v for n, v in scores.items()}
            job.workspace.annotate(path, scores={"version": VERSION, **known})


def scores_of(workspace: Workspace, descriptor: str, clustering: str) -> dict[str, Any] | None:
    """The measured scores of a clustering, or None."""
    node = workspace.get(f"descriptors/{descriptor}/clusterings/{clustering}")
    scores = None if node is None else node.attrs.get("scores")
    if not scores or scores["version"] != VERSION:
        return None
    return {name: math.nan if value is None else value for name, value in scores.items()}


def measure_needs(descriptor: str, rows: Rows, n_clusters: Sequence[int]) -> list[Need]:
    """Memory of a block, its labels in every clustering, and its distances to all means."""
    row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
    block = rows.rows_a_block * (2 * row_bytes + 2 * 4 * len(n_clusters))
    products = 8 * PIECE_ROWS * (2 * sum(n_clusters) + 2 * rows.n_columns + 8 * len(n_clusters))
    return [Need(f"{STEP} of {descriptor}", per_block=block + products)]


class _Columns:
    """Label arrays of several clusterings as the columns of one."""

    def __init__(self, arrays: list[Any]) -> None:
        self.arrays = arrays

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.stack([array[part] for array in self.arrays], axis=1)


def _measure(
    passes: Passes, descriptor: str, rows: Rows, n_clusters: list[int], shift: np.ndarray
) -> list[dict[str, Any]]:
    sums = passes.reduce("cluster means", rows, ClusterSums(n_clusters, shift))
    means = sums.result()
    spread = ClusterSpread([mean for _, mean in means], shift)
    spreads = passes.reduce("cluster spread", rows, spread).result()
    return [
        _scores(sizes, mean, *parts) for (sizes, mean), parts in zip(means, spreads, strict=True)
    ]


def _scores(
    sizes: np.ndarray,
    means: np.ndarray,
    squares: np.ndarray,
    distances: np.ndarray,
    silhouettes: float,
) -> dict[str, Any]:
    n_rows = float(sizes.sum())
    inertia = float(squares.sum())
    return {
        "calinski_harabasz": calinski_harabasz(sizes, means, inertia),
        "davies_bouldin": davies_bouldin(sizes, means, distances),
        "silhouette_simplified": silhouettes / n_rows if len(sizes) > 1 else float("nan"),
        "inertia": inertia,
        "explained": explained_share(sizes, means, inertia),
        "smallest_cluster": float(sizes.min() / n_rows),
        "largest_cluster": float(sizes.max() / n_rows),
        "sizes": sizes.astype(int).tolist(),
    }
