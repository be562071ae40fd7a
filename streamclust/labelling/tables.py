"""The tables for people: labels.csv, metrics.csv and clusters.csv."""

import csv
from collections.abc import Callable
from typing import Any

import numpy as np

from streamclust.choice.tables import (
    CLUSTERS,
    COSTS,
    METRICS,
    choose,
    clusters_table,
    costs_table,
    metrics_table,
)
from streamclust.labelling.named_rows import write_named
from streamclust.memory import MIB, Need
from streamclust.outliers.near_duplicates import FILE as DUPLICATES
from streamclust.outliers.pictures import outlier_figures
from streamclust.outliers.tables import TABLES
from streamclust.store.descriptors import stale_sources
from streamclust.store.images import stored_paths
from streamclust.store.job import Job
from streamclust.store.outliers import case_outliers, stored_outliers
from streamclust.store.outputs import Outputs
from streamclust.store.workspace import Workspace

STEP = "export"
_ROWS = 65_536
NEED = Need(STEP, fixed=64 * MIB)


def export(job: Job, outputs: Outputs) -> None:
    """Write the tables from all that is in the workspace.

    labels.csv has a column a set, with the labels of its recommended clustering; rows that were
    masked have label -1. A set without a recommended clustering has no column. Where outliers
    were looked for, ``outlier`` (0 or 1) and ``outlier_score`` follow; where they are of other
    rows than those that are stored, what was told of them is put aside.
    """
    workspace = job.workspace
    stored = [name for name in workspace.descriptors if not stale_sources(workspace, name)]
    if not stored:
        return
    old = [name for name in stored if _is_old(workspace, name)]
    if old:
        job.events.warn(
            f"the tables are left as they are: clusterings of {', '.join(old)} were made by an "
            f"older streamclust: streamclust cluster {workspace.folder} makes them anew"
        )
        return
    if stored_outliers(workspace) is None:
        forget_outliers(job, outputs)
    n_rows = workspace.root[f"descriptors/{stored[0]}"].attrs["n_rows"]
    with job.step(STEP, None, [NEED], n_rows):
        outputs.table("metrics.csv", METRICS, metrics_table(workspace, stored))
        outputs.table("costs.csv", COSTS, costs_table(workspace, stored))
        outputs.table("clusters.csv", CLUSTERS, clusters_table(workspace, stored))
        _labels(job, outputs, stored, n_rows)
    write_named(job, outputs)


def _is_old(workspace: Workspace, descriptor: str) -> bool:
    """Whether clusterings of a set lack what is stored of them now."""
    root = workspace.root[f"descriptors/{descriptor}"]
    names = workspace.clusterings(descriptor)
    return any("means" not in root[f"clusterings/{name}"] for name in names)


def forget_outliers(job: Job, outputs: Outputs) -> None:
    """Put aside the outliers, tables and figures of rows that are no more."""
    case_outliers(job.workspace).archive()
    for file in (*TABLES, DUPLICATES, *outlier_figures()):
        outputs.remove(file)


def _labels(job: Job, outputs: Outputs, stored: list[str], n_rows: int) -> None:
    root = job.workspace.root
    labels = {}
    for descriptor in stored:
        name, _ = choose(job.workspace, descriptor)
        if not job.workspace.clusterings(descriptor):
            job.events.warn(f"{descriptor} has no clusterings: run streamclust cluster and measure")
        if name is not None:
            labels[descriptor] = root[f"descriptors/{descriptor}/clusterings/{name}/labels"]
    found = stored_outliers(job.workspace)
    scored: dict[str, tuple[Any, Callable[[np.ndarray], list]]] = {}
    if found is not None:
        scored = {"outlier": (found.flagged, _flags), "outlier_score": (found.score, _scores)}
    paths = stored_paths(job.workspace)
    with (
        outputs.text("labels.csv") as file,
        job.events.passing("labels.csv", n_rows) as advance,
    ):
        writer = csv.writer(file)
        writer.writerow(["row", "path", *labels, *scored])
        for start in range(0, n_rows, _ROWS):
            stop = min(start + _ROWS, n_rows)
            names = [""] * (stop - start) if paths is None else paths[start:stop].tolist()
            columns = [array[start:stop].tolist() for array in labels.values()]
            columns += [as_text(array[start:stop]) for array, as_text in scored.values()]
            writer.writerows(zip(range(start, stop), names, *columns, strict=True))
            advance(stop - start)


def _flags(flagged: np.ndarray) -> list[int]:
    return flagged.astype(int).tolist()


def _scores(scores: np.ndarray) -> list[str]:
    return [f"{score:.4f}" for score in scores.tolist()]
