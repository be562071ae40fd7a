"""Pictures on the page as data URIs, the most telling first, within a budget: images, figures."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamclust.errors import ImageError, SourceError
from streamclust.figures import COMPARISON, FIGURES_FOLDER, caption, figure_file
from streamclust.images import ArchiveMarks, Images, ImageStore
from streamclust.passes import Passes
from streamclust.report.page import (
    COMPARISON_FIGURES,
    FIGURE_BYTES,
    THUMBNAIL_BYTES,
    THUMBNAIL_PIXELS,
    THUMBNAILS,
)
from streamclust.report.words import Words
from streamclust.steps import Job
from streamclust.store import paths_of

_PNG = b"\x89PNG\r\n\x1a\n"
# Of a set, by how soon they are let go.
_OF_SET = (
    ("metrics", 0),
    ("map-discriminant", 2),
    ("map-pca", 3),
    ("dendrogram", 4),
    ("variance", 5),
)
_COMPARISON = ("agreement", "attributes", "yield")

_BATCH_ROWS = 32
# Rows whose images are read before it is asked whether there is room for more.
_ROUND_ROWS = 512
_QUALITY = 78
_TYPE = "data:image/jpeg;base64,"


def thumbnails(
    passes: Passes,
    job: Job,
    images: Images,
    wanted: Iterable[int],
    most_bytes: int = THUMBNAIL_BYTES,
) -> dict[int, str]:
    """Data URIs of the images of rows.

    Parameters
    ----------
    passes : Passes
    job : Job
    images : Images
    wanted : iterable of int
        Rows, the most wanted first; each is read once.
    most_bytes : int
        Characters of all: what comes after they are spent is left out.

    Returns
    -------
    dict of int to str
        Without the rows whose image is missing or damaged.

    Raises
    ------
    SourceError
        If an archive of images is replaced while it is read.
    """
    rows = np.array(list(dict.fromkeys(wanted))[:THUMBNAILS], np.int64)
    archives = ArchiveMarks(images)
    try:
        store = ImageStore(images)
        store.tell(job.events)
        uris = _within(passes, job, _Small(store), rows, most_bytes)
    except SourceError as error:
        archives.check()
        job.events.warn(f"{error}; the report comes without images")
        return {}
    archives.check()
    return uris


def fewer(images: dict[int, str], excess: int) -> dict[int, str]:
    """Without so many of the least wanted that `excess` characters are saved."""
    kept = dict(images)
    while kept and excess > 0:
        _, uri = kept.popitem()
        excess -= len(uri)
    return kept


def _within(
    passes: Passes, job: Job, task: "_Small", rows: np.ndarray, most_bytes: int
) -> dict[int, str]:
    uris: dict[int, str] = {}
    left = most_bytes
    for start in range(0, len(rows), _ROUND_ROWS):
        part = rows[start : start + _ROUND_ROWS]
        paths = paths_of(job.workspace, part)
        batches = [paths[i : i + _BATCH_ROWS] for i in range(0, len(paths), _BATCH_ROWS)]
        unit = f"batches of {_BATCH_ROWS}"
        made = [uri for part in passes.map("small images", task, batches, unit) for uri in part]
        for row, uri in zip(part.tolist(), made, strict=True):
            left -= len(uri)
            if left < 0:
                return uris
            if uri:
                uris[row] = uri
    return uris


class _Small:
    """Makes data URIs of the images of paths; an empty text where there is no good image."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store

    def __call__(self, paths: list[str]) -> list[str]:
        return [self._one(path) for path in paths]

    def _one(self, path: str) -> str:
        from PIL import Image

        from streamclust.figures import thumbnail

        try:
            pixels = thumbnail(self.store.read(path), THUMBNAIL_PIXELS)
        except (ImageError, ValueError):
            return ""
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY, optimize=True)
        return _TYPE + base64.b64encode(file.getvalue()).decode()


@dataclass
class Figure:
    """A figure of the page.

    Attributes
    ----------
    file, caption : str
    urgency : int
        Figures of the least are embedded first.
    uri : str
        Empty where it found no room.
    """

    file: str
    caption: str
    urgency: int
    uri: str = ""


def figures_of_set(folder: Path, descriptor: str, layouts: list[str], words: Words) -> list[Figure]:
    """The figures that are there of a set and its layouts."""
    wanted = [*_OF_SET, *((name, 1) for name in layouts)]
    wanted += [(f"{name}-clusters", 3) for name in layouts]
    wanted.sort(key=lambda one: one[1])
    files = [(figure_file(descriptor, kind), urgency) for kind, urgency in wanted]
    return _there(folder, files, words)


def figures_of_comparison(folder: Path, words: Words) -> list[Figure]:
    """The figures that compare the sets; of the flows between pairs the first few."""
    files = [figure_file(COMPARISON, kind) for kind in _COMPARISON]
    others = sorted(folder.glob(figure_file(COMPARISON, "*")))
    names = [str(file.relative_to(folder)) for file in others if ".kept-" not in file.name]
    flows = [(name, 4) for name in names if name not in files]
    return _there(folder, [*((file, 1) for file in files), *flows], words)[:COMPARISON_FIGURES]


def figures_of_outliers(folder: Path, words: Words) -> list[Figure]:
    """The histogram of the scores, where it is there."""
    return _there(folder, [(figure_file("outlier", "scores"), 1)], words)


def embed(folder: Path, figures: list[Figure], most_bytes: int = FIGURE_BYTES) -> None:
    """Read figures into their `uri`, until `most_bytes` characters are spent."""
    for figure in sorted(figures, key=lambda one: one.urgency):
        path = folder / FIGURES_FOLDER / figure.file
        # The size is asked first: whatever stands there need not be one of our pictures.
        if 4 * path.stat().st_size > 3 * most_bytes:
            continue
        data = path.read_bytes()
        if data.startswith(_PNG):
            figure.uri = "data:image/png;base64," + base64.b64encode(data).decode()
            most_bytes -= len(figure.uri)


def _there(folder: Path, files: Sequence[tuple[str, int]], words: Words) -> list[Figure]:
    """Those of the files that are there, with their urgency."""
    figures = []
    for name, urgency in files:
        file = folder / name
        if file.is_file():
            text = caption(file.stem, words.language)
            figures.append(Figure(file.name, f"{text[:1].upper()}{text[1:]}", urgency))
    return figures
