"""The outliers for people: outliers.csv, their reasons, and the groups that they form."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from streamclust.models.outlier_scores import far_out
from streamclust.outputs import Outputs
from streamclust.steps.job import Job
from streamclust.steps.neighbors import usual_distance
from streamclust.steps.paths import paths_of
from streamclust.steps.suspects import KINDS, OUTLIERS, Suspects, load_reasons, set_scores
from streamclust.workspace import Workspace

OUTLIERS_FILE, REASONS_FILE = "outliers.csv", "outlier_reasons.csv"
GROUPS_FILE = "outlier_groups.csv"
TABLES = (OUTLIERS_FILE, REASONS_FILE, GROUPS_FILE)
FIXED = ("rank", "row", "path", "score", "kind", "sets")
REASONS = ("row", "path", "kind", "measure", "value", "usual_low", "usual_high")
GROUPS = ("group", "size", "share", "kind", "score", "row", "path")

# Alike outliers of fewer rows are told one by one.
LEAST_GROUP = 5
_CHUNK = 65_536


def write_outliers(job: Job, outputs: Outputs, found: Suspects) -> None:
    """Write outliers.csv, outlier_reasons.csv and outlier_groups.csv."""
    sets = list(job.workspace.root[OUTLIERS].attrs["sets"])
    rows = found.shown()
    paths = paths_of(job.workspace, rows)
    scores, beyond = {}, {}
    for name, score in set_scores(job, sets):
        scores[name] = score[rows]
        beyond[name] = ~(score[rows] <= far_out(score))
    outputs.table(OUTLIERS_FILE, (*FIXED, *sets), _lines(found, rows, paths, scores, beyond))
    outputs.table(REASONS_FILE, REASONS, _reasons(job))
    groups = _groups(job, sets, found)
    outputs.table(GROUPS_FILE, GROUPS, _group_lines(job.workspace, groups, found))


def _lines(
    found: Suspects,
    rows: np.ndarray,
    paths: list[str],
    scores: dict[str, np.ndarray],
    beyond: dict[str, np.ndarray],
) -> Iterator[dict[str, Any]]:
    for place, row in enumerate(rows.tolist()):
        yield {
            "rank": place + 1,
            "row": row,
            "path": paths[place],
            "score": f"{found.score[row]:.4f}",
            "kind": KINDS[found.kind[row]],
            "sets": " ".join(name for name in scores if beyond[name][place]),
            **{name: f"{score[place]:.4f}" for name, score in scores.items()},
        }


def _reasons(job: Job) -> Iterator[dict[str, Any]]:
    told = list(load_reasons(job))
    paths = paths_of(job.workspace, np.array([row for row, _ in told], np.int64))
    for (row, reason), path in zip(told, paths, strict=True):
        yield {
            "row": row,
            "path": path,
            "kind": reason.kind,
            "measure": reason.measure,
            "value": f"{reason.value:.4g}",
            "usual_low": f"{reason.usual[0]:.4g}",
            "usual_high": f"{reason.usual[1]:.4g}",
        }


def _groups(job: Job, sets: list[str], found: Suspects) -> list[np.ndarray]:
    """Flagged rows that are each other's neighbours, as near as ordinary neighbours are, in the
    graph of some set: the connected ones, largest first."""
    flagged = np.flatnonzero(found.flagged)
    place = np.full(len(found.flagged), -1, np.int32)
    place[flagged] = np.arange(len(flagged))
    edges = [np.empty((0, 2), np.int32)]
    for name in sets:
        graph = job.workspace.root[f"descriptors/{name}/neighbors"]
        edges += _near_edges(graph, usual_distance(graph), place)
    joined = np.concatenate(edges)
    matrix = coo_array((np.ones(len(joined), bool), joined.T), shape=(len(flagged),) * 2)
    labels = connected_components(matrix, directed=False)[1]
    sizes = np.bincount(labels, minlength=1)
    kept = [label for label in np.argsort(-sizes, kind="stable") if sizes[label] >= LEAST_GROUP]
    return [flagged[labels == label] for label in kept]


def _near_edges(graph: Any, usual: float, place: np.ndarray) -> Iterator[np.ndarray]:
    indices, distances = graph["indices"], graph["distances"]
    chunk = indices.chunks[0]
    for start in range(0, len(place), chunk):
        own = place[start : start + chunk]
        here = np.flatnonzero(own >= 0)
        if not len(here):
            continue
        others = indices[start : start + chunk][here]
        near = (others >= 0) & (distances[start : start + chunk][here] <= usual)
        row, column = np.nonzero(near)
        other = place[others[row, column]]
        both = other >= 0
        yield np.stack([own[here[row]], other], axis=1)[both]


def _group_lines(
    workspace: Workspace, groups: list[np.ndarray], found: Suspects
) -> Iterator[dict[str, Any]]:
    for number, rows in enumerate(groups):
        kinds = np.bincount(found.kind[rows], minlength=len(KINDS))
        order = rows[np.argsort(-found.score[rows], kind="stable")]
        for row, path in zip(order.tolist(), paths_of(workspace, order), strict=True):
            yield {
                "group": number,
                "size": len(rows),
                "share": f"{len(rows) / len(found.score):.6f}",
                "kind": KINDS[int(kinds.argmax())],
                "score": f"{found.score[row]:.4f}",
                "row": row,
                "path": path,
            }
