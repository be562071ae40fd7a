"""What the images of some rows look like: read once, and kept for the next description."""

from typing import Any

import numpy as np

from streamclust.errors import MISSING, ImageError
from streamclust.images.archive import Images, ImageStore, ZipMarks
from streamclust.images.colour import BODY, body_colour
from streamclust.images.pixels import MEASURES, measure_picture, small_picture
from streamclust.images.scan import scan_need
from streamclust.memory import Need
from streamclust.store.job import Job
from streamclust.store.paths import PATH, paths_of
from streamclust.store.workspace import fingerprint, store_array

LOOKS = (*MEASURES, *BODY)

STEP = "looks"
VERSION = 1
# Where they are in the store: rows, ascending, with values and colour; NaN and -1 without image.
STORED = "images/looks"
_BATCH_ROWS = 64
_UNKNOWN = -1


def looks_mark(job: Job, images: Any) -> str:
    """What looks are made of, rows apart; `images` tells the state of the images."""
    return fingerprint(STEP, VERSION, job.workspace.fingerprint_of(PATH), images)


def looks_of(
    job: Job, images: Images, rows: np.ndarray, mark: str
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the images of some rows, those that have not been measured yet.

    Parameters
    ----------
    job : Job
    images : Images
    rows : ndarray of int64, shape (n_rows,)
        In any order, each once.
    mark : str
        As `looks_mark` gives it.

    Returns
    -------
    values : ndarray of shape (n_rows, len(LOOKS)), float32
        NaN where an image is missing or damaged.
    colours : ndarray of shape (n_rows,), int8
        Index in `streamclust.images.colour.COLOURS`, or -1.

    Raises
    ------
    SourceError
        When the images cannot be opened, or a zip file changes while it is read.
    """
    known, values, colours = _stored(job, mark)
    missing = np.setdiff1d(rows, known)
    if len(missing):
        zips = ZipMarks(images)
        with job.step(STEP, None, [looks_need(job)], len(missing)) as passes:
            cuts = range(0, len(missing), _BATCH_ROWS)
            batches = [paths_of(job.workspace, missing[i : i + _BATCH_ROWS]) for i in cuts]
            task, unit = _Look(ImageStore(images)), f"batches of {_BATCH_ROWS}"
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
        _publish(job, mark, known, values, colours)
    places = np.searchsorted(known, rows)
    return values[places], colours[places]


def looks_need(job: Job) -> Need:
    """Memory of reading images."""
    paths = job.workspace.get(PATH)
    need = scan_need(0 if paths is None else paths.shape[0])
    return Need(STEP, fixed=need.fixed, per_block=need.per_block)


def _tell(job: Job, images: Images, colours: np.ndarray, n_missing: int) -> None:
    bad = int(np.count_nonzero(colours == _UNKNOWN))
    if bad:
        job.events.warn(
            f"{images.name}: {bad:,} of the {len(colours):,} images looked at are no good "
            f"({n_missing:,} missing): clusters are described without them"
        )


class _Look:
    """Measures the images of paths: values, colours, and how many images are missing."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store

    def __call__(self, paths: list[str]) -> tuple[np.ndarray, np.ndarray, int]:
        values = np.full((len(paths), len(LOOKS)), np.nan, np.float32)
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


def _stored(job: Job, mark: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    group = job.workspace.get(STORED)
    if group is None or group.attrs["mark"] != mark:
        return np.empty(0, np.int64), np.empty((0, len(LOOKS)), np.float32), np.empty(0, np.int8)
    return group["rows"][...], group["values"][...], group["colours"][...]


def _publish(
    job: Job, mark: str, rows: np.ndarray, values: np.ndarray, colours: np.ndarray
) -> None:
    with job.workspace.staging() as staged:
        group = staged.create_group("looks")
        for name, array in (("rows", rows), ("values", values), ("colours", colours)):
            store_array(group, name, array)
        group.attrs.update(mark=mark, names=list(LOOKS))
        job.workspace.publish(group, STORED, fingerprint(mark, rows.tolist()))
