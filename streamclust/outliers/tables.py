"""The outliers for people: outliers.csv, their reasons, and the groups that they form."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from streamclust.images.pixels import MEASURES
from streamclust.memory import MIB, Need
from streamclust.outliers.graph import usual_distance
from streamclust.outliers.near_duplicates import components
from streamclust.outliers.scores import far_out
from streamclust.outliers.suspects import KINDS, OUTLIERS, Suspects, set_scores
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs
from streamclust.store.paths import PATH, parts_with_paths
from streamclust.store.workspace import Workspace, fingerprint

STEP = "outlier tables"
OUTLIERS_FILE, REASONS_FILE = "outliers.csv", "outlier_reasons.csv"
GROUPS_FILE = "outlier_groups.csv"
TABLES = (OUTLIERS_FILE, REASONS_FILE, GROUPS_FILE)
FIXED = ("rank", "row", "path", "score", "kind", "sets")
REASONS = ("row", "path", "kind", "measure", "value", "usual_low", "usual_high")
GROUPS = ("group", "size", "share", "kind", "score", "row", "path")
BYTES_A_ROW = 80

# Alike outliers of fewer rows are told one by one.
LEAST_GROUP = 5
_PIECE_ROWS = 4096


def write_outliers(job: Job, outputs: Outputs, found: Suspects) -> None:
    """Write outliers.csv, outlier_reasons.csv and outlier_groups.csv, unless that is done.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    root, fingerprint_of = job.workspace.root, job.workspace.fingerprint_of
    sets = list(root[OUTLIERS].attrs["sets"])
    parts = [f"descriptors/{name}/{part}" for name in sets for part in (OUTLIERS, "neighbors")]
    mark = fingerprint(STEP, 2, [fingerprint_of(path) for path in (PATH, OUTLIERS, *parts)])
    if all(outputs.is_current(file, mark) for file in TABLES):
        job.skip(STEP, None)
        return
    n_rows = len(found.score)
    graph = root[f"descriptors/{sets[0]}/neighbors/indices"]
    with job.step(STEP, None, outlier_table_needs(n_rows, graph.chunks[0], graph.shape[1]), n_rows):
        outputs.table(OUTLIERS_FILE, (*FIXED, *sets), _lines(job, sets, found), mark)
        outputs.table(REASONS_FILE, REASONS, _reasons(job.workspace), mark)
        outputs.table(GROUPS_FILE, GROUPS, _group_lines(job, sets, found), mark)


def outlier_table_needs(n_rows: int, chunk: int = 32_768, n_neighbors: int = 15) -> list[Need]:
    """Memory of whole columns, were every row flagged, and of a chunk of the graph."""
    return [Need(STEP, fixed=n_rows * BYTES_A_ROW + chunk * n_neighbors * 12 + 32 * MIB)]


def _lines(job: Job, sets: list[str], found: Suspects) -> Iterator[dict[str, Any]]:
    rows = found.shown()
    limits = {name: far_out(score) for name, score in set_scores(job, sets)}
    for part, paths in parts_with_paths(job.workspace, rows):
        own = rows[part]
        scores = {name: score[own].tolist() for name, score in set_scores(job, sets)}
        for place, (row, path) in enumerate(zip(own.tolist(), paths, strict=True)):
            told = {name: score[place] for name, score in scores.items()}
            yield {
                "rank": part.start + place + 1,
                "row": row,
                "path": path,
                "score": f"{found.score[row]:.4f}",
                "kind": KINDS[found.kind[row]],
                # Rows without a score are beyond all others.
                "sets": " ".join(name for name in told if not told[name] <= limits[name]),
                **{name: f"{score:.4f}" for name, score in told.items()},
            }


def _reasons(workspace: Workspace) -> Iterator[dict[str, Any]]:
    group = workspace.root[f"{OUTLIERS}/reasons"]
    names = ("row", "kind", "measure", "value", "usual")
    for part, paths in parts_with_paths(workspace, group["row"][...]):
        columns = (group[name][part].tolist() for name in names)
        for path, row, kind, measure, value, usual in zip(paths, *columns, strict=True):
            yield {
                "row": row,
                "path": path,
                "kind": KINDS[kind],
                "measure": MEASURES[measure],
                "value": f"{value:.4g}",
                "usual_low": f"{usual[0]:.4g}",
                "usual_high": f"{usual[1]:.4g}",
            }


def _groups(job: Job, sets: list[str], found: Suspects) -> tuple[np.ndarray, np.ndarray]:
    """Flagged rows that are near each other in any set, with the number of their group: those of
    the largest group first, in order of their scores."""
    flagged = np.flatnonzero(found.flagged)
    place = np.full(len(found.flagged), -1, np.int32)
    place[flagged] = np.arange(len(flagged))
    labels = components(len(flagged), _near_edges(job, sets, place))
    sizes = np.bincount(labels, minlength=1)
    numbers = np.empty(len(sizes), np.int32)
    numbers[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    kept = sizes[labels] >= LEAST_GROUP
    rows, number = flagged[kept], numbers[labels[kept]]
    order = np.lexsort((-found.score[rows], number))
    return rows[order], number[order]


def _near_edges(
    job: Job, sets: list[str], place: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Flagged rows, by place, and their flagged neighbours that are not farther than is usual."""
    for name in sets:
        graph = job.workspace.root[f"descriptors/{name}/neighbors"]
        usual = usual_distance(graph)
        chunk = graph["indices"].chunks[0]
        for start in range(0, len(place), chunk):
            own = place[start : start + chunk]
            here = np.flatnonzero(own >= 0)
            if not len(here):
                continue
            indices, distances = (
                graph[part][start : start + chunk] for part in ("indices", "distances")
            )
            for first in range(0, len(here), _PIECE_ROWS):
                piece = here[first : first + _PIECE_ROWS]
                near = (indices[piece] >= 0) & (distances[piece] <= usual)
                row, column = np.nonzero(near)
                other = place[indices[piece[row], column]]
                yield own[piece[row]][other >= 0], other[other >= 0]


def _group_lines(job: Job, sets: list[str], found: Suspects) -> Iterator[dict[str, Any]]:
    rows, number = _groups(job, sets, found)
    sizes = np.bincount(number)
    for part, paths in parts_with_paths(job.workspace, rows):
        told = zip(number[part].tolist(), rows[part].tolist(), paths, strict=True)
        for group, row, path in told:
            yield {
                "group": group,
                "size": sizes[group],
                "share": f"{sizes[group] / len(found.score):.6f}",
                "kind": KINDS[found.kind[row]],
                "score": f"{found.score[row]:.4f}",
                "row": row,
                "path": path,
            }
