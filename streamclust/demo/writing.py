"""A demonstration case out of nothing: drawn vehicles in the reference's layout.

`make_case` writes what the reference case consists of, pictures and descriptors, or descriptors
alone for any number of rows, and beside them the truth that a real case lacks. Files are made chunk
by chunk, drawn in a few threads, written in order by one, and whole when they appear.
"""

import csv
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import numpy as np

from streamclust.demo.descriptors import SETS, DescriptorModel, describe, read_pixels
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
    DrawnPictures,
    Fleet,
    stream,
)
from streamclust.errors import SettingsError
from streamclust.passes import in_order, single_threaded

Progress = Callable[[int, int, str], None]
Made = TypeVar("Made")

MARKER = ".streamclust-demo.json"
UNFINISHED = ".part"
VERSION = 1

PATHS, TRUTH, ARCHIVE = "images_paths.csv", "truth.csv", "row_data/veriwild.zip"
# More threads would only hold more chunks in memory: writing and Pillow's calls limit the rest.
MOST_THREADS = 4

TRUTH_COLUMNS = ("row", "path", "vehicle", "type", "colour", "view", "outlier_kind")
_TYPES, _COLOURS = list(TYPES), list(COLOURS)

JPEG_QUALITY = 85
# Pictures described at a time: bounds the memory of the extractors' intermediate maps.
BATCH = 64

PROTOCOL = 4
# How pickle ends an array whose data are the empty bytes string.
_NO_DATA = b"C\x00"
_CLOSING = b"\x94t\x94b."


def make_case(
    folder: str | Path,
    *,
    rows: int = 3000,
    images: bool = True,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Make a case folder in the reference's layout, with its truth.

    The folder gets `descriptors/<set>.pickle` for four sets, `images_paths.csv`, `truth.csv`
    and, with images, `row_data/veriwild.zip`. About 2 % of the pictures are spoiled by glare,
    blur or darkness, or show no vehicle. A case that is there already is not made again, and an
    interrupted one is begun anew.

    Memory stays near 100 MiB for any number of rows without images. With images it is near
    150 MiB, and the list of the zip's members takes another 0.4 KiB a picture.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where: a new or an empty folder, or one that holds this very demo.
    rows : int
        Number of pictures.
    images : bool
        Draw pictures and compute the descriptors from them; without, descriptors are drawn from
        a model of the same vehicles.
    random_state : int
        Seed of all draws; the same seed gives the same files.
    progress : callable, optional
        Called as `progress(done_rows, total_rows, what)` from the calling thread.

    Returns
    -------
    pathlib.Path
        The case folder.

    Raises
    ------
    SettingsError
        If the folder holds another demo or other files, or a number makes no sense.
    """
    if rows < 1:
        raise SettingsError(f"a demo has at least 1 row, not {rows}")
    if random_state < 0:
        raise SettingsError(f"random_state is a whole number from 0, not {random_state}")
    target = Path(folder)
    recipe = Recipe(int(rows), bool(images), int(random_state))
    if is_complete(target, recipe, files(images)):
        return target
    begin(target, recipe)
    write_case(target, recipe, progress or _ignore)
    finish(target)
    return target


def _ignore(done_rows: int, total_rows: int, what: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Recipe:
    """What makes a demo what it is; two demos of one recipe are the same to the byte."""

    rows: int
    images: bool
    random_state: int
    version: int = VERSION


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to, and rename the file when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + UNFINISHED)
    yield unfinished
    unfinished.replace(path)


def is_complete(folder: Path, recipe: Recipe, files: list[str]) -> bool:
    """Say whether this very demo is there whole.

    Raises
    ------
    SettingsError
        If the folder holds another demo, or anything that is not a demo's.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file: name a folder for the demo")
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    marker = folder / MARKER
    begun = folder / (MARKER + UNFINISHED)
    if not marker.exists() and not begun.exists():
        raise SettingsError(
            f"{folder} holds files that the demo did not make: name a new or an empty folder"
        )
    found = _read(marker if marker.exists() else begun)
    if found != asdict(recipe):
        raise SettingsError(
            f"{folder} holds another demo ({_spelled(found)}), not the one asked for "
            f"({_spelled(asdict(recipe))}): remove it, or name another folder"
        )
    return marker.exists() and all((folder / file).is_file() for file in files)


def begin(folder: Path, recipe: Recipe) -> None:
    """Mark the folder as a demo in the making, so that a broken run can be taken up again."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).unlink(missing_ok=True)
    text = json.dumps(asdict(recipe), indent=2) + "\n"
    (folder / (MARKER + UNFINISHED)).write_text(text, encoding="utf-8")


def finish(folder: Path) -> None:
    """Mark the demo as whole."""
    (folder / (MARKER + UNFINISHED)).replace(folder / MARKER)


def _read(marker: Path) -> dict[str, object]:
    """What a marker says; a damaged one says nothing, and so matches no recipe."""
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _spelled(settings: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "unreadable marker"


class PickledArray:
    """Writes the very bytes that `pickle.dump(array, file, protocol=4)` writes for large arrays.

    Parameters
    ----------
    path : pathlib.Path
        The file to write.
    shape : tuple of int
        Shape of the whole array.
    dtype : numpy.dtype
        Its type.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.rows = 0
        self._file: IO[bytes] = path.open("wb")
        self._file.write(_head(shape, self.dtype))

    def append(self, block: np.ndarray) -> None:
        """Write the next rows."""
        if block.shape[1:] != self.shape[1:] or self.rows + len(block) > self.shape[0]:
            raise ValueError(f"rows {block.shape} do not fit an array of {self.shape}")
        self._file.write(np.ascontiguousarray(block, dtype=self.dtype).data)
        self.rows += len(block)

    def close(self) -> None:
        """End the pickle; it can be loaded from now on."""
        if self._file.closed:
            return
        with self._file:
            if self.rows != self.shape[0]:
                raise ValueError(f"{self.rows} rows written of {self.shape[0]}")
            self._file.write(_framed(_CLOSING))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()


class _WithoutData:
    """Pickles as an array of that shape and type would, with no data in it."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._shape = shape
        self._dtype = dtype

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, arguments = tuple(np.empty(0, self._dtype).__reduce__())[:2]
        return rebuild, arguments, (1, self._shape, self._dtype, False, b"")


def _head(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """All that stands before the data."""
    whole = pickle.dumps(_WithoutData(shape, dtype), protocol=PROTOCOL)
    opening, rest = whole[:2], whole[2 + len(_framed(b"")) :]
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size < 2**32:
        announced = pickle.BINBYTES + size.to_bytes(4, "little")
    else:
        announced = pickle.BINBYTES8 + size.to_bytes(8, "little")
    return opening + _framed(rest.removesuffix(_NO_DATA + _CLOSING)) + announced


def _framed(opcodes: bytes) -> bytes:
    """A frame as protocol 4 puts around opcodes; large data stand between frames."""
    return pickle.FRAME + len(opcodes).to_bytes(8, "little") + opcodes


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


def _truth(fleet: Fleet, pictures: DrawnPictures, index: int, path: str) -> tuple[int | str, ...]:
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


def files(images: bool) -> list[str]:
    """The files of a case, relative to its folder."""
    descriptors = [str(Path("descriptors") / f"{name}.pickle") for name in SETS]
    return [*descriptors, PATHS, TRUTH, *([ARCHIVE] if images else [])]


def write_case(folder: Path, recipe: Recipe, progress: Progress) -> None:
    """Write all files of a case into its folder."""
    fleet = Fleet(recipe.rows, recipe.random_state)
    with staged(folder / PATHS) as paths, staged(folder / TRUTH) as truth:
        write_tables(fleet, paths, truth)
    # One BLAS thread each: the chunks are the parallel work, and the sums then never differ.
    with ExitStack() as stack, single_threaded():
        pickles = {
            name: stack.enter_context(
                PickledArray(
                    stack.enter_context(staged(folder / "descriptors" / f"{name}.pickle")),
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
    with ThreadPoolExecutor(threads) as pool:
        yield from in_order(lambda chunk: pool.submit(make, chunk), range(chunks), threads + 1)
