"""Write a case chunk by chunk: drawn in a few threads, written in order by one.

Pictures and their descriptors: drawn, encoded, and described as they were written.

The two CSV files of a demo: the reference's list of paths, and the truth behind it.
"""

import csv
import io
import os
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from streamclust.demo.descriptors import SETS, DescriptorModel
from streamclust.demo.drawing import draw_picture
from streamclust.demo.fleet import (
    COLOURS,
    DESCRIPTORS,
    DRAWING,
    MODELS,
    NO_VEHICLE,
    OUTLIER_KINDS,
    TYPES,
    VIEWS,
    Fleet,
    Pictures,
    stream,
)
from streamclust.demo.folder import Progress, Recipe, staged
from streamclust.demo.networks import describe, read_pixels
from streamclust.demo.pickle_writer import PickledArray

TRUTH_COLUMNS = ("row", "path", "vehicle", "type", "colour", "view", "outlier_kind")
_TYPES, _COLOURS = list(TYPES), list(COLOURS)


def write_tables(fleet: Fleet, paths_file: Path, truth_file: Path) -> None:
    """Write both tables, chunk by chunk."""
    with (
        paths_file.open("w", newline="", encoding="utf-8") as paths,
        truth_file.open("w", newline="", encoding="utf-8") as truth,
    ):
        paths_table = csv.writer(paths, lineterminator="\n")
        truth_table = csv.writer(truth, lineterminator="\n")
        paths_table.writerow(["paths"])
        truth_table.writerow(TRUTH_COLUMNS)
        for chunk in range(fleet.chunks):
            pictures = fleet.pictures(chunk)
            listed = list(fleet.paths(pictures, "\\"))
            paths_table.writerows([path] for path in listed)
            truth_table.writerows(
                _truth(fleet, pictures, index, path) for index, path in enumerate(listed)
            )


def _truth(fleet: Fleet, pictures: Pictures, index: int, path: str) -> tuple[int | str, ...]:
    """One row of the truth; a picture without its vehicle has no type, colour or view."""
    outlier = pictures.outlier[index]
    shown = outlier != NO_VEHICLE
    return (
        pictures.first_row + index,
        path,
        f"{pictures.vehicle[index]:0{fleet.vehicle_digits}d}",
        _TYPES[pictures.kind[index]] if shown else "",
        _COLOURS[pictures.colour[index]] if shown else "",
        VIEWS[pictures.view[index]] if shown else "",
        OUTLIER_KINDS[outlier],
    )


JPEG_QUALITY = 85
# Pictures described at a time: bounds the memory of the extractors' intermediate maps.
BATCH = 64


@dataclass(frozen=True)
class DrawnChunk:
    """The JPEG files of a chunk's pictures and the descriptors computed from them."""

    jpegs: list[bytes]
    descriptors: dict[str, np.ndarray]


def draw_chunk(fleet: Fleet, chunk: int) -> DrawnChunk:
    """Draw and describe the pictures of one chunk."""
    pictures = fleet.pictures(chunk)
    rng = stream(fleet.random_state, chunk, DRAWING)
    jpegs = []
    for index in range(len(pictures)):
        file = io.BytesIO()
        draw_picture(pictures, index, rng).save(file, "JPEG", quality=JPEG_QUALITY)
        jpegs.append(file.getvalue())
    batches = [
        describe(read_pixels(jpegs[start : start + BATCH])) for start in range(0, len(jpegs), BATCH)
    ]
    together = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    return DrawnChunk(jpegs, together)


PATHS, TRUTH, ARCHIVE = "images_paths.csv", "truth.csv", "row_data/veriwild.zip"
# More threads would only hold more chunks in memory: writing and Pillow's calls limit the rest.
MOST_THREADS = 4

Made = TypeVar("Made")


def files(images: bool) -> list[str]:
    """The files of a case, relative to its folder."""
    descriptors = [f"descriptors/{name}.pickle" for name in SETS]
    return [*descriptors, PATHS, TRUTH, *([ARCHIVE] if images else [])]


def write_case(folder: Path, recipe: Recipe, progress: Progress) -> None:
    """Write all files of a case into its folder."""
    fleet = Fleet(recipe.rows, recipe.random_state)
    with staged(folder / PATHS) as paths, staged(folder / TRUTH) as truth:
        write_tables(fleet, paths, truth)
    # One BLAS thread each: the chunks are the parallel work, and the sums then never differ.
    with ExitStack() as stack, threadpool_limits(limits=1):
        pickles = {
            name: stack.enter_context(
                PickledArray(
                    stack.enter_context(staged(folder / f"descriptors/{name}.pickle")),
                    (recipe.rows, tastes.width),
                    np.dtype(np.float32),
                )
            )
            for name, tastes in SETS.items()
        }
        if recipe.images:
            archive = stack.enter_context(staged(folder / ARCHIVE))
            _write_images(fleet, pickles, archive, progress)
        else:
            _write_descriptors(fleet, pickles, progress)


def _write_images(
    fleet: Fleet, pickles: dict[str, PickledArray], archive: Path, progress: Progress
) -> None:
    pass

    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as members:
        for chunk, drawn in enumerate(_in_order(lambda c: draw_chunk(fleet, c), fleet.chunks)):
            names = fleet.paths(fleet.pictures(chunk), "/")
            for name, jpeg in zip(names, drawn.jpegs, strict=True):
                # ZipInfo's fixed date, instead of now: the same demo is the same archive.
                members.writestr(zipfile.ZipInfo(name), jpeg)
            _append(pickles, drawn.descriptors)
            progress(pickles["osnet"].rows, fleet.rows, "pictures and descriptors")


def _write_descriptors(fleet: Fleet, pickles: dict[str, PickledArray], progress: Progress) -> None:
    models = {
        name: DescriptorModel(name, stream(fleet.random_state, index, MODELS))
        for index, name in enumerate(SETS)
    }

    def draw(chunk: int) -> dict[str, np.ndarray]:
        pictures = fleet.pictures(chunk)
        rng = stream(fleet.random_state, chunk, DESCRIPTORS)
        return {name: model.describe(pictures, rng) for name, model in models.items()}

    for blocks in _in_order(draw, fleet.chunks):
        _append(pickles, blocks)
        progress(pickles["osnet"].rows, fleet.rows, "descriptors")


def _append(pickles: dict[str, PickledArray], blocks: dict[str, np.ndarray]) -> None:
    for name, block in blocks.items():
        pickles[name].append(block)


def _in_order(make: Callable[[int], Made], chunks: int) -> Iterator[Made]:
    """Make chunks in threads, a few ahead of the reader, and give them out in order."""
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    pending: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for chunk in range(chunks):
                pending.append(pool.submit(make, chunk))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
