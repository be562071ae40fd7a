"""The outliers for people: outliers.csv, their reasons, and the groups that they form."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamclust.images import MEASURES
from streamclust.memory import MIB, Need
from streamclust.outliers.explanation import KINDS, FlaggedRows
from streamclust.outliers.flagging import flagged_now, set_scores
from streamclust.outliers.near_duplicates import ConnectedComponents
from streamclust.outliers.neighbor_graphs import usual_distance
from streamclust.outliers.score_space import graph_chunk
from streamclust.outliers.scores import far_out
from streamclust.passes import Passes
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import (
    SetOutliers,
    Workspace,
    case_outliers,
    fingerprint,
    parts_with_paths,
    paths_fingerprint,
)

OUTLIERS_FILE, REASONS_FILE = "outliers.csv", "outlier_reasons.csv"
GROUPS_FILE = "outlier_groups.csv"
OUTLIER_TABLES = (OUTLIERS_FILE, REASONS_FILE, GROUPS_FILE)
FIXED = ("rank", "row", "path", "score", "kind", "sets")
REASONS = ("row", "path", "kind", "measure", "value", "usual_low", "usual_high")
GROUPS = ("group", "size", "share", "kind", "score", "row", "path")
BYTES_A_ROW = 80

# Alike outliers of fewer rows are told one by one.
LEAST_GROUP = 5
_PIECE_ROWS = 4096


@dataclass(frozen=True)
class WriteOutliers(Step):
    """Write outliers.csv, outlier_reasons.csv and outlier_groups.csv."""

    name = "outlier tables"
    sets: Sequence[str]

    def needs(self, on: CaseShapes) -> list[Need]:
        """Whole columns, were every row flagged, and a chunk of the graph."""
        block = graph_chunk(on, self.sets) * on.settings.n_neighbors * 12
        held = on.n_rows * BYTES_A_ROW + block + 32 * MIB
        return [Need(fixed=held, per_block=2 * block)]

    def fingerprint(self, job: Job) -> str:
        stored = case_outliers(job.workspace)
        of_sets = [SetOutliers(job.workspace, name) for name in self.sets]
        parts = [part.fingerprint for one in of_sets for part in (one.scores, one.neighbors)]
        made_of = [paths_fingerprint(job.workspace), stored.fingerprint, *parts]
        return fingerprint(self.name, 2, made_of)

    def restore(self, job: Job, mark: str) -> bool:
        return all(job.outputs.is_current(file, mark) for file in OUTLIER_TABLES)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        outputs, outliers = job.outputs, flagged_now(job)
        lines = _lines(job, self.sets, outliers)
        outputs.table(OUTLIERS_FILE, (*FIXED, *self.sets), lines, mark)
        outputs.table(REASONS_FILE, REASONS, _reasons(job.workspace), mark)
        of_sets = [SetOutliers(job.workspace, name) for name in self.sets]
        rows, number = _groups(passes, of_sets, outliers)
        outputs.table(GROUPS_FILE, GROUPS, _group_lines(job, rows, number, outliers), mark)


def _lines(job: Job, sets: Sequence[str], outliers: FlaggedRows) -> Iterator[dict[str, Any]]:
    rows = outliers.shown()
    arrays = set_scores(job.workspace, sets)
    limits = {name: far_out(array[...]) for name, array in arrays.items()}
    for part, paths in parts_with_paths(job.workspace, rows):
        shown = rows[part]
        columns = {name: array[...][shown].tolist() for name, array in arrays.items()}
        for place, (row, path) in enumerate(zip(shown.tolist(), paths, strict=True)):
            scores = {name: column[place] for name, column in columns.items()}
            yield {
                "rank": part.start + place + 1,
                "row": row,
                "path": path,
                "score": f"{outliers.score[row]:.4f}",
                "kind": KINDS[outliers.kind[row]],
                # Rows without a score are beyond all others.
                "sets": " ".join(name for name in scores if not scores[name] <= limits[name]),
                **{name: f"{score:.4f}" for name, score in scores.items()},
            }


def _reasons(workspace: Workspace) -> Iterator[dict[str, Any]]:
    stored = case_outliers(workspace)
    for part, paths in parts_with_paths(workspace, stored.reason_rows):
        columns = (values.tolist() for values in stored.reasons(part).values())
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


def _groups(
    passes: Passes, sets: list[SetOutliers], outliers: FlaggedRows
) -> tuple[np.ndarray, np.ndarray]:
    """Flagged rows that are near each other in any set, with the number of their group: those of
    the largest group first, in order of their scores."""
    flagged = np.flatnonzero(outliers.flagged)
    place = np.full(len(outliers.flagged), -1, np.int32)
    place[flagged] = np.arange(len(flagged))
    components = ConnectedComponents(len(flagged))
    for stored in sets:
        near = _NearFlagged(place, len(flagged), usual_distance(stored.neighbors, passes))
        rows = stored.neighbors.rows.having(valid=outliers.flagged, numbered=True)
        name = f"{stored.set_name}: groups of outliers"
        components.merge(passes.reduce(name, rows, near).components)
    labels = components.result()
    sizes = np.bincount(labels, minlength=1)
    numbers = np.empty(len(sizes), np.int32)
    numbers[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    kept = sizes[labels] >= LEAST_GROUP
    rows, number = flagged[kept], numbers[labels[kept]]
    order = np.lexsort((-outliers.score[rows], number))
    return rows[order], number[order]


class _NearFlagged:
    """Joins flagged rows with their flagged neighbours that are not farther than is usual, as an
    accumulator over the neighbour graph.

    Parameters
    ----------
    place : ndarray of int32, shape (n_rows,)
        Number of each flagged row among these; -1 for others.
    n_flagged : int
    usual : float
        Distance up to which rows are near.
    """

    def __init__(self, place: np.ndarray, n_flagged: int, usual: float) -> None:
        self.place = place
        self.usual = usual
        self.components = ConnectedComponents(n_flagged)

    def __deepcopy__(self, memo: Any) -> Self:
        # Blocks' accumulators share the numbers of all rows.
        other = copy.copy(self)
        other.components = copy.deepcopy(self.components, memo)
        return other

    def update(self, distances: np.ndarray, indices: np.ndarray, numbers: np.ndarray) -> None:
        """See flagged rows of the graph."""
        for start in range(0, len(numbers), _PIECE_ROWS):
            part = slice(start, start + _PIECE_ROWS)
            near = (indices[part] >= 0) & (distances[part] <= self.usual)
            row, column = np.nonzero(near)
            other = self.place[indices[part][row, column]]
            places = self.place[numbers[part][row]]
            self.components.join(places[other >= 0], other[other >= 0])

    def merge(self, other: Self) -> None:
        self.components.merge(other.components)


def _group_lines(
    job: Job, rows: np.ndarray, number: np.ndarray, outliers: FlaggedRows
) -> Iterator[dict[str, Any]]:
    sizes = np.bincount(number)
    for part, paths in parts_with_paths(job.workspace, rows):
        members = zip(number[part].tolist(), rows[part].tolist(), paths, strict=True)
        for group, row, path in members:
            yield {
                "group": group,
                "size": sizes[group],
                "share": f"{sizes[group] / len(outliers.score):.6f}",
                "kind": KINDS[outliers.kind[row]],
                "score": f"{outliers.score[row]:.4f}",
                "row": row,
                "path": path,
            }
