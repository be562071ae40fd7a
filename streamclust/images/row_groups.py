"""Which rows are siblings, such as the images of one vehicle: a number for each row's group."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import MIB, Need
from streamclust.passes import Passes
from streamclust.sources import column_names, iter_column, normalise_path
from streamclust.sources import fingerprint as file_fingerprint
from streamclust.steps import CaseShapes, Job, Step, StoredShapes
from streamclust.store import (
    StoredGroups,
    Workspace,
    fingerprint,
    path_blocks,
    paths_fingerprint,
    sources,
    stored_groups,
    stored_paths,
)

# The codes of all rows, and what counting them takes.
BYTES_A_ROW = 56
_CHUNK = 65_536
# Groups are told apart by a digest, so that their names need not be remembered; the neighbour
# graph takes numbers of so many bits.
_BITS = 39


def groups(job: Job) -> StoredGroups | None:
    """Store the group of every row, by folder or by a column of the paths file.

    Returns
    -------
    StoredGroups or None
        None where rows have no groups, or groups too large to be siblings: see `most_siblings`.

    Raises
    ------
    SettingsError
        When the settings name a column that the paths file does not have, or the file lists
        other paths than when they were stored.
    SourceError
        When the paths file cannot be read.
    """
    check_group(job.settings.group, sources(job.workspace))
    if not is_grouped(StoredShapes(job)):
        return None
    job.run([GroupRows()])
    stored = stored_groups(job.workspace)
    n_groups, typical = stored.n_groups, stored.typical_size
    n_rows, n_neighbors = stored.codes.shape[0], job.settings.n_neighbors
    most = most_siblings(n_rows, n_neighbors)
    if typical > most:
        job.events.note(
            f"{n_groups:,} groups by {job.settings.group} are too large to be counted once among "
            f"{n_neighbors} neighbours: the typical one has {typical:,} of {n_rows:,} rows, "
            f"more than {most:,}; rows are taken as they are"
        )
        return None
    return stored


def sibling_groups(job: Job) -> StoredGroups | None:
    """The groups that `groups` stored; None where rows have none, or such that are too large."""
    if not is_grouped(StoredShapes(job)):
        return None
    stored = stored_groups(job.workspace)
    most = most_siblings(stored.codes.shape[0], job.settings.n_neighbors)
    return stored if stored.typical_size <= most else None


def is_grouped(on: CaseShapes) -> bool:
    """Whether rows are to be grouped, and have paths that tell how."""
    return on.settings.group != "none" and on.has_paths


def most_siblings(n_rows: int, n_neighbors: int) -> int:
    """Rows that a typical group has at most, where one neighbour is to be counted of each.

    Siblings are many small groups, such as the images of a vehicle, of which there are 2 to 100.
    Where a folder is a camera or a day, its images are each other's true neighbours, and those of
    other folders lie far away. So there must be more groups than rows in one (the square root of
    all rows), and those that a neighbourhood is taken from must be a small part of the rows (a
    quarter), which is the stricter of the two below ``16 * n_neighbors**2`` rows.
    """
    return min(math.isqrt(n_rows), n_rows // (4 * n_neighbors))


def group_sizes(codes: np.ndarray) -> np.ndarray:
    """Rows of each group, (n_groups,) int64 ascending; a row of no group (-1) is one of its own."""
    values, sizes = np.unique(codes, return_counts=True)
    grouped = sizes[values >= 0]
    return np.sort(np.append(grouped, np.ones(len(codes) - grouped.sum(), np.int64)))


def typical_size(sizes: np.ndarray) -> int:
    """Of groups of these sizes, ascending, the size of the one that the median row is in."""
    upto = np.cumsum(sizes)
    return int(sizes[np.searchsorted(upto, upto[-1] / 2)])


def check_group(group: str, files: Sequence[Path]) -> None:
    """Refuse to group by a column that one of the paths files does not have, or all, of none.

    Raises
    ------
    SettingsError
        For such a column.
    SourceError
        When the file cannot be read.
    """
    if group in ("none", "folder"):
        return
    if not files:
        raise SettingsError(f"group={group!r}: the case has no paths file: use folder or none")
    for file in files:
        names = column_names(file)
        if group not in names:
            listed = ", ".join(names) or "it has no header"
            raise SettingsError(
                f"group={group!r} is no column of {file} ({listed}): name one that is, or folder, "
                "or none"
            )


class GroupRows(Step):
    """Store the group of every row, by folder or by a column of the paths file."""

    name = "groups"

    def needs(self, on: CaseShapes) -> list[Need]:
        """The groups of all rows while they are counted, and a chunk of names."""
        return [Need(fixed=64 * MIB + on.n_rows * BYTES_A_ROW)]

    def fingerprint(self, job: Job) -> str:
        # A column is read from the files, which may have been edited since.
        edited = None if _by_folder(job) else files_mark(sources(job.workspace))
        wanted = job.settings.group
        return fingerprint(self.name, 3, paths_fingerprint(job.workspace), wanted, edited)

    def restore(self, job: Job, mark: str) -> bool:
        return stored_groups(job.workspace).restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        workspace, wanted, by_folder = job.workspace, job.settings.group, _by_folder(job)
        files = sources(workspace)
        names = _folders(workspace) if by_folder else _cells(workspace, files, wanted)
        n_rows = stored_paths(workspace).shape[0]
        codes = np.empty(n_rows, np.int64)
        with job.events.passing("groups", n_rows) as advance:
            start = 0
            while chunk := [_code(name) for name in islice(names, _CHUNK)]:
                codes[start : start + len(chunk)] = chunk
                start += len(chunk)
                advance(len(chunk))
        sizes = group_sizes(codes)
        stored_groups(workspace).save(codes, len(sizes), typical_size(sizes), mark)


def _by_folder(job: Job) -> bool:
    return job.settings.group == "folder" or not sources(job.workspace)


def files_mark(files: Sequence[Path]) -> Any:
    """The state of the paths files."""
    marks = list(map(file_fingerprint, files))
    return marks[0] if len(marks) == 1 else marks


def _code(name: str) -> int:
    """A number for a group's name; -1, no group, for an empty one."""
    if not name:
        return -1
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> (64 - _BITS)


def _folders(workspace: Workspace) -> Iterator[str]:
    """The folder of each path, as ``veriwild/1/00001``; empty for files at the top."""
    for path in _stored(workspace):
        yield normalise_path(path).rpartition("/")[0]


def _stored(workspace: Workspace) -> Iterator[str]:
    return chain.from_iterable(path_blocks(workspace) or ())


def _cells(workspace: Workspace, files: Sequence[Path], name: str) -> Iterator[str]:
    """The cell of each row in a column of the paths files, which must list the stored paths."""
    cells = chain.from_iterable(iter_column(file, name) for file in files)
    for stored, listed in zip_longest(_stored(workspace), cells):
        if listed is None or stored != listed[0]:
            named = ", ".join(map(str, files))
            raise SettingsError(
                f"group={name!r}: {named} lists other paths than when it was ingested: run "
                "streamclust ingest again"
            )
        yield listed[1].strip()
