"""names.csv, as written by hand or saved by the report: read, and its names stored."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from streamclust.errors import SettingsError, SourceError
from streamclust.labelling.names import Naming
from streamclust.labelling.row_writers import WRITING_BYTES
from streamclust.memory import Need
from streamclust.passes import Passes
from streamclust.sources import csv_lines, plain_cell
from streamclust.steps import Job
from streamclust.store import (
    LABEL_STEP,
    DescriptorSet,
    NamedClusters,
    StoredClustering,
    Workspace,
    archive_names,
    clusters_to_name,
    find_clustering,
    save_names,
)

COLUMNS = ("set", "clustering", "cluster", "name", "outlier", "mark")
LONGEST_NAME = 200
_SEPARATORS = ",;\t"
_NEEDED = ("cluster", "name")
_TRUE, _FALSE = ("1", "true", "yes"), ("", "0", "false", "no")
# Control characters and separators of lines: none of them can be seen in a name.
_UNSEEN = ("Cc", "Zl", "Zp")

_SHOWN = 3
NEED = Need(fixed=WRITING_BYTES)


@dataclass(frozen=True)
class NameLine:
    """A line of names.csv.

    Attributes
    ----------
    number : int
        Of the line in the file, from 1 on.
    set, clustering : str
        Empty where they are not told.
    cluster : int
    name : str
        Empty for a cluster without one.
    outlier : bool
    mark : str
        Fingerprint of the clustering that was named; empty where it is not told.
    """

    number: int
    set: str
    clustering: str
    cluster: int
    name: str
    outlier: bool
    mark: str


def read_names(file: Path) -> list[NameLine]:
    """Read a table of names, with commas, semicolons or tabs; other columns are passed over.

    Raises
    ------
    SourceError
        When the file cannot be read, holds no line, lacks a column ``cluster`` or ``name``, or a
        line is not understood: the message names it.
    """
    lines = csv_lines(file, _SEPARATORS)
    header = [name.strip().lower() for name in next(lines, [])]
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise SourceError(
            f"{file}: has no column {' and no column '.join(missing)}: it takes "
            f"{','.join(COLUMNS)}; streamclust label OUT --template FILE writes one to fill in"
        )
    places = {name: header.index(name) for name in COLUMNS if name in header}
    read = [
        _line(file, number, {name: fields[at] for name, at in places.items() if at < len(fields)})
        for number, fields in enumerate(lines, 2)
        if any(field.strip() for field in fields)
    ]
    if not read:
        raise SourceError(f"{file}: holds no line: write one for each cluster to name")
    return read


def clean_name(text: str) -> str:
    """A name on one line: what cannot be seen becomes a space, and spaces one."""
    seen = (" " if unicodedata.category(char) in _UNSEEN else char for char in text)
    return " ".join("".join(seen).split())


def _line(file: Path, number: int, cells: dict[str, str]) -> NameLine:
    cluster = cells.get("cluster", "").strip()
    if not cluster.isdecimal():
        raise SourceError(f"{file}: line {number}: {cluster!r} is no number of a cluster")
    outlier = cells.get("outlier", "").strip().lower()
    if outlier not in (*_TRUE, *_FALSE):
        raise SourceError(f"{file}: line {number}: outlier is {outlier!r}: write 0 or 1")
    name = clean_name(plain_cell(cells.get("name", "")))
    if len(name) > LONGEST_NAME:
        raise SourceError(
            f"{file}: line {number}: a name of {len(name)} characters: write {LONGEST_NAME} at most"
        )
    return NameLine(
        number,
        plain_cell(cells.get("set", "").strip()),
        cells.get("clustering", "").strip(),
        int(cluster),
        name,
        outlier in _TRUE,
        cells.get("mark", "").strip(),
    )


@dataclass(frozen=True, eq=False)
class _NamesToStore:
    """Names as the table gives them, and the clusters that they are of."""

    clustering: StoredClustering
    clusters: NamedClusters
    naming: Naming


def store_names(job: Job, file: Path) -> None:
    """Store the names of a table; those that a clustering had before go to the archive.

    Raises
    ------
    SourceError
        When the table cannot be read.
    SettingsError
        When it names a set, clustering or cluster that is not there, names of another clustering
        than those in the store, or a cluster in two ways: nothing is stored then.
    """
    given = list(_names_to_store(job.workspace, file, read_names(file)))
    n_rows = max(names.clusters.n_rows for names in given)
    with job.step(LABEL_STEP, None, [NEED], n_rows) as passes:
        for names in given:
            _store(job, passes, names)


def _names_to_store(
    workspace: Workspace, file: Path, lines: Sequence[NameLine]
) -> Iterator[_NamesToStore]:
    _check_sets(workspace, file, lines)
    by_clustering = [(*_clustering_of(workspace, file, line), line) for line in lines]
    by_clustering.sort(key=lambda entry: entry[:2])
    for (set_name, name), group in groupby(by_clustering, key=lambda entry: entry[:2]):
        of_it = [line for _, _, line in group]
        if name not in workspace.clusterings(set_name):
            listed = _shown(workspace.clusterings(set_name))
            raise SettingsError(
                f"{file}: line {of_it[0].number}: {set_name} has no clustering "
                f"{name}: there are {listed}"
            )
        clustering = StoredClustering(workspace, set_name, name)
        clusters = _clusters(clustering, file, of_it)
        naming = _naming(file, clusters.n_clusters, name, of_it)
        yield _NamesToStore(clustering, clusters, naming)


def _check_sets(workspace: Workspace, file: Path, lines: Sequence[NameLine]) -> None:
    stored = workspace.descriptors
    unknown = sorted({line.set for line in lines if line.set and line.set not in stored})
    if unknown:
        raise SettingsError(
            f"{file}: no set is called {_shown(unknown)} in {workspace.folder}: "
            f"there are {', '.join(stored)}"
        )
    if len(stored) > 1 and not all(line.set for line in lines):
        number = next(line.number for line in lines if not line.set)
        known = _shown(stored)
        raise SettingsError(f"{file}: line {number}: tells no set: add a column set, of {known}")


def _clustering_of(workspace: Workspace, file: Path, line: NameLine) -> tuple[str, str]:
    """The set and clustering of a line: the only set, and its recommended one, where not told."""
    set_name = line.set or workspace.descriptors[0]
    if line.clustering:
        return set_name, line.clustering
    recommended = find_clustering(workspace, set_name)
    if recommended is None:
        raise SettingsError(
            f"{file}: line {line.number}: tells no clustering, and {set_name} has no "
            "recommended one: write kmeans-12 or the like"
        )
    return set_name, recommended.name


def _clusters(clustering: StoredClustering, file: Path, lines: Sequence[NameLine]) -> NamedClusters:
    """The clusters that were named: of the present clustering, or one before it."""
    about = f"{clustering.set_name} {clustering.name}"
    marks = sorted({line.mark for line in lines if line.mark})
    if len(marks) > 1:
        raise SettingsError(
            f"{file}: names of several clusterings that were called {about} "
            f"({_shown(marks)}): leave those of one"
        )
    now = str(clustering.fingerprint)
    mark = marks[0] if marks else now
    clusters = clusters_to_name(clustering, mark)
    row_counts = DescriptorSet(clustering.workspace, clustering.set_name).row_counts
    if clusters is None or clusters.n_rows not in row_counts:
        raise SettingsError(
            f"{file}: its names of {about} are of another run (mark {mark}; "
            f"that in {clustering.workspace.folder} is {now}): name the clusters anew, "
            "or leave the column mark empty to give them to the numbers as they stand"
        )
    return clusters


def _naming(file: Path, n_clusters: int, clustering: str, lines: list[NameLine]) -> Naming:
    unknown = sorted({line.cluster for line in lines if line.cluster >= n_clusters})
    if unknown:
        raise SettingsError(
            f"{file}: {len(unknown)} of its clusters are not in {clustering}, which has "
            f"{n_clusters} from 0 on: {_shown(unknown)}"
        )
    named: dict[int, NameLine] = {}
    for line in lines:
        before = named.setdefault(line.cluster, line)
        if (before.name, before.outlier) != (line.name, line.outlier):
            raise SettingsError(
                f"{file}: lines {before.number} and {line.number} name cluster {line.cluster} of "
                f"{clustering} in two ways, {before.name!r} and {line.name!r}: leave one"
            )
    of_cluster = [named.get(cluster) for cluster in range(n_clusters)]
    return Naming(
        tuple(line.name if line else "" for line in of_cluster),
        tuple(bool(line and line.outlier) for line in of_cluster),
    )


def _store(job: Job, passes: Passes, given: _NamesToStore) -> None:
    clustering, naming = given.clustering, given.naming
    about = f"{clustering.set_name} {clustering.name}"
    if not naming.distinct and not any(naming.outliers):
        if archive_names(clustering):
            job.events.note(f"{about}: without names now; those before are in the archive")
        return
    save_names(passes, clustering, naming.names, naming.outliers, given.clusters)
    n_named = sum(map(bool, naming.names))
    words = f"{about}: {n_named} of {len(naming.names)} clusters have a name"
    n_names = len(naming.distinct)
    words += f", {n_names} different ones" * (n_names < n_named)
    words += f"; {sum(naming.outliers)} are marked as outliers" * any(naming.outliers)
    job.events.note(words)


def _shown(items: Sequence[Any]) -> str:
    listed = ", ".join(map(str, items[:_SHOWN]))
    return listed + (f", … ({len(items)} in all)" if len(items) > _SHOWN else "")
