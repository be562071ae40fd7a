"""Which rows are siblings, such as the images of one vehicle: a number for each row's group."""

import csv
import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import MIB, Need
from streamclust.sources.case import normalise_path
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


def groups(job: Job) -> str | None:
    """Store the group of every row, by folder or by a column of the paths file.

    Returns
    -------
    str or None
        Where they are in the store; None where rows have no groups.

    Raises
    ------
    SettingsError
        When the settings name a column that the paths file does not have.
    """
    workspace, wanted = job.workspace, job.settings.group
    paths = workspace.get(PATH)
    if wanted == "none" or (wanted == "folder" and paths is None):
        return None
    mark = fingerprint(STEP, 1, workspace.fingerprint_of(PATH), wanted)
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
        for start in range(0, n_rows, _CHUNK):
            codes = list(islice(map(_code, names), _CHUNK))
            array[start : start + len(codes)] = np.array(codes, np.int64)
            advance(len(codes))
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
    for start in range(0, paths.shape[0], _CHUNK):
        for path in paths[start : start + _CHUNK].tolist():
            yield normalise_path(path).rpartition("/")[0]


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
    return _cells(Path(source), name)


def _cells(file: Path, name: str) -> Iterator[str]:
    with open(file, newline="", encoding="utf-8-sig") as opened:
        for line in csv.DictReader(opened):
            yield line[name] or ""
