"""Which rows are siblings, such as the images of one vehicle: a number for each row's group."""

import csv
import hashlib
from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import MIB, Need
from streamclust.sources.case import iter_paths, normalise_path
from streamclust.steps.job import Job
from streamclust.steps.paths import PATH
from streamclust.workspace import fingerprint, stage_array

GROUP = "images/group"
STEP = "groups"
NEED = Need(STEP, fixed=64 * MIB)
_CHUNK = 65_536
# Groups are told apart by a digest, so that their names need not be remembered; the neighbour
# graph takes numbers of so many bits.
_BITS = 39
# Whether there are few is all that is asked.
_MOST_COUNTED = 65_536


def groups(job: Job) -> str | None:
    """Store the group of every row, by folder or by a column of the paths file.

    Returns
    -------
    str or None
        Where they are in the store; None where rows have no groups, or no more of them than
        neighbours are looked for.

    Raises
    ------
    SettingsError
        When the settings name a column that the paths file does not have, or the file is not
        what it was when the paths were stored.
    """
    if _store(job) is None:
        return None
    n_groups, n_neighbors = job.workspace.root[GROUP].attrs["n_groups"], job.settings.n_neighbors
    if n_groups <= n_neighbors:
        job.events.note(
            f"{n_groups} groups by {job.settings.group} are too few to count {n_neighbors} "
            "neighbours of different ones: rows are taken as they are"
        )
        return None
    return GROUP


def _store(job: Job) -> str | None:
    """Write the group of every row, unless that is done; tell where, if rows have any."""
    workspace, wanted = job.workspace, job.settings.group
    paths = workspace.get(PATH)
    if wanted == "none" or (wanted == "folder" and paths is None):
        return None
    mark = fingerprint(STEP, 2, workspace.fingerprint_of(PATH), wanted)
    if workspace.restore(GROUP, mark):
        job.skip(STEP, None)
        return GROUP
    names = _folders(paths) if wanted == "folder" else _column(paths, wanted)
    n_rows = paths.shape[0]
    with (
        job.step(STEP, None, [NEED], n_rows),
        workspace.staging() as staged,
        job.events.passing("groups", n_rows) as advance,
    ):
        array = stage_array(staged, "group", (n_rows,), np.int64, _CHUNK, fill_value=-1)
        seen: set[int] = set()
        n_alone = 0
        for start in range(0, n_rows, _CHUNK):
            codes = list(islice(map(_code, names), min(_CHUNK, n_rows - start)))
            array[start : start + len(codes)] = np.array(codes, np.int64)
            n_alone += codes.count(-1)
            if len(seen) < _MOST_COUNTED:
                seen.update(codes)
            advance(len(codes))
        array.attrs["n_groups"] = len(seen - {-1}) + n_alone
        workspace.publish(array, GROUP, mark)
    return GROUP


def _code(name: str) -> int:
    """A number for a group's name; -1, no group, for an empty one."""
    if not name:
        return -1
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> (64 - _BITS)


def _folders(paths: Any) -> Iterator[str]:
    """The folder of each path, as ``veriwild/1/00001``; empty for files at the top."""
    for path in _stored(paths):
        yield normalise_path(path).rpartition("/")[0]


def _stored(paths: Any) -> Iterator[str]:
    for start in range(0, paths.shape[0], _CHUNK):
        yield from paths[start : start + _CHUNK].tolist()


def _column(paths: Any, name: str) -> Iterator[str]:
    source = None if paths is None else paths.attrs.get("source")
    advice = "name a column of the paths file, or folder, or none"
    if source is None:
        raise SettingsError(f"group={name!r}: the case has no paths file: use folder or none")
    try:
        with open(source, newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
    except OSError as error:
        raise SettingsError(f"group={name!r}: {source} cannot be read: {error}") from None
    if name not in header:
        raise SettingsError(f"group={name!r} is no column of {source}: {advice}")
    return _cells(paths, Path(source), name)


def _cells(paths: Any, file: Path, name: str) -> Iterator[str]:
    with open(file, newline="", encoding="utf-8-sig") as opened:
        lines = csv.DictReader(opened)
        for stored, listed in zip_longest(_stored(paths), iter_paths(file)):
            if stored != listed:
                raise SettingsError(
                    f"group={name!r}: {file} lists other paths than when it was ingested: run "
                    "streamclust ingest again"
                )
            yield next(lines)[name] or ""
