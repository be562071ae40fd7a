"""What the images of some rows look like: read once, and kept for the next description."""

from typing import Any, NamedTuple

import numpy as np

from streamclust.errors import MISSING, UNSUPPORTED, ImageError
from streamclust.images.archive import ArchiveMarks, Images, ImageStore
from streamclust.images.colour import BODY, body_colour
from streamclust.images.pixels import MEASURES, measure_picture, small_picture
from streamclust.passes import Passes
from streamclust.steps import Job
from streamclust.store import (
    fingerprint,
    paths_fingerprint,
    paths_of,
    stored_features,
)

IMAGE_FEATURES = (*MEASURES, *BODY)

STEP = "looks"
VERSION = 2
_BATCH_ROWS = 64
_UNKNOWN = -1


def features_mark(job: Job, images: Any) -> str:
    """What features are made of, rows apart; `images` tells the state of the images."""
    return fingerprint(STEP, VERSION, paths_fingerprint(job.workspace), images)


def image_features(
    job: Job, passes: Passes, images: Images, rows: np.ndarray, mark: str
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the images of some rows, those that have not been measured yet.

    Parameters
    ----------
    job : Job
    passes : Passes
    images : Images
    rows : ndarray of int64, shape (n_rows,)
        In any order, each once.
    mark : str
        As `features_mark` gives it.

    Returns
    -------
    values : ndarray of shape (n_rows, len(IMAGE_FEATURES)), float32
        NaN where an image is missing or damaged.
    colours : ndarray of shape (n_rows,), int8
        Index in `streamclust.images.colour.COLOURS`, or -1.

    Raises
    ------
    SourceError
        When the images cannot be opened, or an archive changes while it is read.
    """
    stored = stored_features(job.workspace)
    known, values, colours = stored.known(mark) or _nothing()
    missing = np.setdiff1d(rows, known)
    if len(missing):
        archives = ArchiveMarks(images)
        cuts = range(0, len(missing), _BATCH_ROWS)
        batches = [paths_of(job.workspace, missing[i : i + _BATCH_ROWS]) for i in cuts]
        store = ImageStore(images)
        store.tell(job.events)
        task, unit = _Features(store), f"batches of {_BATCH_ROWS}"
        try:
            parts = passes.map("reading images", task, batches, unit)
        finally:
            archives.check()
        _tell(job, images, parts)
        order = np.argsort(np.concatenate([known, missing]), kind="stable")
        known = np.concatenate([known, missing])[order]
        values = np.concatenate([values, *(part.values for part in parts)])[order]
        colours = np.concatenate([colours, *(part.colours for part in parts)])[order]
        stored.save(known, values, colours, IMAGE_FEATURES, mark)
    places = np.searchsorted(known, rows)
    return values[places], colours[places]


class _Measured(NamedTuple):
    """What was measured of some images, how many are missing, and what was said of the first that
    is in a format, or packed in a way, that is not read; empty without one."""

    values: np.ndarray
    colours: np.ndarray
    n_missing: int
    cause: str


def _tell(job: Job, images: Images, parts: list[_Measured]) -> None:
    n_looked_at = sum(len(part.colours) for part in parts)
    bad = sum(int(np.count_nonzero(part.colours == _UNKNOWN)) for part in parts)
    if bad:
        missing = sum(part.n_missing for part in parts)
        cause = next((part.cause for part in parts if part.cause), "")
        job.events.warn(
            f"{images.name}: {bad:,} of the {n_looked_at:,} images looked at are no good "
            f"({missing:,} missing): clusters are described without them"
            + (f"; {cause}" if cause else "")
        )


class _Features:
    """Measures the images of paths."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store

    def __call__(self, paths: list[str]) -> _Measured:
        values = np.full((len(paths), len(IMAGE_FEATURES)), np.nan, np.float32)
        colours = np.full(len(paths), _UNKNOWN, np.int8)
        n_missing, cause = 0, ""
        for place, path in enumerate(paths):
            try:
                size, pixels = small_picture(self.store.read(path))
            except ImageError as error:
                n_missing += error.kind == MISSING
                cause = cause or str(error) * (error.kind == UNSUPPORTED)
                continue
            colours[place], lab = body_colour(pixels)
            values[place] = np.concatenate([measure_picture(size, pixels), lab])
        return _Measured(values, colours, n_missing, cause)


def _nothing() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = np.empty((0, len(IMAGE_FEATURES)), np.float32)
    return np.empty(0, np.int64), values, np.empty(0, np.int8)
