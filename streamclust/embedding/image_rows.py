"""Images into a case: decoded on all cores ahead of the models, described batch by batch.

Rows are kept as they are made: a command that was killed goes on at the batch.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from streamclust.embedding.models import Model, Preprocessing
from streamclust.errors import ImageError, MemoryBudgetError, SettingsError, SourceError
from streamclust.events import Events
from streamclust.images import ImageStore, is_hidden, is_image_name, square_picture
from streamclust.memory import LIBRARIES, MIB
from streamclust.passes import available_cpus, in_order
from streamclust.sources import (
    fingerprint,
    format_of,
    iter_paths,
    known_endings,
    safe_cell,
    write_paths,
)

RECORD = "embedding.json"
BAD_IMAGES = "bad_images.csv"
BATCH = 32
# Batches that are decoded ahead of the network.
_AHEAD = 2
# Of an image file and what it unpacks to: see `streamclust.images.open_bounded`.
_DECODING = 160 * MIB
_LOOKED_AT = 10_000
_COPIED_BYTES = 8 * MIB
_WORK, _REASONS, _STATE = ".embedding", "reasons", "state.json"


@dataclass(frozen=True)
class ImageList:
    """Images to describe.

    Attributes
    ----------
    place : Path
        The folder or archive that they are in.
    names : list of str
    """

    place: Path
    names: list[str]


def find_images(given: Path) -> ImageList:
    """The images of a folder, an archive, or a list of paths that stand below its folder.

    Raises
    ------
    SourceError
        When there are none.
    """
    if not given.exists():
        raise SourceError(f"{given}: does not exist: check the path")
    given = given.absolute()
    is_list = given.is_file() and given.suffix.lower() in (".csv", ".txt", ".tsv", ".lst")
    place = given.parent if is_list else given
    if is_list:
        names = list(iter_paths(given))
    else:
        listed = ImageStore(place).names()
        names = sorted(name for name in listed if is_image_name(name) and not is_hidden(name))
    if not names:
        raise SourceError(f"{given}: holds no images")
    return ImageList(place, names)


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
    images: ImageList, models: Sequence[Model], out: Path, events: Events, memory: int
) -> None:
    """Describe images by models, and write a case of what they tell.

    Images that cannot be decoded are left out, and listed in ``bad_images.csv``.

    Parameters
    ----------
    images : ImageList
    models : sequence of Model
        Images are decoded once for all that take pictures alike.
    out : Path
        The case folder. What is there of the same images and models is kept.
    events : Events
    memory : int
        Bytes that the process may take, the models' own beside.

    Raises
    ------
    SourceError
        When no image can be read.
    SettingsError
        When the folder holds a case of other images or models.
    MemoryBudgetError
        When an image might not fit.
    """
    record = _record(images, models)
    if _is_there(out, record):
        events.note(f"{out}: holds the descriptors of these images already")
        return
    widths: dict[str, int] = {}
    for model in models:
        for name, width in model.widths.items():
            if name in widths:
                raise SettingsError(f"two models make a set called {name}: rename a file")
            widths[name] = width
    n_decoders = min(available_cpus(), (memory - LIBRARIES) // _DECODING)
    if n_decoders < 1:
        least = -(-(LIBRARIES + _DECODING) // MIB)
        raise MemoryBudgetError(f"embed needs more memory: give it --memory {least}MiB")
    with _Rows(out / _WORK, record, widths) as rows:
        first = rows.n_rows
        if first:
            events.note(f"{out}: goes on behind the first {first:,} images")
        with events.passing("describing images", len(images.names), "images") as advance:
            advance(first)
            for batch in _decoded(images, models, first, n_decoders):
                rows.add(batch.reasons, _described(models, batch, widths))
                advance(len(batch.reasons))
        rows.flush()
        _finish(images, rows, widths, out, record, events)
    shutil.rmtree(out / _WORK)


def _record(images: ImageList, models: Sequence[Model]) -> dict[str, Any]:
    digest = hashlib.blake2b(digest_size=16)
    for name in images.names:
        digest.update(name.encode("utf-8", "surrogateescape") + b"\n")
    state = fingerprint(images.place) if images.place.is_file() else {"folder": True}
    return {
        "images": str(images.place),
        "n_images": len(images.names),
        "names": digest.hexdigest(),
        "state": state,
        "models": [model.record() for model in models],
    }


def read_record(case: Path) -> dict[str, Any] | None:
    """What made the descriptors of a case; None where streamclust did not.

    Raises
    ------
    SourceError
        When the record cannot be read.
    """
    try:
        return dict(json.loads((case / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        raise SourceError(f"{case / RECORD}: cannot be read: make the case again") from None


def _is_there(out: Path, record: dict[str, Any]) -> bool:
    """Whether a case is there as it would be made."""
    known = read_record(out)
    if known is None:
        if out.exists() and any(one.name != _WORK for one in out.iterdir()):
            raise SettingsError(f"{out} holds other files: name another --out")
        return False
    if known != json.loads(json.dumps(record)):
        raise SettingsError(
            f"{out} holds descriptors of other images or by other models: name another --out"
        )
    return True


@dataclass(frozen=True)
class _Batch:
    """Decoded images.

    Attributes
    ----------
    pictures : dict of Preprocessing to ndarray
        Of those that could be decoded.
    reasons : list of str
        Of all, empty for those.
    """

    pictures: dict[tuple[Any, ...], np.ndarray]
    reasons: list[str]


def _key(how: Preprocessing) -> tuple[int, float, str]:
    return how.side, how.crop, how.resampling


def _decoded(
    images: ImageList, models: Sequence[Model], first: int, n_decoders: int
) -> Iterator[_Batch]:
    """Batches of images from the one `first` on, some of them ahead."""
    store = ImageStore(images.place)
    ways = list(dict.fromkeys(_key(model.preprocessing) for model in models))

    def decode(name: str) -> list[np.ndarray] | str:
        try:
            data = store.read(name)
            return [square_picture(data, *way) for way in ways]
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(n_decoders, "streamclust-decoding") as pool:
        ahead = in_order(
            lambda name: pool.submit(decode, name), images.names[first:], _AHEAD * BATCH
        )
        waiting: list[list[np.ndarray] | str] = []
        n_left = len(images.names) - first
        for found in ahead:
            waiting.append(found)
            n_left -= 1
            if len(waiting) == BATCH or not n_left:
                good = [one for one in waiting if not isinstance(one, str)]
                pictures = {
                    way: np.stack([one[number] for one in good]) if good else np.empty(0)
                    for number, way in enumerate(ways)
                }
                yield _Batch(pictures, [one if isinstance(one, str) else "" for one in waiting])
                waiting = []


def _described(
    models: Sequence[Model], batch: _Batch, widths: dict[str, int]
) -> dict[str, np.ndarray]:
    """Rows of a batch; NaN for images that could not be decoded."""
    is_good = np.array([not reason for reason in batch.reasons])
    rows = {
        name: np.full((len(is_good), width), np.nan, np.float32) for name, width in widths.items()
    }
    if is_good.any():
        for model in models:
            for name, values in model(batch.pictures[_key(model.preprocessing)]).items():
                rows[name][is_good] = values
    return rows


class _Rows:
    """Rows of all sets as they are made, a batch at a time, in files that are appended to."""

    def __init__(self, folder: Path, record: dict[str, Any], widths: dict[str, int]) -> None:
        self.folder, self.widths = folder, widths
        state = folder / _STATE
        text = json.dumps(record)
        if not state.is_file() or state.read_text(encoding="utf-8") != text:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            state.write_text(text, encoding="utf-8")

    def __enter__(self) -> _Rows:
        self.stack = ExitStack()
        names = enumerate(self.widths)
        self.files = {name: self._appended(str(number)) for number, name in names}
        self.told = self._appended(_REASONS)
        self._to_whole_batches()
        return self

    def _appended(self, name: str) -> BinaryIO:
        return self.stack.enter_context((self.folder / name).open("ab"))

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def _to_whole_batches(self) -> None:
        """Take away what a killed command left of a batch."""
        reasons = self.reasons()
        whole = [os.path.getsize(f.name) // (4 * self.widths[n]) for n, f in self.files.items()]
        self.n_rows = min([len(reasons), *whole])
        if self.n_rows < max([len(reasons), *whole]):
            self.n_rows -= self.n_rows % BATCH
        for name, file in self.files.items():
            file.truncate(self.n_rows * 4 * self.widths[name])
        lines = [json.dumps(reason) + "\n" for reason in reasons[: self.n_rows]]
        (self.folder / _REASONS).write_text("".join(lines), encoding="utf-8")

    def reasons(self) -> list[str]:
        """Why each image so far could not be read; empty for those that could."""
        lines = (self.folder / _REASONS).read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def add(self, reasons: Sequence[str], rows: dict[str, np.ndarray]) -> None:
        """Append a batch."""
        for name, values in rows.items():
            self.files[name].write(values.tobytes())
        self.told.write("".join(json.dumps(reason) + "\n" for reason in reasons).encode())
        self.flush()

    def flush(self) -> None:
        """Hand over what is written, the reasons last."""
        for file in (*self.files.values(), self.told):
            file.flush()

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        """The rows of a set, some at a time."""
        width = self.widths[name]
        count = max(1, _COPIED_BYTES // (4 * width)) * width
        with open(self.files[name].name, "rb") as file:
            while len(values := np.fromfile(file, np.float32, count)):
                yield values.reshape(-1, width)


def _finish(
    images: ImageList,
    rows: _Rows,
    widths: dict[str, int],
    out: Path,
    record: dict[str, Any],
    events: Events,
) -> None:
    """Write the case: the record at last, which tells that it is whole."""
    reasons = rows.reasons()
    is_good = np.array([not reason for reason in reasons])
    n_good = int(is_good.sum())
    if not n_good:
        raise SourceError(f"{images.place}: no image can be read: {reasons[0]}")
    (out / "descriptors").mkdir(exist_ok=True)
    for name, width in widths.items():
        file = out / "descriptors" / f"{name}.npy"
        staged = out / _WORK / f"{name}.npy"
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
                    lines.writerow([safe_cell(name), safe_cell(reason)])
        events.warn(
            f"{len(reasons) - n_good:,} of {len(reasons):,} images cannot be read and are left "
            f"out: see {out / BAD_IMAGES}"
        )
    staged = out / _WORK / RECORD
    staged.write_text(json.dumps(record, indent=1), encoding="utf-8")
    os.replace(staged, out / RECORD)


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
