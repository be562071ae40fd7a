"""The graph of nearest neighbours of a set's rows, kept for all that asks who is near whom."""

from dataclasses import replace
from typing import Any

import numpy as np

from streamclust.memory import Need
from streamclust.neighbors.graph import GraphReport, neighbor_graph
from streamclust.neighbors.needs import graph_needs
from streamclust.neighbors.settings import GraphSettings
from streamclust.outliers.space import STEP as SPACE
from streamclust.passes.blocks import Rows
from streamclust.settings import Settings
from streamclust.store.job import Job
from streamclust.store.workspace import fingerprint, stage_array

STEP = "neighbors"


def neighbors(job: Job, descriptor: str, of_groups: str | None) -> None:
    """Find the nearest neighbours of every row of a set, unless that is done.

    ``indices`` and ``distances`` are the plain neighbours; where rows have groups (`of_groups`:
    where these are in the store) ``group_indices`` and ``group_distances`` count each at most
    once. Of few rows, the neighbours are all others.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    workspace, path = job.workspace, f"descriptors/{descriptor}"
    rows = space_rows(job, descriptor)
    settings = _of_other_rows(job, descriptor)
    made_of = [workspace.fingerprint_of(f"{path}/{SPACE}"), settings.__dict__]
    group_mark = None if of_groups is None else workspace.fingerprint_of(of_groups)
    mark = fingerprint(STEP, 1, *made_of, group_mark)
    if workspace.restore(f"{path}/{STEP}", mark):
        job.skip(STEP, descriptor)
        return
    codes = None if of_groups is None else workspace.get(of_groups)
    needs = neighbor_needs(descriptor, rows, job.settings, grouped=codes is not None)
    with (
        job.step(STEP, descriptor, needs, rows.n_rows) as passes,
        workspace.staging() as staged,
        workspace.scratch(STEP, mark) as scratch,
    ):
        made = staged.create_group(STEP)
        outputs = _stage(made, rows, settings.n_neighbors, grouped=codes is not None)
        report = neighbor_graph(rows, settings, passes, scratch, outputs, codes)
        made.attrs.update(report=_as_json(report), n_neighbors=settings.n_neighbors)
        workspace.publish(made, f"{path}/{STEP}", mark)


def space_rows(job: Job, descriptor: str) -> Rows:
    """The rows of a set as the outlier scores see them."""
    return job.rows_of(descriptor, f"{SPACE}/reduced")


def usual_distance(graph: Any) -> float:
    """Median distance to the last of the plain neighbours: what is usual in a set.

    Of the plain ones, as the pairs that it is held against are: where groups are large, the
    neighbours of other groups lie far beyond.
    """
    distances = graph["distances"]
    starts = range(0, distances.shape[0], distances.chunks[0])
    last = [distances[start : start + distances.chunks[0]][:, -1] for start in starts]
    return distance_scale(np.concatenate(last))


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


def _stage(made: Any, rows: Rows, k: int, *, grouped: bool) -> list[Any]:
    shape, chunk = (rows.n_rows, k), rows.array.chunks[0]
    outputs = []
    for prefix in ("", "group_") if grouped else ("",):
        indices = stage_array(made, f"{prefix}indices", shape, np.int64, chunk, fill_value=-1)
        distances = stage_array(
            made, f"{prefix}distances", shape, np.float32, chunk, fill_value=np.inf
        )
        outputs += [indices, distances]
    return outputs


def _as_json(report: GraphReport) -> dict[str, Any]:
    return {**report._asdict(), "recall": report.recall._asdict()}


def distance_scale(kth_distances: np.ndarray) -> float:
    """The median of the rows' distances to their k-th neighbour; those not finite are left out."""
    known = kth_distances[np.isfinite(kth_distances)]
    return float(np.median(known)) if len(known) else 0.0
