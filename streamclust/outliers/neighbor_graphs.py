"""The graph of nearest neighbours of a set's rows, kept for all that asks who is near whom."""

from dataclasses import replace
from typing import Any

import numpy as np

from streamclust.memory import Need
from streamclust.neighbors import GraphReport, GraphSettings, graph_needs, neighbor_graph
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import Collected
from streamclust.settings import Settings
from streamclust.store import Job, SetOutliers, StoredGroups, StoredNeighbors, fingerprint

STEP = "neighbors"


def neighbors(job: Job, descriptor: str, groups: StoredGroups | None) -> None:
    """Find the nearest neighbours of every row of a set, unless that is done.

    Beside the plain neighbours, where rows have `groups`, such are kept of which each group counts
    at most once. Of few rows, the neighbours are all others.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    workspace, stored = job.workspace, SetOutliers(job.workspace, descriptor)
    rows = stored.rows
    settings = _of_other_rows(job, descriptor)
    group_mark = None if groups is None else groups.fingerprint
    mark = fingerprint(STEP, 1, stored.space.fingerprint, settings.__dict__, group_mark)
    if stored.neighbors.restore(mark):
        job.skip(STEP, descriptor)
        return
    codes = None if groups is None else groups.codes
    needs = neighbor_needs(descriptor, rows, job.settings, grouped=codes is not None)
    with (
        job.step(STEP, descriptor, needs, rows.n_rows) as passes,
        workspace.scratch(STEP, mark) as scratch,
        stored.neighbors.written(mark) as writer,
    ):
        k, chunk = settings.n_neighbors, rows.array.chunks[0]
        outputs = writer.outputs(rows.n_rows, k, chunk, grouped=codes is not None)
        report = neighbor_graph(rows, settings, passes, scratch, outputs, codes)
        writer.tell(_as_json(report), k)


def usual_distance(graph: StoredNeighbors, passes: Passes) -> float:
    """Median distance to the last of the plain neighbours: what is usual in a set.

    Of the plain ones, as the pairs that it is held against are: where groups are large, the
    neighbours of other groups lie far beyond.
    """
    last = passes.reduce("usual distance", graph.rows.having(extras=()), Collected(_last_column))
    return distance_scale(*last.result())


def _last_column(distances: np.ndarray) -> tuple[np.ndarray, ...]:
    return (distances[:, -1].copy(),)


def graph_settings(settings: Settings) -> GraphSettings:
    """What the settings say of the graph."""
    return GraphSettings(
        n_neighbors=settings.n_neighbors,
        algorithm=settings.neighbors,
        seed=settings.random_state,
    )


def _of_other_rows(job: Job, descriptor: str) -> GraphSettings:
    """The graph's settings, with as many neighbours as there are other valid rows at most."""
    settings = graph_settings(job.settings)
    most = job.n_valid(descriptor) - 1
    if settings.n_neighbors <= most:
        return settings
    job.events.note(
        f"{descriptor}: {most + 1} valid rows have {most} neighbours each, "
        f"not {settings.n_neighbors}: all are taken"
    )
    return replace(settings, n_neighbors=most)


def neighbor_needs(descriptor: str, rows: Rows, settings: Settings, *, grouped: bool) -> list[Need]:
    """Memory of the graph's parts."""
    name = f"{STEP} of {descriptor}"
    return graph_needs(name, rows, graph_settings(settings), grouped=grouped)


def _as_json(report: GraphReport) -> dict[str, Any]:
    return {**report._asdict(), "recall": report.recall._asdict()}


def distance_scale(kth_distances: np.ndarray) -> float:
    """The median of the rows' distances to their k-th neighbour; those not finite are left out."""
    known = kth_distances[np.isfinite(kth_distances)]
    return float(np.median(known)) if len(known) else 0.0
