"""Images into a case: decoded on all cores ahead of the models, described batch by batch.

Rows are kept as they are made: a command that was killed goes on at the batch.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.embedding.image_lists import below_one_folder, image_names
from streamclust.embedding.models import BATCH, Model
from streamclust.embedding.unfinished_rows import FOLDER, UnfinishedRows
from streamclust.errors import ImageError, SettingsError, SourceError
from streamclust.events import Events, StepFinished
from streamclust.images import (
    ArchiveMarks,
    Images,
    ImageStore,
    framed_picture,
    is_hidden,
    is_image_name,
    scan_need,
)
from streamclust.memory import LIBRARIES, Budget, Need, reset_peak, resident, return_freed_memory
from streamclust.passes import LocalExecutor, in_order
from streamclust.sources import (
    find_case,
    fingerprint,
    format_of,
    image_archives,
    iter_paths,
    known_endings,
    safe_cell,
    write_paths,
)
from streamclust.steps import planned

STEP = "embed"
RECORD = "embedding.json"
BAD_IMAGES = "bad_images.csv"
# Images that are decoded ahead of those that are described, for each thread.
_AHEAD = 2 * BATCH
_LOOKED_AT = 10_000
_BYTES_A_NAME = 400


@dataclass(frozen=True)
class ImageList:
    """Images to describe.

    Attributes
    ----------
    place : Path
        The folder or archive that they are in.
    names : list of str
    note : str
        What is to be said of other files.
    """

    place: Path
    names: list[str]
    note: str = ""


def find_images(given: Path, paths: Path | None = None) -> ImageList:
    """The images of a folder, an archive, or a list of paths: whole ones, or from its folder.

    Parameters
    ----------
    given : Path
    paths : Path, optional
        A list of those of the folder or archive that count.

    Raises
    ------
    SourceError
        When there are none.
    """
    if not given.exists():
        raise SourceError(f"{given}: does not exist: check the path")
    given, note = given.absolute(), ""
    is_list = given.is_file() and given.suffix.lower() in (".csv", ".txt", ".tsv", ".lst")
    place = given
    if paths is not None and is_list:
        raise SettingsError(f"{given} is a list of paths itself: leave --paths out")
    if paths is not None:
        names = list(iter_paths(paths))
    elif is_list:
        place, names = below_one_folder(given, list(iter_paths(given)))
    else:
        names, note = image_names(ImageStore(place).names())
    if not names:
        raise SourceError(f"{given}: holds no images{f': {note}' if note else ''}")
    return ImageList(place, names, note)


def holds_images_alone(given: Path) -> bool:
    """Whether it is a folder or archive of images without descriptors."""
    if given.is_dir():
        if (given / "descriptors").is_dir() or (given / "images_paths.csv").is_file():
            return False
        endings = known_endings(of_text=False)
        has_sets = any(one.name.lower().endswith(endings) for one in given.iterdir())
    elif given.is_file() and given.suffix.lower() in (".zip", ".tar"):
        has_sets = format_of(given) is not None
    else:
        return False
    if has_sets:
        return False
    names = islice(ImageStore(given).names(), _LOOKED_AT)
    return any(is_image_name(name) and not is_hidden(name) for name in names)


def embed_images(
    images: ImageList,
    models: Sequence[Model],
    out: Path,
    events: Events,
    memory: int,
    workers: int | None = None,
) -> None:
    """Describe images by models, and write a case of what they tell.

    Images that cannot be decoded, or of which a model tells NaN or infinity, are left out, and
    listed in ``bad_images.csv``.

    Parameters
    ----------
    images : ImageList
    models : sequence of Model
        Images are decoded once for all that take pictures alike.
    out : Path
        The case folder. What is there of the same images and models is kept.
    events : Events
    memory : int
        Bytes that the process may take.
    workers : int, optional
        Threads; all processors by default.

    Raises
    ------
    SourceError
        When no image can be read, or an archive is replaced while it is read.
    SettingsError
        When the folder holds a case of other images or models, or the models' sets have no names of
        their own.
    MemoryBudgetError
        When an image might not fit.
    WorkspaceError
        When another command makes the same case.
    """
    widths = _widths(models)
    for words in filter(None, (images.note, *(note for model in models for note in model.notes))):
        events.note(words)
    record = record_of(images, models)
    _make_folder(out)
    rows = UnfinishedRows(out, record, widths, BATCH)
    if _is_there(out, record):
        events.note(f"{out}: holds the descriptors of these images already")
        return
    executor = LocalExecutor(workers)
    return_freed_memory()
    reset_peak()
    started = time.perf_counter()
    need = _need(images, models)
    left = max(0, resident() - LIBRARIES - need.fixed)
    plan = planned(STEP, (None, None), [need], Budget(memory), executor.n_workers, left)
    archives = ArchiveMarks(Images((images.place,)))
    with rows:
        first = rows.n_rows
        if first:
            events.note(f"{out}: goes on behind the first {first:,} images")
        n_threads = executor.capacity(plan.in_flight)
        with events.passing("describing images", len(images.names), "images") as advance:
            advance(first)
            decoded = _decoded(images, models, first, n_threads)
            for found in executor.map(_Describe(models, widths), decoded, plan.in_flight):
                rows.add(*found)
                advance(len(found[0]))
        try:
            archives.check()
            if record_of(images, models) != record:
                raise SourceError(
                    f"{images.place}: images were replaced while they were read: give the command "
                    "again"
                )
        except SourceError:
            rows.remove()
            raise
        _finish(images, rows, out, record, events)
        rows.remove()
    events.emit(
        StepFinished(
            STEP,
            None,
            time.perf_counter() - started,
            planned_peak=plan.peak,
            measured_peak=executor.peak(),
            in_flight=plan.in_flight,
            rows=len(images.names) - first,
        )
    )


def _widths(models: Sequence[Model]) -> dict[str, int]:
    """Numbers of a row of each set."""
    if not models:
        raise SettingsError("name a --model")
    widths: dict[str, int] = {}
    for model in models:
        for name, width in model.widths.items():
            if name in widths:
                raise SettingsError(
                    f"two models make a set called {name}: name one, --model NAME=FILE"
                )
            widths[name] = width
    # Names are refused before hours of work, not behind them.
    find_case({name: np.zeros((1, 1), np.float32) for name in widths})
    return widths


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{out}: cannot be made: {error.strerror or error}") from None


def _need(images: ImageList, models: Sequence[Model]) -> Need:
    """Memory of names, of pictures that wait, and of decoding an image and describing a batch."""
    frames = {model.preprocessing.frame for model in models}
    pictures = BATCH * sum(3 * height * width for height, width, *_ in frames)
    values = max(12 * BATCH * how.height * how.width for how in (m.preprocessing for m in models))
    scan = scan_need(len(images.names))
    fixed = scan.fixed + _BYTES_A_NAME * len(images.names) + sum(one.need.fixed for one in models)
    waiting = pictures * (_AHEAD // BATCH + 2)
    work = max(model.need.per_block for model in models)
    return Need(fixed, scan.per_block + waiting + 2 * values + work)


def record_of(images: ImageList, models: Sequence[Model]) -> dict[str, Any]:
    """What a case of images is made of, as JSON has it."""
    digest = hashlib.blake2b(digest_size=16)
    is_folder = images.place.is_dir()
    archives = image_archives(images.place) if is_folder else [images.place]
    for name in images.names:
        digest.update(name.encode("utf-8", "surrogateescape") + b"\n")
        if not archives:
            digest.update(_state(images.place / name))
    record = {
        "images": str(images.place),
        "n_images": len(images.names),
        "names": digest.hexdigest(),
        "archives": [fingerprint(file) for file in archives],
        "models": [model.record() for model in models],
    }
    return dict(json.loads(json.dumps(record)))


def _state(file: Path) -> bytes:
    try:
        about = file.stat()
    except (OSError, ValueError):
        return b"missing"
    return f"{about.st_size} {about.st_mtime_ns}\n".encode()


def read_record(case: Path) -> dict[str, Any] | None:
    """What made the descriptors of a case; None where streamclust did not.

    Raises
    ------
    SourceError
        When the record cannot be read.
    """
    try:
        return dict(json.loads((case / RECORD).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, RecursionError):
        raise SourceError(f"{case / RECORD}: cannot be read: make the case again") from None


def _is_there(out: Path, record: dict[str, Any]) -> bool:
    """Whether a case is there as it would be made."""
    known = read_record(out)
    if known is None:
        # Without a record it is half made, or somebody else's.
        if not (out / FOLDER).is_dir() and any(out.iterdir()):
            raise SettingsError(f"{out} holds other files: name another --out")
        return False
    if known != record:
        raise SettingsError(
            f"{out} holds descriptors of other images or by other models: name another --out"
        )
    return True


# Pictures of those that could be decoded by how they were framed, and why others could not.
_Decoded = tuple[dict[tuple[Any, ...], np.ndarray], list[str]]


def _decoded(
    images: ImageList, models: Sequence[Model], first: int, n_threads: int
) -> Iterator[_Decoded]:
    """Batches of images from the one `first` on, some of them ahead."""
    store = ImageStore(images.place)
    frames = list(dict.fromkeys(model.preprocessing.frame for model in models))

    def decode(name: str) -> list[np.ndarray] | str:
        if not _is_text(name):
            return f"{images.place}: {name!r} is no name in UTF-8: rename the file"
        try:
            data = store.read(name)
        except ImageError as error:
            return str(error)
        try:
            return [framed_picture(data, *frame) for frame in frames]
        except ImageError as error:
            return f"{name} {error}"

    def batch(found: list[list[np.ndarray] | str]) -> _Decoded:
        good = [one for one in found if not isinstance(one, str)]
        pictures = {
            frame: np.stack([one[number] for one in good]) if good else np.empty(0)
            for number, frame in enumerate(frames)
        }
        return pictures, [one if isinstance(one, str) else "" for one in found]

    with ThreadPoolExecutor(n_threads, "streamclust-decoding") as pool:
        names = islice(images.names, first, None)
        ahead = in_order(lambda name: pool.submit(decode, name), names, _AHEAD * n_threads)
        while found := list(islice(ahead, BATCH)):
            yield batch(found)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Describe:
    """Makes rows of a batch of pictures: NaN for those that have none, and why."""

    def __init__(self, models: Sequence[Model], widths: dict[str, int]) -> None:
        self.models, self.widths = models, widths

    def __call__(self, decoded: _Decoded) -> tuple[list[str], dict[str, np.ndarray]]:
        pictures, reasons = decoded
        is_good = np.array([not reason for reason in reasons])
        rows = {
            name: np.full((len(is_good), width), np.nan, np.float32)
            for name, width in self.widths.items()
        }
        for model in self.models if is_good.any() else ():
            for name, values in model(pictures[model.preprocessing.frame]).items():
                rows[name][is_good] = values
        told = list(reasons)
        for name, values in rows.items():
            for place in np.flatnonzero(~np.isfinite(values).all(axis=1)):
                told[place] = told[place] or f"{name} is NaN or infinite of it"
        return told, rows


def _finish(
    images: ImageList,
    rows: UnfinishedRows,
    out: Path,
    record: dict[str, Any],
    events: Events,
) -> None:
    """Write the case: the record at last, which tells that it is whole."""
    reasons = rows.reasons()
    is_good = np.array([not reason for reason in reasons])
    n_good = int(is_good.sum())
    if not n_good:
        rows.remove()
        raise SourceError(f"{images.place}: no image can be described: {reasons[0]}")
    (out / "descriptors").mkdir(exist_ok=True)
    for name, width in rows.widths.items():
        file = out / "descriptors" / f"{name}.npy"
        staged = rows.folder / f"{name}.npy"
        with open(staged, "wb") as content:
            head = {"descr": "<f4", "fortran_order": False, "shape": (n_good, width)}
            np.lib.format.write_array_header_1_0(content, head)
            start = 0
            for values in rows.blocks(name):
                values[is_good[start : start + len(values)]].tofile(content)
                start += len(values)
        os.replace(staged, file)
    listed = zip(images.names, is_good, strict=True)
    write_paths(out, (name for name, good in listed if good))
    _link(images.place, out / "row_data")
    if n_good < len(reasons):
        with open(out / BAD_IMAGES, "w", newline="", encoding="utf-8") as text:
            lines = csv.writer(text)
            lines.writerow(["path", "reason"])
            for name, reason in zip(images.names, reasons, strict=True):
                if reason:
                    lines.writerow([safe_cell(_shown(name)), safe_cell(reason)])
        events.warn(
            f"{len(reasons) - n_good:,} of {len(reasons):,} images cannot be described and are "
            f"left out: see {out / BAD_IMAGES}"
        )
    staged = rows.folder / RECORD
    staged.write_text(json.dumps(record, indent=1), encoding="utf-8")
    os.replace(staged, out / RECORD)


def _shown(name: str) -> str:
    """A name as UTF-8 can write it."""
    return name.encode(errors="backslashreplace").decode()


def _link(place: Path, link: Path) -> None:
    """Let a case find its images: a link to their folder, or a folder with one to an archive."""
    if link.is_symlink():
        link.unlink()
    if place.is_dir():
        link.symlink_to(place, target_is_directory=True)
        return
    link.mkdir(exist_ok=True)
    (link / place.name).unlink(missing_ok=True)
    (link / place.name).symlink_to(place)
