"""Labels of whole images as other tools read them: COCO categories, FiftyOne's labels.json."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import Any, TextIO

from streamclust.images.pixels import MEASURES
from streamclust.labelling.placing import Chosen, Placed
from streamclust.sources.case import normalise_path
from streamclust.store.images import stored_scan
from streamclust.store.job import Job

# Takes the first of the next rows, their paths, and where they belong.
Write = Callable[[int, list[str], Placed], None]


def image_labels(job: Job, path: Path, form: str, chosen: Chosen) -> AbstractContextManager[Write]:
    """Open a file of image labels, whose classes are the names of a clustering's clusters.

    Clusters without a name are called by their number; rows in no cluster have no label.

    Parameters
    ----------
    job : Job
    path : Path
    form : {"coco", "fiftyone"}
    chosen : Chosen
    """
    return FORMATS[form](job, path, chosen)


@contextmanager
def _coco(job: Job, path: Path, chosen: Chosen) -> Iterator[Write]:
    """Images, categories and annotations of whole images (no box), as COCO has them [1]_; their
    sizes where the images were scanned.

    .. [1] Lin, T.-Y. et al. (2014). Microsoft COCO: common objects in context. ECCV.
    """
    classes, of_cluster = chosen.classes()
    pixels = stored_scan(job.workspace).pixels
    with (
        open(path, "w", encoding="utf-8") as file,
        TemporaryFile("w+", encoding="utf-8", dir=path.parent) as annotations,
    ):
        categories = [
            {"id": number, "name": name, "supercategory": chosen.descriptor}
            for number, name in enumerate(classes, 1)
        ]
        about = {"description": f"{chosen.descriptor} {chosen.name}, by streamclust"}
        file.write(f'{{"info": {_json(about)},\n"licenses": [],\n')
        file.write(f'"categories": {_json(categories)},\n"images": [')
        images, labels = _Items(file), _Items(annotations)

        def write(start: int, paths: list[str], placed: Placed) -> None:
            sizes = _sizes(pixels, start, len(paths))
            told = zip(paths, placed.label.tolist(), placed.confidence.tolist(), sizes, strict=True)
            for row, (shown, label, confidence, size) in enumerate(told, start):
                images.add({"id": row, "file_name": normalise_path(shown), **size})
                if label >= 0:
                    category = int(of_cluster[label]) + 1
                    own = {"id": labels.n_items + 1, "image_id": row, "category_id": category}
                    labels.add({**own, "score": round(confidence, 6)})

        yield write
        file.write('],\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write("]}\n")


@contextmanager
def _fiftyone(job: Job, path: Path, chosen: Chosen) -> Iterator[Write]:
    """labels.json of a FiftyOneImageClassificationDataset: classes, and by the path of an image,
    without its ending, the number of its class and a confidence."""
    classes, of_cluster = chosen.classes()
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'{{"classes": {_json(list(classes))},\n"labels": {{')
        between = "\n"

        def write(start: int, paths: list[str], placed: Placed) -> None:
            nonlocal between
            told = zip(paths, placed.label.tolist(), placed.confidence.tolist(), strict=True)
            for row, (shown, label, confidence) in enumerate(told, start):
                if label >= 0:
                    key = str(PurePosixPath(normalise_path(shown)).with_suffix("")) if shown else ""
                    target = {"label": int(of_cluster[label]), "confidence": round(confidence, 6)}
                    file.write(f"{between}{_json(key or str(row))}: {_json(target)}")
                    between = ",\n"

        yield write
        file.write("\n}}\n")


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


FORMATS = {"coco": _coco, "fiftyone": _fiftyone}
