"""Paths of rows that are added: held against the stored ones, and put behind them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SourceError
from streamclust.labelling.new_rows import NewCase
from streamclust.memory import MIB, Need
from streamclust.sources.case import Case, iter_paths
from streamclust.sources.paths import BYTES, path_digests
from streamclust.sources.readers import fingerprint
from streamclust.store.images import (
    NEED,
    batched_paths,
    image_places_of_lists,
    path_blocks,
    sources,
    stored_paths,
)
from streamclust.store.job import Job
from streamclust.store.links import extend_array
from streamclust.store.workspace import Workspace
from streamclust.store.workspace import fingerprint as digest

STEP = "add paths"
_SHOWN = 3


def path_needs(workspace: Workspace, n_new: int) -> list[Need]:
    """Memory of a chunk of paths, and of a digest of each stored and each new one."""
    paths = stored_paths(workspace)
    n_old = 0 if paths is None else int(paths.shape[0])
    return [Need(STEP, fixed=NEED.fixed + 4 * BYTES * (n_old + n_new) + MIB)]


def check_paths(job: Job, new: NewCase) -> None:
    """Refuse new rows without paths where the stored ones have some, and paths that are stored.

    Raises
    ------
    SourceError
        For them.
    """
    file = new.case.paths_file
    if stored_paths(job.workspace) is None:
        if file is not None:
            job.events.note(f"{file}: not used: the rows of {job.workspace.folder} have no paths")
        return
    if file is None:
        raise SourceError(
            f"{new.case.root} has no list of paths, and the rows of {job.workspace.folder} have "
            "paths: put images_paths.csv beside the descriptors"
        )
    with job.step(STEP, None, path_needs(job.workspace, new.n_rows), new.n_rows):
        stored = np.sort(path_digests(_stored(job.workspace)))
        found = _known(stored, path_digests(iter_paths(file)))
    if len(found):
        wanted = set(found[:_SHOWN].tolist())
        shown = [path for row, path in enumerate(iter_paths(file)) if row in wanted]
        raise SourceError(
            f"{file}: {len(found):,} of its {new.n_rows:,} paths are in {job.workspace.folder} "
            f"already: {', '.join(shown)}{', …' * (len(found) > _SHOWN)}: leave out the rows that "
            "are there"
        )


def _stored(workspace: Workspace) -> Iterator[str]:
    for block in path_blocks(workspace) or ():
        yield from block


def _known(stored: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Which of the new digests are among the sorted stored ones."""
    places = np.minimum(np.searchsorted(stored, new), len(stored) - 1)
    return np.flatnonzero(stored[places] == new)


def add_paths(job: Job, staged: Any, case: Case) -> tuple[Any, str]:
    """Write the stored paths and those of new rows into a staged group.

    Returns
    -------
    array : Zarr array of str
    mark : str
        Its fingerprint.
    """
    old = stored_paths(job.workspace)
    file = case.paths_file
    assert file is not None
    n_old, before = old.shape[0], str(old.attrs["fingerprint"])
    n_rows = n_old + sum(1 for _ in iter_paths(file))
    array, first = extend_array(staged, "path", old, n_rows, old.chunks[0])
    for block in _blocks(np.asarray(old[first:n_old], object), file, old.chunks[0]):
        array[first : first + len(block)] = block
        first += len(block)
    array.attrs.update(
        source=[*map(str, sources(job.workspace)), str(file.resolve())],
        images=[*image_places_of_lists(job.workspace), case.images and str(case.images.resolve())],
        earlier=[*old.attrs.get("earlier", []), {"mark": before, "n_rows": n_old}],
    )
    return array, digest(STEP, 1, before, fingerprint(file))


def _blocks(rest: np.ndarray, file: Path, chunk: int) -> Iterator[np.ndarray]:
    """Paths from the first that is written on, in blocks of whole chunks."""
    waiting = rest
    for block in batched_paths(file):
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= chunk:
            yield waiting[:chunk]
            waiting = waiting[chunk:]
    if len(waiting):
        yield waiting
