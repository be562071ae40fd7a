"""Names of clusters in the store: taken from a table, and carried over to what is clustered anew.

``names/<set>/<clustering>`` holds the names as a person gave them, with the labels of all rows that
they were given on. What the clusters are called now follows from these each time, so nothing is
lost on the way when settings change and come back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.choice.tables import choose
from streamclust.errors import SettingsError
from streamclust.labelling.name_matching import Lost, Naming, carried
from streamclust.labelling.names_file import NameLine, read_names
from streamclust.memory import MIB, Need
from streamclust.passes.accumulators.contingency import Contingency
from streamclust.passes.blocks import Columns, Part, Rows
from streamclust.passes.verbs import Passes
from streamclust.store.descriptors import stale_sources
from streamclust.store.images import mark_of_rows, rows_with_mark, stored_paths
from streamclust.store.job import Job
from streamclust.store.workspace import Workspace, fingerprint, stage_array

STEP = "label"
NAMES = "names"
_SHOWN = 3
_CHUNK = 65_536
NEED = Need(STEP, fixed=64 * MIB)


@dataclass(frozen=True, eq=False)
class Applied:
    """The names of a clustering as it is now.

    Attributes
    ----------
    descriptor, clustering : str
    naming : Naming
    lost : list of Lost
        What was carried over to none of its clusters; empty where it is the one that was named.
    """

    descriptor: str
    clustering: str
    naming: Naming
    lost: list[Lost]


@dataclass(frozen=True, eq=False)
class _Given:
    """Names as the table gives them, and the clustering that they are of."""

    descriptor: str
    clustering: str
    group: Any
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
    given = list(_given(job.workspace, file, read_names(file)))
    n_rows = max(own.group["labels"].shape[0] for own in given)
    with job.step(STEP, None, [NEED], n_rows):
        for own in given:
            _store(job, own)


def stored_names(workspace: Workspace) -> list[tuple[str, str]]:
    """Set and clustering of all names that are stored."""
    found = (workspace.store / NAMES).glob("*/*/zarr.json")
    return sorted((file.parent.parent.name, file.parent.name) for file in found)


def naming_of(workspace: Workspace, descriptor: str, clustering: str) -> Applied | None:
    """The names of a clustering; None where it has none, or they are of other rows.

    Where it was computed anew, they are carried over: `name_matching.carried`.
    """
    place, path = _places(descriptor, clustering)
    given, now = workspace.get(place), workspace.get(path)
    if given is None or now is None or why_unused(workspace, descriptor, clustering):
        return None
    naming = Naming(tuple(given.attrs["names"]), tuple(given.attrs["outliers"]))
    if given.attrs["named"] == now.attrs["fingerprint"]:
        return Applied(descriptor, clustering, naming, [])
    n_clusters = len(naming.names), int(now.attrs["n_clusters"])
    labels = [given["labels"], Part(now["labels"], 0, given["labels"].shape[0])]
    # Of the rows that they were given on, also those that were in no cluster then.
    counts = Contingency(n_clusters, [(0, 1), (1, 1)])
    table, own = Passes().reduce("carrying names over", Rows(Columns(labels)), counts).result()
    return Applied(descriptor, clustering, *carried(naming, table, own.diagonal()))


def why_unused(workspace: Workspace, descriptor: str, clustering: str) -> str:
    """Why stored names are not in use; empty where they are."""
    place, path = _places(descriptor, clustering)
    about = f"the names of {descriptor} {clustering} are kept, and not used"
    if workspace.get(path) is None:
        return f"{about}: there is no such clustering now"
    if stale_sources(workspace, descriptor):
        return f"{about}: its sets changed since they were mixed"
    given, labels = workspace.root[place], workspace.root[path]["labels"]
    n_given = int(given["labels"].shape[0])
    if given.attrs["paths"] is not None or stored_paths(workspace) is not None:
        known = rows_with_mark(workspace, given.attrs["paths"]) == n_given
    else:
        known = n_given in _row_counts(workspace, descriptor)
    if not known or n_given > labels.shape[0]:
        return f"{about}: they were given to the rows of another case"
    return ""


def _row_counts(workspace: Workspace, descriptor: str) -> set[int]:
    """How many rows a set has, and had before it was updated."""
    attributes = workspace.root[f"descriptors/{descriptor}"].attrs
    return {int(attributes["n_rows"]), *(one["first_row"] for one in attributes.get("added", []))}


def _places(descriptor: str, clustering: str) -> tuple[str, str]:
    """Where names are, and the clustering that they are of."""
    return (
        f"{NAMES}/{descriptor}/{clustering}",
        f"descriptors/{descriptor}/clusterings/{clustering}",
    )


def _given(workspace: Workspace, file: Path, lines: Sequence[NameLine]) -> Iterator[_Given]:
    _check_sets(workspace, file, lines)
    told = [(*_clustering_of(workspace, file, line), line) for line in lines]
    told.sort(key=lambda one: one[:2])
    for (descriptor, clustering), own in groupby(told, key=lambda one: one[:2]):
        of_it = [line for _, _, line in own]
        if clustering not in workspace.clusterings(descriptor):
            listed = _shown(workspace.clusterings(descriptor))
            raise SettingsError(
                f"{file}: line {of_it[0].number}: {descriptor} has no clustering "
                f"{clustering}: there are {listed}"
            )
        group = _named_group(workspace, file, descriptor, clustering, of_it)
        yield _Given(descriptor, clustering, group, _naming(file, group, clustering, of_it))


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
        raise SettingsError(f"{file}: line {number}: tells no set: write {', '.join(stored[:3])}")


def _clustering_of(workspace: Workspace, file: Path, line: NameLine) -> tuple[str, str]:
    """The set and clustering of a line: the only set, and its recommended one, where not told."""
    descriptor = line.set or workspace.descriptors[0]
    clustering = line.clustering or choose(workspace, descriptor)[0]
    if clustering is None:
        raise SettingsError(
            f"{file}: line {line.number}: tells no clustering, and {descriptor} has no "
            "recommended one: write kmeans-12 or the like"
        )
    return descriptor, clustering


def _named_group(
    workspace: Workspace, file: Path, descriptor: str, clustering: str, lines: list[NameLine]
) -> Any:
    """The clustering that was named: the present one, or one before it that is in the archive."""
    _, path = _places(descriptor, clustering)
    now = workspace.root[path]
    marks = sorted({line.mark for line in lines if line.mark})
    if len(marks) > 1:
        raise SettingsError(
            f"{file}: names of several clusterings that were called {descriptor} {clustering} "
            f"({_shown(marks)}): leave those of one"
        )
    mark = marks[0] if marks else now.attrs["fingerprint"]
    named = workspace.find(path, mark)
    if named is None:
        named = _of_stored_names(workspace, descriptor, clustering, mark)
    if named is None or named["labels"].shape[0] not in _row_counts(workspace, descriptor):
        raise SettingsError(
            f"{file}: its names of {descriptor} {clustering} are of another run (mark {mark}; "
            f"that in {workspace.folder} is {now.attrs['fingerprint']}): name the clusters anew, "
            "or leave the column mark empty to give them to the numbers as they stand"
        )
    return named


def _of_stored_names(workspace: Workspace, descriptor: str, clustering: str, mark: str) -> Any:
    """The stored names of the clustering `mark`, whose labels they keep; None for others."""
    names = workspace.get(_places(descriptor, clustering)[0])
    return names if names is not None and names.attrs["named"] == mark else None


def _naming(file: Path, group: Any, clustering: str, lines: list[NameLine]) -> Naming:
    n_clusters = int(group.attrs["n_clusters"])
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


def _store(job: Job, given: _Given) -> None:
    workspace = job.workspace
    place, _ = _places(given.descriptor, given.clustering)
    naming = given.naming
    about = f"{given.descriptor} {given.clustering}"
    if not naming.distinct and not any(naming.outliers):
        if workspace.get(place) is not None:
            workspace.archive(place)
            job.events.note(f"{about}: without names now; those before are in the archive")
        return
    # Stored names stand in for a clustering that is no more.
    named = given.group.attrs.get("named", given.group.attrs["fingerprint"])
    told = [list(naming.names), list(naming.outliers)]
    paths = mark_of_rows(workspace, int(given.group["labels"].shape[0]))
    mark = fingerprint(STEP, 1, named, paths, told)
    if not workspace.restore(place, mark):
        labels = given.group["labels"]
        n_rows = labels.shape[0]
        with workspace.staging() as staged:
            made = staged.create_group("names")
            kept = stage_array(made, "labels", (n_rows,), np.int32, _CHUNK, -1, compress=True)
            for start in range(0, n_rows, _CHUNK):
                part = slice(start, min(start + _CHUNK, n_rows))
                kept[part] = labels[part]
            made.attrs.update(
                names=told[0],
                outliers=told[1],
                named=named,
                paths=paths,
                n_clusters=len(naming.names),
            )
            workspace.publish(made, place, mark)
    n_named = sum(map(bool, naming.names))
    words = f"{about}: {n_named} of {len(naming.names)} clusters have a name"
    n_names = len(naming.distinct)
    words += f", {n_names} different ones" * (n_names < n_named)
    words += f"; {sum(naming.outliers)} are marked as outliers" * any(naming.outliers)
    job.events.note(words)


def _shown(items: Sequence[Any]) -> str:
    listed = ", ".join(map(str, items[:_SHOWN]))
    return listed + (f", … ({len(items)} in all)" if len(items) > _SHOWN else "")
