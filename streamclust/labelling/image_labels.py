"""Labels of images for other tools: COCO categories, FiftyOne's labels.json, a folder a class."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, count
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import Any, TextIO

import numpy as np

from streamclust.errors import ImageError, SettingsError
from streamclust.images import MEASURES, ImageStore, stored_images
from streamclust.labelling.stored_labels import NamedClustering, RowBatch
from streamclust.sources import normalise_path, path_digests
from streamclust.steps import Job
from streamclust.store import path_blocks, paths_of, stored_scan

NO_CLUSTER = "in no cluster"
_LONGEST = 100
# What one of the usual file systems does not take in a name, and names that Windows keeps.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_KEPT = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# Takes the next rows.
Write = Callable[[RowBatch], None]


def image_labels(
    job: Job, path: Path, form: str, clustering: NamedClustering
) -> AbstractContextManager[Write]:
    """Open a file of image labels, whose classes are the names of a clustering's clusters.

    Clusters without a name are called by their number; rows in no cluster have no label.

    Parameters
    ----------
    job : Job
    path : Path
    form : {"coco", "fiftyone"}
    clustering : NamedClustering
    """
    return FORMATS[form](job, path, clustering)


@contextmanager
def _coco(job: Job, path: Path, clustering: NamedClustering) -> Iterator[Write]:
    """Images, categories and annotations of whole images (no box), as COCO has them [1]_; their
    sizes where the images were scanned.

    .. [1] Lin, T.-Y. et al. (2014). Microsoft COCO: common objects in context. ECCV.
    """
    classes, of_cluster = clustering.classes()
    pixels = stored_scan(job.workspace).pixels
    with (
        open(path, "w", encoding="utf-8") as file,
        TemporaryFile("w+", encoding="utf-8", dir=path.parent) as annotations,
    ):
        categories = [
            {"id": number, "name": name, "supercategory": clustering.set_name}
            for number, name in enumerate(classes, 1)
        ]
        about = {"description": f"{clustering.set_name} {clustering.name}, by streamclust"}
        file.write(f'{{"info": {_json(about)},\n"licenses": [],\n')
        file.write(f'"categories": {_json(categories)},\n"images": [')
        images, labels = _Items(file), _Items(annotations)

        def write(batch: RowBatch) -> None:
            sizes = _sizes(pixels, batch.start, len(batch.paths))
            for (row, shown, label, confidence), size in zip(_rows(batch), sizes, strict=True):
                images.add({"id": row, "file_name": normalise_path(shown), **size})
                if label >= 0:
                    category = int(of_cluster[label]) + 1
                    ids = {"id": labels.n_items + 1, "image_id": row, "category_id": category}
                    labels.add({**ids, "score": round(confidence, 6)})

        yield write
        file.write('],\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write("]}\n")


@contextmanager
def _fiftyone(job: Job, path: Path, clustering: NamedClustering) -> Iterator[Write]:
    """labels.json of a FiftyOneImageClassificationDataset: classes, and by the path of an image,
    without its ending, the number of its class and a confidence."""
    _check_stems(job)
    classes, of_cluster = clustering.classes()
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'{{"classes": {_json(list(classes))},\n"labels": {{')
        between = "\n"

        def write(batch: RowBatch) -> None:
            nonlocal between
            for row, shown, label, confidence in _rows(batch):
                if label >= 0:
                    key = _stem(shown) if shown else ""
                    target = {"label": int(of_cluster[label]), "confidence": round(confidence, 6)}
                    file.write(f"{between}{_json(key or str(row))}: {_json(target)}")
                    between = ",\n"

        yield write
        file.write("\n}}\n")


def _stem(path: str) -> str:
    return str(PurePosixPath(normalise_path(path)).with_suffix(""))


def _check_stems(job: Job) -> None:
    """Refuse rows whose paths are the same without their endings: one of them would have the label.

    Raises
    ------
    SettingsError
        When there are some.
    """
    blocks = path_blocks(job.workspace)
    if blocks is None:
        return
    digests = path_digests(map(_stem, chain.from_iterable(blocks)))
    _, first, counts = np.unique(digests, return_index=True, return_counts=True)
    if (n_sharing := int(counts[counts > 1].sum())) == 0:
        return
    row = int(first[counts > 1].min())
    (path,) = paths_of(job.workspace, np.array([row]))
    raise SettingsError(
        f"fiftyone knows an image by its path without the ending, which {n_sharing:,} rows share "
        f"with others, such as row {row}, {_stem(path)}: export --format coco, or a table"
    )


def _rows(batch: RowBatch) -> Iterator[tuple[int, str, int, float]]:
    """Number, path, label and confidence of each row."""
    assigned = batch.assigned[0]
    labels, confidences = assigned.label.tolist(), assigned.confidence.tolist()
    yield from zip(count(batch.start), batch.paths, labels, confidences)


class _Items:
    """Items of a JSON array, a line each."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.n_items = 0

    def add(self, item: dict[str, Any]) -> None:
        self.file.write((",\n" if self.n_items else "\n") + _json(item))
        self.n_items += 1


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


def _sizes(pixels: Any, start: int, n_rows: int) -> list[dict[str, int]]:
    """Width and height of images; nothing where they are not known."""
    if pixels is None:
        return [{}] * n_rows
    places = [MEASURES.index(name) for name in ("width", "height")]
    known = pixels[start : start + n_rows][:, places]
    return [
        {"width": int(width), "height": int(height)} if width > 0 and height > 0 else {}
        for width, height in known.tolist()
    ]


def file_name(text: str) -> str:
    """A name that all usual file systems take: without separators and what else they refuse, not
    hidden, and not too long."""
    name = _REFUSED.sub("_", text).strip(" .")
    while len(name.encode()) > _LONGEST:
        name = name[:-1].rstrip(" .")
    return f"_{name}" if not name or _KEPT.fullmatch(name) else name


@contextmanager
def label_folders(job: Job, folder: Path, clustering: NamedClustering) -> Iterator[Write]:
    """Make a folder for each name of a clustering's clusters, with links to its images.

    A link is called as the row and the image; where the images are in a zip file, or the file
    system has no links, they are copied. The folder appears when it is whole.

    Raises
    ------
    SettingsError
        When the case has no images, or the folder is there and not empty.
    """
    target = folder.resolve()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise SettingsError(f"{target} is there and not empty: name another folder")
    if not target.parent.is_dir():
        raise SettingsError(f"{target.parent} is no folder: make it first, or name another")
    images = stored_images(job)
    if images is None:
        raise SettingsError("the case has no images to link to: folders cannot be made")
    staged = target.with_name(f".{target.name}.part")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        staged.mkdir()
        links = _Links(ImageStore(images), staged, clustering)
        yield links.add
        if links.n_missing:
            job.events.warn(f"{links.n_missing:,} rows have no image: they are in no folder")
        if target.exists():
            target.rmdir()
        os.replace(staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


class _Links:
    def __init__(self, store: ImageStore, folder: Path, clustering: NamedClustering) -> None:
        self.store = store
        self.n_missing = 0
        self.linked = True
        classes, self.of_cluster = clustering.classes()
        self.folders = [folder / name for name in distinct_names([*classes, NO_CLUSTER])]

    def add(self, batch: RowBatch) -> None:
        for row, path, label, _ in _rows(batch):
            folder = self.folders[self.of_cluster[label] if label >= 0 else -1]
            folder.mkdir(exist_ok=True)
            name = file_name(PurePosixPath(normalise_path(path)).name)
            try:
                self._link(path, folder / f"{row:07d} {name}")
            except ImageError:
                self.n_missing += 1

    def _link(self, path: str, place: Path) -> None:
        source = self.store.file_of(path)
        if source is not None and self.linked:
            try:
                place.symlink_to(source.resolve())
                return
            except OSError:
                # A file system, or a system, without links: the rest are copied, too.
                self.linked = False
        place.write_bytes(self.store.read(path))


def distinct_names(names: Iterable[str]) -> list[str]:
    """Names of folders, which differ also where case does not count."""
    taken: set[str] = set()
    made = []
    for name in map(file_name, names):
        numbered = (f"{name} ({number})" for number in count(2))
        free = next(one for one in chain([name], numbered) if one.casefold() not in taken)
        taken.add(free.casefold())
        made.append(free)
    return made


FORMATS = {"coco": _coco, "fiftyone": _fiftyone}
