"""The graph of nearest neighbours of a set's rows, kept for all that asks who is near whom."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamclust.images import is_grouped, sibling_groups
from streamclust.memory import Need
from streamclust.neighbors import GraphReport, GraphSettings, graph_needs, neighbor_graph
from streamclust.outliers.score_space import score_rows
from streamclust.passes import Passes
from streamclust.passes.accumulators import Collected
from streamclust.settings import Settings
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import SetOutliers, StoredNeighbors, fingerprint


@dataclass(frozen=True)
class FindNeighbors(SetStep):
    """Find the nearest neighbours of every row of a set.

    Beside the plain neighbours, where rows have groups, such are kept of which each group counts
    at most once. Of few rows, the neighbours are all others.
    """

    name = "neighbors"
    set_name: str

    def needs(self, on: CaseShapes) -> list[Need]:
        """The graph's parts."""
        rows, settings = score_rows(on, self.set_name), graph_settings(on.settings)
        return graph_needs(rows, settings, grouped=is_grouped(on))

    def fingerprint(self, job: Job) -> str:
        space = SetOutliers(job.workspace, self.set_name).space
        settings, groups = self._settings(job), sibling_groups(job)
        group_mark = None if groups is None else groups.fingerprint
        return fingerprint(self.name, 2, space.fingerprint, settings.__dict__, group_mark)

    def restore(self, job: Job, mark: str) -> bool:
        return SetOutliers(job.workspace, self.set_name).neighbors.restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        stored, groups = SetOutliers(job.workspace, self.set_name), sibling_groups(job)
        rows, settings = stored.rows, self._settings(job)
        k, chunk = settings.n_neighbors, rows.array.chunks[0]
        if k < job.settings.n_neighbors:
            job.events.note(
                f"{self.set_name}: {k + 1} valid rows have {k} neighbours each, "
                f"not {job.settings.n_neighbors}: all are taken"
            )
        codes = None if groups is None else groups.codes
        with (
            job.workspace.scratch(self.name, mark) as scratch,
            stored.neighbors.written(mark) as writer,
        ):
            outputs = writer.outputs(rows.n_rows, k, chunk, grouped=codes is not None)
            report = neighbor_graph(rows, settings, passes, scratch, outputs, codes)
            writer.tell(_as_json(report), k)

    def _settings(self, job: Job) -> GraphSettings:
        """The graph's, with as many neighbours as there are other valid rows at most."""
        settings, most = graph_settings(job.settings), job.n_valid(self.set_name) - 1
        return replace(settings, n_neighbors=min(settings.n_neighbors, most))


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


def _as_json(report: GraphReport) -> dict[str, Any]:
    return {**report._asdict(), "recall": report.recall._asdict()}


def distance_scale(kth_distances: np.ndarray) -> float:
    """The median of the rows' distances to their k-th neighbour; those not finite are left out."""
    known = kth_distances[np.isfinite(kth_distances)]
    return float(np.median(known)) if len(known) else 0.0
