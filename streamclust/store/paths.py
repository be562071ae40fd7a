"""Image paths of the rows, in the store."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.memory import MIB, Need
from streamclust.sources.case import Case, iter_paths
from streamclust.sources.paths import PathNumbers, path_digests
from streamclust.sources.readers import fingerprint
from streamclust.store.job import Job
from streamclust.store.links import extend_array
from streamclust.store.workspace import Workspace, stage_array
from streamclust.store.workspace import fingerprint as digest

PATH = "images/path"
STEP, ADD_STEP = "paths", "add paths"
_CHUNK = 65_536
# Rows whose paths are held at a time, and how often those of all rows are read at most.
_PART_ROWS = 32_768
_READINGS = 16
# A chunk of long paths as Python strings, twice: as they are read, and as they are stored.
NEED = Need("paths", fixed=64 * MIB)


def store_paths(job: Job, file: Path | None, n_rows: int, images: Path | None) -> None:
    """Write the paths of all rows, unless they are there; those of another case are put aside.

    Where the paths were read and where the images are is kept with them.
    """
    workspace = job.workspace
    if file is None:
        workspace.archive(PATH)
        return
    mark = digest(STEP, 1, fingerprint(file))
    places = {"source": str(file.resolve()), "images": images and str(images.resolve())}
    if workspace.restore(PATH, mark):
        workspace.annotate(PATH, **places)
        job.skip(STEP, None)
        return
    with (
        job.step(STEP, None, [NEED], n_rows),
        workspace.staging() as staged,
        job.events.passing(file.name, n_rows) as advance,
    ):
        array = stage_array(staged, "path", (n_rows,), str, _CHUNK, fill_value="")
        start = 0
        for block in batched_paths(file):
            array[start : start + len(block)] = block
            start += len(block)
            advance(len(block))
        array.attrs.update(places)
        workspace.publish(array, PATH, mark)


def sources(workspace: Workspace) -> list[Path]:
    """The files that the stored paths were read from, in order; none where there are no paths."""
    return [Path(source) for source in _listed(workspace, "source") if source]


def image_places(workspace: Workspace) -> list[Path]:
    """Where the images were when paths were stored: folders and zip files, each once."""
    return list(dict.fromkeys(Path(place) for place in image_places_of_lists(workspace) if place))


def image_places_of_lists(workspace: Workspace) -> list[str | None]:
    """Where the images of each list of paths were; None for lists that came without images."""
    return _listed(workspace, "images")


def place_of_paths(workspace: Workspace) -> PathNumbers | None:
    """Which of `image_places` the images of each path are in; None where there is but one."""
    paths, places = workspace.get(PATH), image_places(workspace)
    if paths is None or len(places) < 2:
        return None
    ends = [*(one["n_rows"] for one in paths.attrs["earlier"]), int(paths.shape[0])]
    n_rows = np.diff([0, *ends])
    of_list = [places.index(Path(p)) if p else -1 for p in image_places_of_lists(workspace)]
    numbers = np.repeat(np.array(of_list, np.int32), n_rows)
    digests = path_digests(chain.from_iterable(path_blocks(workspace) or ()))
    return PathNumbers(digests[numbers >= 0], numbers[numbers >= 0])


def _listed(workspace: Workspace, name: str) -> list[str | None]:
    """What is kept of each list of paths."""
    paths = workspace.get(PATH)
    told = None if paths is None else paths.attrs.get(name)
    return told if isinstance(told, list) else [] if paths is None else [told]


def rows_with_mark(workspace: Workspace, mark: str | None) -> int | None:
    """How many of the stored rows, from the first on, had the list of paths with this
    fingerprint; None where it was another list."""
    paths = workspace.get(PATH)
    if paths is None:
        return None
    earlier = {one["mark"]: one["n_rows"] for one in paths.attrs.get("earlier", [])}
    return {**earlier, paths.attrs["fingerprint"]: int(paths.shape[0])}.get(mark)


def mark_of_rows(workspace: Workspace, n_rows: int) -> str | None:
    """The fingerprint of the list of paths when there were so many rows; None without one."""
    paths = workspace.get(PATH)
    earlier = [] if paths is None else paths.attrs.get("earlier", [])
    marks = {one["n_rows"]: one["mark"] for one in earlier}
    return marks.get(n_rows, workspace.fingerprint_of(PATH))


def batched_paths(file: Path) -> Iterator[np.ndarray]:
    """Paths in blocks of the store's chunks, as they stand in the file."""
    paths = iter_paths(file)
    while block := list(islice(paths, _CHUNK)):
        yield np.array(block, dtype=object)


def paths_of(workspace: Workspace, rows: np.ndarray) -> list[str]:
    """Paths of some rows, in any order, a chunk of the store in memory at a time; empty texts
    where the case has none."""
    paths = workspace.get(PATH)
    if paths is None:
        return [""] * len(rows)
    found = np.empty(len(rows), object)
    chunks = rows // _CHUNK
    for chunk in np.unique(chunks):
        start = int(chunk) * _CHUNK
        here = chunks == chunk
        found[here] = np.asarray(paths[start : start + _CHUNK], object)[rows[here] - start]
    return found.tolist()


def path_blocks(workspace: Workspace) -> Iterator[list[str]] | None:
    """The stored paths in row order, a chunk at a time; None where the case has none."""
    paths = workspace.get(PATH)
    if paths is None:
        return None
    chunk = paths.chunks[0]
    return (paths[start : start + chunk].tolist() for start in range(0, paths.shape[0], chunk))


def parts_with_paths(workspace: Workspace, rows: np.ndarray) -> Iterator[tuple[slice, list[str]]]:
    """The paths of rows in any order, part by part of `rows`: a few of them in memory at a time."""
    size = max(_PART_ROWS, -(-len(rows) // _READINGS))
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        yield part, paths_of(workspace, rows[part])


def extend_paths(workspace: Workspace, staged: Any, case: Case) -> tuple[Any, str]:
    """Write the stored paths, and those of a case with further rows, into a staged group.

    Returns
    -------
    array : Zarr array of str
        With a list of what is kept of each list of paths.
    mark : str
        Its fingerprint.
    """
    old, file = workspace.root[PATH], case.paths_file
    assert file is not None
    n_old, before = old.shape[0], str(old.attrs["fingerprint"])
    n_rows = n_old + sum(1 for _ in iter_paths(file))
    array, first = extend_array(staged, "path", old, n_rows, old.chunks[0])
    rest = np.asarray(old[first:n_old], object)
    for block in _whole_chunks(chain([rest], batched_paths(file)), old.chunks[0]):
        array[first : first + len(block)] = block
        first += len(block)
    array.attrs.update(
        source=[*map(str, sources(workspace)), str(file.resolve())],
        images=[*image_places_of_lists(workspace), case.images and str(case.images.resolve())],
        earlier=[*old.attrs.get("earlier", []), {"mark": before, "n_rows": n_old}],
    )
    return array, digest(ADD_STEP, 1, before, fingerprint(file))


def _whole_chunks(blocks: Iterable[np.ndarray], chunk: int) -> Iterator[np.ndarray]:
    """Paths in blocks of whole chunks, but for the last."""
    waiting = np.empty(0, object)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= chunk:
            yield waiting[:chunk]
            waiting = waiting[chunk:]
    if len(waiting):
        yield waiting


class RowPaths:
    """The paths of consecutive rows, as lists of str; empty ones where the case has none."""

    def __init__(self, workspace: Workspace) -> None:
        self._paths = workspace.get(PATH)

    def __getitem__(self, part: slice) -> list[str]:
        if self._paths is None:
            return [""] * (part.stop - part.start)
        return self._paths[part].tolist()
