"""What is stored of the images of the rows: their paths and groups, and what was measured of them.

::

    images/path        where each row's image is in the list, and where that was read from
    images/group       which rows are siblings
    images/pixels      measures of all images, by a scan
    images/problem     why an image could not be measured
    images/looks/{rows, values, colours}     what some images look like
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import DAMAGED, MISSING, TOO_LARGE, UNSUPPORTED
from streamclust.sources import CaseFolder, PathNumbers, fingerprint, iter_paths, path_digests
from streamclust.store.links import extend_array
from streamclust.store.workspace import StoredResult, Workspace, stage_array, store_array
from streamclust.store.workspace import fingerprint as digest

PATH, GROUP = "images/path", "images/group"
PIXELS, PROBLEM, FEATURES = "images/pixels", "images/problem", "images/looks"
# What codes say of an image that could not be measured; 0 is one that was.
PROBLEMS = ("", MISSING, DAMAGED, TOO_LARGE, UNSUPPORTED)
_CHUNK = 65_536
# Rows whose paths are held at a time, and how often those of all rows are read at most.
_PART_ROWS = 32_768
_READINGS = 16
# Paths that are looked at to know how all begin, from so many places of the list.
_SAMPLED, _SPOTS = 256, 8


class StoredPaths(StoredResult):
    """The paths of all rows, with where they were read and where their images are."""

    @contextmanager
    def written(self, n_rows: int, mark: str, file: Path, images: Path | None) -> Iterator[Any]:
        """A Zarr array of str, (n_rows,), to be filled; it is published when the block ends well,
        with where paths are read from and where the images are."""
        with self.workspace.staging() as staged:
            array = stage_array(staged, "path", (n_rows,), str, _CHUNK, fill_value="")
            yield array
            array.attrs.update(_places(file, images))
            self.workspace.publish(array, self.path, mark)

    def note_places(self, file: Path, images: Path | None) -> None:
        """Keep where they were read now, and where the images are."""
        self.workspace.annotate(self.path, **_places(file, images))


def _places(file: Path, images: Path | None) -> dict[str, str | None]:
    return {"source": str(file.resolve()), "images": str(images.resolve()) if images else None}


def case_paths(workspace: Workspace) -> StoredPaths:
    """The paths of all rows, whether they are there or not."""
    return StoredPaths(workspace, PATH)


def note_embedding(workspace: Workspace, record: dict[str, Any]) -> None:
    """Keep, with the stored paths, what made descriptors of their images."""
    workspace.annotate(PATH, embedding=record)


def stored_embedding(workspace: Workspace) -> dict[str, Any] | None:
    """What made descriptors of the images; None where that is not known."""
    paths = stored_paths(workspace)
    known = None if paths is None else paths.attrs.get("embedding")
    return known if isinstance(known, dict) else None


def stored_paths(workspace: Workspace) -> Any:
    """The paths of all rows, a Zarr array of str; None where the case has none."""
    return workspace.get(PATH)


def paths_fingerprint(workspace: Workspace) -> str | None:
    """What tells one list of paths from another; None without one."""
    return workspace.fingerprint_of(PATH)


def sources(workspace: Workspace) -> list[Path]:
    """The files that the stored paths were read from, in order; none where there are no paths."""
    return [Path(source) for source in _listed(workspace, "source") if source]


def image_places(workspace: Workspace) -> list[Path]:
    """Where the images were when paths were stored: folders and archives, each once."""
    return list(dict.fromkeys(Path(place) for place in image_places_of_lists(workspace) if place))


def has_images(workspace: Workspace) -> bool:
    """Whether the images of all rows that have some are still in their places."""
    places = image_places(workspace)
    return bool(places) and all(place.exists() for place in places)


def image_places_of_lists(workspace: Workspace) -> list[str | None]:
    """Where the images of each list of paths were; None for lists that came without images."""
    return _listed(workspace, "images")


def place_of_paths(workspace: Workspace) -> PathNumbers | None:
    """Which of `image_places` the images of each path are in; None where there is but one."""
    if len(image_places(workspace)) < 2:
        return None
    n_rows, of_list = _lists(workspace)
    numbers = np.repeat(np.array(of_list, np.int32), n_rows)
    digests = path_digests(chain.from_iterable(path_blocks(workspace) or ()))
    return PathNumbers(digests[numbers >= 0], numbers[numbers >= 0])


def sampled_paths(workspace: Workspace) -> list[tuple[int, list[str]]]:
    """Some paths of each list, from all over its rows, with which of `image_places` is its own."""
    n_rows, of_list = _lists(workspace)
    sampled = []
    for start, count, place in zip(np.cumsum(n_rows) - n_rows, n_rows, of_list, strict=True):
        if place >= 0:
            spots = np.linspace(0, count, _SPOTS, endpoint=False).astype(np.int64)
            rows = np.unique(spots[:, None] + np.arange(_SAMPLED // _SPOTS))
            sampled.append((place, paths_of(workspace, start + rows[rows < count])))
    return sampled


def _lists(workspace: Workspace) -> tuple[np.ndarray, list[int]]:
    """Rows of each list of paths, and which of `image_places` is its own; -1 for none."""
    paths, places = stored_paths(workspace), image_places(workspace)
    ends = [*(one["n_rows"] for one in paths.attrs.get("earlier", [])), int(paths.shape[0])]
    of_list = [places.index(Path(p)) if p else -1 for p in image_places_of_lists(workspace)]
    return np.diff([0, *ends]), of_list


def _listed(workspace: Workspace, name: str) -> list[str | None]:
    """What is kept of each list of paths."""
    paths = stored_paths(workspace)
    values = None if paths is None else paths.attrs.get(name)
    return values if isinstance(values, list) else [] if paths is None else [values]


def rows_with_mark(workspace: Workspace, mark: str | None) -> int | None:
    """How many of the stored rows, from the first on, had the list of paths with this
    fingerprint; None where it was another list."""
    paths = stored_paths(workspace)
    if paths is None:
        return None
    earlier = {one["mark"]: one["n_rows"] for one in paths.attrs.get("earlier", [])}
    return {**earlier, paths.attrs["fingerprint"]: int(paths.shape[0])}.get(mark)


def mark_of_rows(workspace: Workspace, n_rows: int) -> str | None:
    """The fingerprint of the list of paths when there were so many rows; None without one."""
    paths = stored_paths(workspace)
    earlier = [] if paths is None else paths.attrs.get("earlier", [])
    marks = {one["n_rows"]: one["mark"] for one in earlier}
    return marks.get(n_rows, paths_fingerprint(workspace))


def batched_paths(file: Path) -> Iterator[np.ndarray]:
    """Paths in blocks of the store's chunks, as they stand in the file."""
    paths = iter_paths(file)
    while block := list(islice(paths, _CHUNK)):
        yield np.array(block, dtype=object)


def paths_of(workspace: Workspace, rows: np.ndarray) -> list[str]:
    """Paths of some rows, in any order, a chunk of the store in memory at a time; empty texts
    where the case has none."""
    paths = stored_paths(workspace)
    if paths is None:
        return [""] * len(rows)
    chosen = np.empty(len(rows), object)
    chunks = rows // _CHUNK
    for chunk in np.unique(chunks):
        start = int(chunk) * _CHUNK
        here = chunks == chunk
        chosen[here] = np.asarray(paths[start : start + _CHUNK], object)[rows[here] - start]
    return chosen.tolist()


def path_blocks(workspace: Workspace) -> Iterator[list[str]] | None:
    """The stored paths in row order, a chunk at a time; None where the case has none."""
    paths = stored_paths(workspace)
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


def extend_paths(workspace: Workspace, staged: Any, case: CaseFolder) -> tuple[Any, str]:
    """Write the stored paths, and those of a case with further rows, into a staged group.

    Returns
    -------
    array : Zarr array of str
        With a list of what is kept of each list of paths.
    mark : str
        Its fingerprint.

    Raises
    ------
    SourceError
        For a list that is written while it is read.
    """
    old, file = workspace.root[PATH], case.paths_file
    assert file is not None
    n_old, before = old.shape[0], str(old.attrs["fingerprint"])
    n_rows = n_old + sum(1 for _ in iter_paths(file))
    array, first = extend_array(staged, "path", old, n_rows, old.chunks[0])
    rest = np.asarray(old[first:n_old], object)
    for block in _whole_chunks(chain([rest], batched_paths(file)), old.chunks[0]):
        # A list that grows meanwhile is refused at the end.
        array[first : first + len(block)] = block[: n_rows - first]
        first += len(block)
    array.attrs.update(
        source=[*map(str, sources(workspace)), str(file.resolve())],
        images=[*image_places_of_lists(workspace), case.images and str(case.images.resolve())],
        earlier=[*old.attrs.get("earlier", []), {"mark": before, "n_rows": n_old}],
        embedding=old.attrs.get("embedding"),
    )
    case.check_paths_unchanged()
    known = fingerprint(file) if case.paths_state is None else case.paths_state.fingerprint
    return array, digest("add paths", 1, before, known)


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


class StoredGroups(StoredResult):
    """The group of every row, such as the vehicle that its image is of."""

    @property
    def codes(self) -> Any:
        """Zarr array of int64, (n_rows,): -1 for rows of no group."""
        return self.node

    @property
    def n_groups(self) -> int:
        return int(self.node.attrs["n_groups"])

    @property
    def typical_size(self) -> int:
        """Rows of the group that the median row is in."""
        return int(self.node.attrs["typical_size"])

    def save(self, codes: np.ndarray, n_groups: int, typical_size: int, mark: str) -> None:
        with self.workspace.staging() as staged:
            array = stage_array(staged, "group", codes.shape, np.int64, _CHUNK, fill_value=-1)
            array[...] = codes
            array.attrs.update(n_groups=n_groups, typical_size=typical_size)
            self.workspace.publish(array, self.path, mark)


def stored_groups(workspace: Workspace) -> StoredGroups:
    """The groups of the rows, whether they are there or not."""
    return StoredGroups(workspace, GROUP)


class StoredScan(StoredResult):
    """What was measured of the images of all rows."""

    @property
    def pixels(self) -> Any:
        """Zarr array of float32, (n_rows, n_measures): NaN where there is a problem; None without
        a scan."""
        return self.workspace.get(self.path)

    @property
    def problem(self) -> Any:
        """Zarr array of uint8, (n_rows,): codes of `PROBLEMS`."""
        return self.workspace.root[PROBLEM]

    def restore(self, mark: str) -> bool:
        return all(self.workspace.restore(path, mark) for path in (self.path, PROBLEM))

    @contextmanager
    def written(self, n_rows: int, names: Sequence[str], mark: str) -> Iterator[tuple[Any, Any]]:
        """Arrays of the measures with these names and of the problems, to be filled; they are
        published when the block ends well."""
        with self.workspace.staging() as staged:
            shape = (n_rows, len(names))
            pixels = stage_array(staged, "pixels", shape, "f4", _CHUNK, fill_value=np.nan)
            problem = stage_array(staged, "problem", shape[:1], "u1", _CHUNK)
            yield pixels, problem
            pixels.attrs["names"] = list(names)
            problem.attrs["names"] = list(PROBLEMS)
            self.workspace.publish(pixels, self.path, mark)
            self.workspace.publish(problem, PROBLEM, mark)


def stored_scan(workspace: Workspace) -> StoredScan:
    """The measures of all images, whether they are there or not."""
    return StoredScan(workspace, PIXELS)


class StoredFeatures(StoredResult):
    """What the images of some rows look like: kept for those that ask again."""

    def known(self, mark: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Rows, ascending, with the values and the colour of each; None where there are none of
        images in this state."""
        group = self.workspace.get(self.path)
        if group is None or group.attrs["mark"] != mark:
            return None
        return group["rows"][...], group["values"][...], group["colours"][...]

    def save(
        self,
        rows: np.ndarray,
        values: np.ndarray,
        colours: np.ndarray,
        names: Iterable[str],
        mark: str,
    ) -> None:
        """Keep the features with these `names` of images in the state that `mark` tells."""
        with self.staged(digest(mark, rows.tolist())) as group:
            for name, array in (("rows", rows), ("values", values), ("colours", colours)):
                store_array(group, name, array)
            group.attrs.update(mark=mark, names=list(names))


def stored_features(workspace: Workspace) -> StoredFeatures:
    """What images look like, whether it is there or not."""
    return StoredFeatures(workspace, FEATURES)
