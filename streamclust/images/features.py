"""What the images of some rows look like: read once, and kept for the next description."""

from typing import Any

import numpy as np

from streamclust.errors import MISSING, ImageError
from streamclust.images.archive import Images, ImageStore, ZipMarks
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
VERSION = 1
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
        When the images cannot be opened, or a zip file changes while it is read.
    """
    stored = stored_features(job.workspace)
    known, values, colours = stored.known(mark) or _nothing()
    missing = np.setdiff1d(rows, known)
    if len(missing):
        zips = ZipMarks(images)
        cuts = range(0, len(missing), _BATCH_ROWS)
        batches = [paths_of(job.workspace, missing[i : i + _BATCH_ROWS]) for i in cuts]
        task, unit = _Features(ImageStore(images)), f"batches of {_BATCH_ROWS}"
        try:
            parts = passes.map("reading images", task, batches, unit)
        finally:
            zips.check()
        _tell(job, images, np.concatenate([codes for _, codes, _ in parts]),
              sum(n_missing for _, _, n_missing in parts))  # fmt: skip
        order = np.argsort(np.concatenate([known, missing]), kind="stable")
        known = np.concatenate([known, missing])[order]
        values = np.concatenate([values, *(part for part, _, _ in parts)])[order]
        colours = np.concatenate([colours, *(codes for _, codes, _ in parts)])[order]
        stored.save(known, values, colours, IMAGE_FEATURES, mark)
    places = np.searchsorted(known, rows)
    return values[places], colours[places]


def _tell(job: Job, images: Images, colours: np.ndarray, n_missing: int) -> None:
    bad = int(np.count_nonzero(colours == _UNKNOWN))
    if bad:
        job.events.warn(
            f"{images.name}: {bad:,} of the {len(colours):,} images looked at are no good "
            f"({n_missing:,} missing): clusters are described without them"
        )


class _Features:
    """Measures the images of paths: values, colours, and how many images are missing."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store

    def __call__(self, paths: list[str]) -> tuple[np.ndarray, np.ndarray, int]:
        values = np.full((len(paths), len(IMAGE_FEATURES)), np.nan, np.float32)
        colours = np.full(len(paths), _UNKNOWN, np.int8)
        n_missing = 0
        for place, path in enumerate(paths):
            try:
                size, pixels = small_picture(self.store.read(path))
            except ImageError as error:
                n_missing += error.kind == MISSING
                continue
            colours[place], lab = body_colour(pixels)
            values[place] = np.concatenate([measure_picture(size, pixels), lab])
        return values, colours, n_missing


def _nothing() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = np.empty((0, len(IMAGE_FEATURES)), np.float32)
    return np.empty(0, np.int64), values, np.empty(0, np.int8)
