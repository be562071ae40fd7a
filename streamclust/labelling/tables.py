"""The tables for people: labels.csv, metrics.csv, clusters.csv; named.csv and a names.csv to fill
in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.choice import CLUSTERS, COSTS, METRICS, clusters_table, costs_table, metrics_table
from streamclust.errors import SettingsError
from streamclust.labelling.names import AppliedNames, applied_names, cluster_names, why_unused
from streamclust.labelling.names_table import COLUMNS
from streamclust.labelling.row_writers import (
    CODE,
    FLAG,
    FLOAT,
    INT,
    TEXT,
    WRITING_BYTES,
    Column,
    row_file,
)
from streamclust.memory import Need
from streamclust.outliers import DUPLICATES_FILE as DUPLICATES
from streamclust.outliers import OUTLIER_TABLES, outlier_figures
from streamclust.passes import Passes, Span, spans_of
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import (
    DescriptorSet,
    RowPaths,
    StoredClustering,
    case_outliers,
    find_clustering,
    named_clusterings,
    recommended_clusterings,
    stored_outliers,
    write_table,
)

NAMES_STEP = "names"
LABELS_FILE, NAMED_FILE, LOST_FILE = "labels.csv", "named.csv", "names_lost.csv"
LOST = ("set", "clustering", "what", "name", "clusters", "rows", "into", "share")
TEMPLATE = (*COLUMNS, "size", "share")
_ROWS = 65_536
_SHOWN = 3
NEED = Need(fixed=WRITING_BYTES)


def export(job: Job) -> None:
    """Write the tables from all that is in the workspace.

    labels.csv has a column a set, with the labels of its recommended clustering; rows that were
    masked have label -1. A set without a recommended clustering has no column. Where outliers
    were looked for, ``outlier`` (0 or 1) and ``outlier_score`` follow; where they are of other
    rows than those that are stored, what was told of them is put aside.
    """
    workspace = job.workspace
    sets = [one for one in map(job.set, workspace.descriptors) if not one.stale_sources]
    if not sets:
        return
    old = [one.name for one in sets if any(c.is_incomplete for c in one.clusterings)]
    if old:
        job.events.warn(
            f"the tables are left as they are: clusterings of {', '.join(old)} were made by an "
            f"older streamclust: streamclust cluster {workspace.folder} makes them anew"
        )
        return
    if stored_outliers(workspace) is None:
        forget_outliers(job)
    job.run([WriteTables([one.name for one in sets])])
    write_named(job)


@dataclass(frozen=True)
class WriteTables(Step):
    """Write labels.csv, metrics.csv, costs.csv and clusters.csv of sets, each time."""

    name = "export"
    sets: Sequence[str]

    def needs(self, on: CaseShapes) -> list[Need]:
        return [NEED]

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        workspace, outputs, names = job.workspace, job.outputs, list(self.sets)
        outputs.table("metrics.csv", METRICS, metrics_table(workspace, names))
        outputs.table("costs.csv", COSTS, costs_table(workspace, names))
        outputs.table("clusters.csv", CLUSTERS, clusters_table(workspace, names))
        sets = list(map(job.set, names))
        _write_labels(job, passes, sets, sets[0].n_rows)


def forget_outliers(job: Job) -> None:
    """Put aside the outliers, tables and figures of rows that are no more."""
    case_outliers(job.workspace).archive()
    for file in (*OUTLIER_TABLES, DUPLICATES, *outlier_figures()):
        job.outputs.remove(file)


def _write_labels(job: Job, passes: Passes, sets: Sequence[DescriptorSet], n_rows: int) -> None:
    labels = {}
    for stored in sets:
        if not stored.clusterings:
            job.events.warn(
                f"{stored.name} has no clusterings: run streamclust cluster and measure"
            )
        elif (recommended := find_clustering(job.workspace, stored.name)) is not None:
            labels[stored.name] = recommended.labels
    columns = [Column(name, INT) for name in labels]
    arrays = list(labels.values())
    outliers = stored_outliers(job.workspace)
    if outliers is not None:
        columns += [Column("outlier", FLAG), Column("outlier_score", FLOAT, format=".4f")]
        arrays += [outliers.flagged, outliers.score]
    _write_rows(
        job,
        passes,
        LABELS_FILE,
        columns,
        n_rows,
        lambda part: [array[part] for array in arrays],
    )


def _write_rows(
    job: Job,
    passes: Passes,
    name: str,
    columns: Sequence[Column],
    n_rows: int,
    read: Callable[[slice], list[Any]],
) -> None:
    """Write a table of all rows: their number and path, and what `read` gives of a part."""
    paths = RowPaths(job.workspace)
    columns = [Column("row", INT), Column("path", TEXT), *columns]

    def values(span: Span) -> list[Any]:
        return [np.arange(span.start, span.stop), paths[span.part], *read(span.part)]

    with job.outputs.writing(name) as staged, row_file(staged, columns, ".csv") as write:
        for _, part in passes.in_turn.stream(name, spans_of(n_rows, _ROWS), values):
            write(part)


def write_named(job: Job) -> None:
    """Write the names of all rows, and what was matched to none of the clusters now.

    named.csv has a column for each named clustering: it is called as the set, or
    ``<set>/<clustering>`` where several of a set are named. Rows in clusters without a name have
    an empty cell. ``outlier`` is 1 for rows that are flagged, or in a cluster marked so.
    """
    named = named_clusterings(job.workspace)
    if not named:
        for name in (NAMED_FILE, LOST_FILE):
            job.outputs.remove(name)
        return
    for words in filter(None, map(why_unused, named)):
        job.events.warn(words)
    applied = [names for names in map(applied_names, named) if names is not None]
    _write_lost(job, applied)
    if not applied:
        job.outputs.remove(NAMED_FILE)
        return
    columns = [
        Column(heading, CODE, names.naming.names)
        for heading, names in zip(_headings(applied), applied, strict=True)
    ]
    columns.append(Column("outlier", FLAG))
    labels = [names.clustering.labels for names in applied]
    # Rows in no cluster have label -1: the last mark.
    marks = [np.array([*names.naming.outliers, False]) for names in applied]
    outliers = stored_outliers(job.workspace)

    def read(part: slice) -> list[Any]:
        parts = [array[part] for array in labels]
        flagged = [mark[clusters] for mark, clusters in zip(marks, parts, strict=True)]
        if outliers is not None:
            flagged.append(outliers.flagged[part])
        return [*parts, np.logical_or.reduce(flagged)]

    n_rows = int(labels[0].shape[0])
    with job.step(NAMES_STEP, None, [NEED], n_rows) as passes:
        _write_rows(job, passes, NAMED_FILE, columns, n_rows, read)


def _headings(applied: Sequence[AppliedNames]) -> list[str]:
    clusterings = [names.clustering for names in applied]
    sets = [clustering.set_name for clustering in clusterings]
    return [
        one.set_name if sets.count(one.set_name) == 1 else f"{one.set_name}/{one.name}"
        for one in clusterings
    ]


def _write_lost(job: Job, applied: Sequence[AppliedNames]) -> None:
    """Write and say what was lost; where nothing is, the table goes."""
    if not any(names.lost for names in applied):
        job.outputs.remove(LOST_FILE)
        return
    job.outputs.table(LOST_FILE, LOST, _lost_lines(applied))
    for names in applied:
        if names.lost:
            listed = ", ".join(repr(lost.name) for lost in names.lost[:_SHOWN])
            listed += ", …" * (len(names.lost) > _SHOWN)
            about = f"{names.clustering.set_name} {names.clustering.name}"
            job.events.warn(
                f"{about} was computed anew: {len(names.lost)} names or marks fit none of its "
                f"clusters ({listed}): see {LOST_FILE}"
            )


def _lost_lines(applied: Sequence[AppliedNames]) -> Iterator[dict[str, Any]]:
    for names in applied:
        for lost in names.lost:
            yield {
                "set": names.clustering.set_name,
                "clustering": names.clustering.name,
                "what": lost.what,
                "name": lost.name,
                "clusters": " ".join(map(str, lost.clusters)),
                "rows": lost.rows,
                "into": lost.into if lost.into >= 0 else "",
                "share": f"{lost.share:.4f}",
            }


def write_template(job: Job, file: Path, *, overwrite: bool = False) -> None:
    """Write a names.csv to fill in: a line a cluster of each set's recommended clustering, largest
    cluster first, with the names that there are.

    Raises
    ------
    SettingsError
        When there is no recommended clustering, or the file is there and is a person's.
    """
    clusterings = recommended_clusterings(job.workspace, job.chosen())
    if not clusterings:
        raise SettingsError("no set has a recommended clustering: run streamclust cluster first")
    lines = chain.from_iterable(map(_template_lines, clusterings.values()))
    with job.outputs.elsewhere(file, NAMES_STEP, overwrite=overwrite) as staged:
        write_table(staged, TEMPLATE, lines)
    job.events.note(f"{file}: names of clusters go into the column name, equal ones merge them")


def _template_lines(clustering: StoredClustering) -> Iterator[dict[str, Any]]:
    sizes, naming = clustering.sizes[...], cluster_names(clustering)
    for cluster, size in enumerate(sizes.tolist()):
        yield {
            "set": clustering.set_name,
            "clustering": clustering.name,
            "cluster": cluster,
            "name": naming.names[cluster],
            "outlier": int(naming.outliers[cluster]),
            "mark": clustering.fingerprint,
            "size": size,
            "share": f"{size / max(1, sizes.sum()):.6f}",
        }
