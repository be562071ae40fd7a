"""The names for people: named.csv, names_lost.csv, and a names.csv to fill in."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.labelling.name_matching import Naming
from streamclust.labelling.names import Applied, naming_of, stored_names, why_unused
from streamclust.labelling.names_file import COLUMNS
from streamclust.memory import MIB, Need
from streamclust.outliers.suspects import stored_outliers
from streamclust.store.clusterings import recommended_clusterings
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs, safe_cell
from streamclust.store.paths import PATH
from streamclust.store.workspace import Workspace

STEP = "names"
NAMED_FILE, LOST_FILE = "named.csv", "names_lost.csv"
LOST = ("set", "clustering", "what", "name", "clusters", "rows", "into", "share")
TEMPLATE = (*COLUMNS, "size", "share")
_ROWS = 65_536
_SHOWN = 3
NEED = Need(STEP, fixed=64 * MIB)


def write_named(job: Job, outputs: Outputs) -> None:
    """Write the names of all rows, and what was carried over to none of the clusters now.

    named.csv has a column for each named clustering: it is called as the set, or
    ``<set>/<clustering>`` where several of a set are named. Rows in clusters without a name have
    an empty cell. ``outlier`` is 1 for rows that are flagged, or in a cluster marked so.
    """
    workspace = job.workspace
    stored = stored_names(workspace)
    if not stored:
        for name in (NAMED_FILE, LOST_FILE):
            outputs.remove(name)
        return
    for words in (why_unused(workspace, *own) for own in stored):
        if words:
            job.events.warn(words)
    found = (naming_of(workspace, *own) for own in stored)
    applied = [own for own in found if own is not None]
    _tell_lost(job, outputs, applied)
    if not applied:
        outputs.remove(NAMED_FILE)
        return
    n_rows = _labels(workspace, applied[0]).shape[0]
    with (
        job.step(STEP, None, [NEED], n_rows),
        outputs.text(NAMED_FILE) as file,
        job.events.passing(NAMED_FILE, n_rows) as advance,
    ):
        writer = csv.writer(file)
        writer.writerow(["row", "path", *map(safe_cell, _headings(applied)), "outlier"])
        for n_written, lines in _lines(workspace, applied, n_rows):
            writer.writerows(lines)
            advance(n_written)


def _headings(applied: list[Applied]) -> list[str]:
    sets = [own.descriptor for own in applied]
    return [
        own.descriptor if sets.count(own.descriptor) == 1 else f"{own.descriptor}/{own.clustering}"
        for own in applied
    ]


def _lines(
    workspace: Workspace, applied: list[Applied], n_rows: int
) -> Iterator[tuple[int, Iterator[tuple[Any, ...]]]]:
    paths, outliers = workspace.get(PATH), stored_outliers(workspace)
    labels = [_labels(workspace, own) for own in applied]
    # Rows in no cluster have label -1: the last name, and the last mark.
    names = [np.array([*map(safe_cell, own.naming.names), ""], object) for own in applied]
    marks = [np.array([*own.naming.outliers, False]) for own in applied]
    for start in range(0, n_rows, _ROWS):
        part = slice(start, min(start + _ROWS, n_rows))
        size = part.stop - start
        told = [array[part] for array in labels]
        flagged = np.zeros(size, bool) if outliers is None else outliers["flagged"][part]
        for mark, own in zip(marks, told, strict=True):
            flagged = flagged | mark[own]
        columns = [name[own].tolist() for name, own in zip(names, told, strict=True)]
        shown = [""] * size if paths is None else paths[part].tolist()
        lines = zip(
            range(start, part.stop), shown, *columns, flagged.astype(int).tolist(), strict=True
        )
        yield size, lines


def _labels(workspace: Workspace, own: Applied) -> Any:
    path = f"descriptors/{own.descriptor}/clusterings/{own.clustering}"
    return workspace.root[path]["labels"]


def _tell_lost(job: Job, outputs: Outputs, applied: list[Applied]) -> None:
    """Write and say what was lost; where nothing is, the table goes."""
    if not any(own.lost for own in applied):
        outputs.remove(LOST_FILE)
        return
    outputs.table(LOST_FILE, LOST, _lost_lines(applied))
    for own in applied:
        if own.lost:
            listed = ", ".join(repr(lost.name) for lost in own.lost[:_SHOWN])
            listed += ", …" * (len(own.lost) > _SHOWN)
            job.events.warn(
                f"{own.descriptor} {own.clustering} was computed anew: {len(own.lost)} names or "
                f"marks fit none of its clusters ({listed}): see {LOST_FILE}"
            )


def _lost_lines(applied: list[Applied]) -> Iterator[dict[str, Any]]:
    for own in applied:
        for lost in own.lost:
            yield {
                "set": safe_cell(own.descriptor),
                "clustering": own.clustering,
                "what": lost.what,
                "name": safe_cell(lost.name),
                "clusters": " ".join(map(str, lost.clusters)),
                "rows": lost.rows,
                "into": lost.into if lost.into >= 0 else "",
                "share": f"{lost.share:.4f}",
            }


def write_template(job: Job, outputs: Outputs, file: Path, *, overwrite: bool = False) -> None:
    """Write a names.csv to fill in: a line a cluster of each set's recommended clustering, largest
    cluster first, with the names that there are.

    Raises
    ------
    SettingsError
        When there is no recommended clustering, or the file is there and is a person's.
    """
    workspace = job.workspace
    chosen = recommended_clusterings(workspace, job.chosen())
    if not chosen:
        raise SettingsError("no set has a recommended clustering: run streamclust cluster first")
    with (
        outputs.elsewhere(file, STEP, overwrite=overwrite) as staged,
        open(staged, "w", newline="", encoding="utf-8") as text,
    ):
        writer = csv.DictWriter(text, TEMPLATE)
        writer.writeheader()
        for own in chosen.values():
            writer.writerows(_template_lines(workspace, own.set_name, own.name))
    job.events.note(f"{file}: names of clusters go into the column name, equal ones merge them")


def _template_lines(
    workspace: Workspace, descriptor: str, clustering: str
) -> Iterator[dict[str, Any]]:
    group = workspace.root[f"descriptors/{descriptor}/clusterings/{clustering}"]
    sizes = group["sizes"][...]
    applied = naming_of(workspace, descriptor, clustering)
    n_clusters = len(sizes)
    naming = applied.naming if applied else Naming(("",) * n_clusters, (False,) * n_clusters)
    for cluster, size in enumerate(sizes.tolist()):
        yield {
            "set": safe_cell(descriptor),
            "clustering": clustering,
            "cluster": cluster,
            "name": safe_cell(naming.names[cluster]),
            "outlier": int(naming.outliers[cluster]),
            "mark": group.attrs["fingerprint"],
            "size": size,
            "share": f"{size / max(1, sizes.sum()):.6f}",
        }
