"""Images read and measured: those of a few rows, or all of them into the store."""

import hashlib
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamclust.errors import MISSING, UNSUPPORTED, ImageError, SourceError
from streamclust.images.archive import Images, ImageStore
from streamclust.images.image_place import MOST_BYTES
from streamclust.images.members import BYTES_A_MEMBER
from streamclust.images.pixels import MEASURES, PEAK_BYTES, measure_image
from streamclust.memory import MIB, Need
from streamclust.passes import Passes
from streamclust.sources import BYTES_A_PATH, fingerprint
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import (
    PROBLEMS,
    StoredScan,
    paths_fingerprint,
    paths_of,
    stored_paths,
    stored_scan,
)
from streamclust.store import fingerprint as digest

VERSION = 3
CHUNK_ROWS = 65_536
_BATCH_ROWS = 64
# A part is what one task reads, and what a kill loses of it.
_PART_ROWS = 512
_SHOWN = 10


class Problem(NamedTuple):
    """A row whose image could not be measured: which of `PROBLEMS`, and what was said."""

    row: int
    kind: str
    message: str


def scan_need(n_rows: int = 0) -> Need:
    """Memory of paths and the index of an archive with an image a row, of the place of each path,
    and of the largest image a task may meet."""
    fixed = 48 * MIB + (BYTES_A_MEMBER + BYTES_A_PATH) * n_rows
    return Need(fixed=fixed, per_block=PEAK_BYTES + MOST_BYTES)


def measure_rows(
    passes: Passes, store: ImageStore, paths: list[str], rows: np.ndarray
) -> tuple[np.ndarray, list[Problem]]:
    """Measure the images of some rows.

    Parameters
    ----------
    passes : Passes
    store : ImageStore
    paths : list of str
        Of these rows' images.
    rows : ndarray of int
        Which rows, in any order.

    Returns
    -------
    measures : ndarray of shape (len(rows), len(MEASURES)), float32
        NaN where there is a problem.
    problems : list of Problem
    """
    rows = np.asarray(rows, np.int64)
    cuts = [slice(start, start + _BATCH_ROWS) for start in range(0, len(rows), _BATCH_ROWS)]
    batches = [(rows[cut], paths[cut]) for cut in cuts]
    done = passes.map("reading images", _Measure(store), batches, f"batches of {_BATCH_ROWS}")
    measures = [values for values, _ in done] or [np.empty((0, len(MEASURES)), np.float32)]
    return np.concatenate(measures), [problem for _, some in done for problem in some]


@dataclass(frozen=True)
class ScanImages(Step):
    """Measure the images of all rows.

    What is measured is kept aside until all is: a run that was killed goes on from there.

    Raises
    ------
    SourceError
        If there is no list of paths, or not one of its images is there and can be read.
    """

    name = "scan"
    images: Path | Images

    def needs(self, on: CaseShapes) -> list[Need]:
        return [scan_need(on.n_rows)]

    def fingerprint(self, job: Job) -> str:
        if stored_paths(job.workspace) is None:
            raise SourceError(
                "the case has no list of image paths: without it images are not found"
            )
        return _mark(job, images_mark(self.images))

    def restore(self, job: Job, mark: str) -> bool:
        return stored_scan(job.workspace).restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        paths, stored = stored_paths(job.workspace), stored_scan(job.workspace)
        store = ImageStore(self.images)
        store.tell(job.events)
        with job.workspace.scratch(self.name, mark) as parts:
            _measure_parts(passes, store, paths, parts)
            _publish(job, stored, store, self.images, parts, mark)


def stored_pixels(job: Job, images: Any) -> Any:
    """The measures of all images; None where they were not scanned, or were others: `images` is
    their `images_mark`."""
    stored = stored_scan(job.workspace)
    return stored.pixels if stored.fingerprint == _mark(job, images) else None


def _mark(job: Job, images: Any) -> str:
    return digest(ScanImages.name, VERSION, paths_fingerprint(job.workspace), images)


def images_mark(images: Path | Images) -> Any:
    """Tell whether an archive, or all files of a folder, are still what they were.

    A folder takes about a second for 200,000 files: a command asks once.
    """
    if isinstance(images, Images):
        marks = list(map(images_mark, images.places))
        return marks[0] if len(marks) == 1 else marks
    if not images.is_dir():
        return fingerprint(images)
    seen = hashlib.blake2b(digest_size=16)
    for folder, folders, files in os.walk(images):
        folders.sort()
        seen.update(repr(os.path.relpath(folder, images)).encode())
        for name in sorted(files):
            stat = _stat(os.path.join(folder, name))
            seen.update(repr((name, stat.st_size, stat.st_mtime_ns)).encode())
    return seen.hexdigest()


def _stat(file: str) -> os.stat_result:
    try:
        return os.stat(file)
    # A link that leads nowhere is a missing image, not the end of the run.
    except OSError:
        return os.lstat(file)


class _Measure:
    """Measures the images of rows with their paths."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store

    def __call__(self, item: tuple[Any, list[str]]) -> tuple[np.ndarray, list[Problem]]:
        measures = np.full((len(item[1]), len(MEASURES)), np.nan, np.float32)
        problems = []
        for place, (row, path) in enumerate(zip(*item, strict=True)):
            result = self._one(int(row), path)
            if isinstance(result, Problem):
                problems.append(result)
            else:
                measures[place] = result
        return measures, problems

    def _one(self, row: int, path: str) -> np.ndarray | Problem:
        try:
            data = self.store.read(path)
        except ImageError as error:
            return Problem(row, error.kind, str(error))
        try:
            return measure_image(data)
        except ImageError as error:
            return Problem(row, error.kind, f"{path} {error}")


class _Part:
    """Measures consecutive rows into a file of the folder: measures and, last, the problem."""

    def __init__(self, store: ImageStore, folder: Path) -> None:
        self.measure = _Measure(store)
        self.folder = folder

    def __call__(self, item: tuple[int, list[str]]) -> int:
        start, texts = item
        measures, problems = self.measure((range(start, start + len(texts)), texts))
        codes = np.zeros((len(texts), 1), np.float32)
        for problem in problems:
            codes[problem.row - start] = PROBLEMS.index(problem.kind)
        unfinished = self.folder / f"{uuid.uuid4().hex}.tmp"
        with open(unfinished, "wb") as file:
            np.save(file, np.hstack([measures, codes]))
        os.replace(unfinished, _part_file(self.folder, start))
        return len(texts)


def _part_file(folder: Path, start: int) -> Path:
    return folder / f"{start:012}.npy"


def _measure_parts(passes: Passes, store: ImageStore, paths: Any, folder: Path) -> None:
    n_rows = paths.shape[0]
    starts = range(0, n_rows, _PART_ROWS)
    missing = [start for start in starts if not _part_file(folder, start).exists()]
    with passes.events.passing("scanning images", n_rows, "images") as advance:
        advance(n_rows - sum(min(_PART_ROWS, n_rows - start) for start in missing))
        items = _parts(paths, missing)
        for n_done in passes.executor.map(_Part(store, folder), items, passes.in_flight):
            advance(n_done)


def _parts(paths: Any, starts: list[int]) -> Iterator[tuple[int, list[str]]]:
    """Each part's start and its paths, of which a chunk is held at a time."""
    first, block = -1, None
    for start in starts:
        chunk = start - start % CHUNK_ROWS
        if chunk != first:
            first, block = chunk, paths[chunk : chunk + CHUNK_ROWS].tolist()
        assert block is not None
        yield start, block[start - chunk : start - chunk + _PART_ROWS]


def _publish(
    job: Job,
    stored: StoredScan,
    store: ImageStore,
    images: Path | Images,
    parts: Path,
    mark: str,
) -> None:
    """Put the parts together, and say how many images are no good."""
    counts: Counter[str] = Counter()
    shown: list[int] = []
    unread = -1
    n_rows = stored_paths(job.workspace).shape[0]
    with stored.written(n_rows, MEASURES, mark) as (pixels, problem):
        for start in range(0, n_rows, CHUNK_ROWS):
            stop = min(start + CHUNK_ROWS, n_rows)
            chunk = [np.load(_part_file(parts, row)) for row in range(start, stop, _PART_ROWS)]
            values = np.concatenate(chunk)
            codes = values[:, -1].astype(np.uint8)
            pixels[start:stop], problem[start:stop] = values[:, :-1], codes
            counts.update(PROBLEMS[code] for code in codes[codes > 0])
            shown += (start + np.flatnonzero(codes)[:_SHOWN]).tolist()
            if unread < 0 and (codes == PROBLEMS.index(UNSUPPORTED)).any():
                unread = start + int(np.argmax(codes == PROBLEMS.index(UNSUPPORTED)))
        if counts[MISSING] == n_rows:
            raise SourceError(
                f"{images}: holds none of the images: check that images and list belong together"
            )
        # Often one cause of a whole archive: it is told with the first image that it keeps back.
        cause = "" if unread < 0 else _message(job, store, unread)
        if counts[MISSING] + counts[UNSUPPORTED] == n_rows:
            raise SourceError(f"{images}: none of the images can be read: {cause}")
        if counts:
            job.events.warn(_summary(images, counts, shown) + (f"; {cause}" if cause else ""))


def _message(job: Job, store: ImageStore, row: int) -> str:
    """What is wrong with the image of a row."""
    _, (problem,) = _Measure(store)(([row], paths_of(job.workspace, np.array([row]))))
    return problem.message


def _summary(images: Path | Images, counts: Counter[str], rows: list[int]) -> str:
    listed = ", ".join(map(str, rows[:_SHOWN])) + (", …" if counts.total() > _SHOWN else "")
    parts = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    return f"{images.name}: {parts} (rows {listed}): see kind in outliers.csv"
