"""Labels to take away: every row with its cluster, name, confidence and outlier score.

A folder a cluster, of links to its images.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from streamclust.errors import ImageError, SettingsError
from streamclust.images.archive import ImageStore, stored_images
from streamclust.labelling.image_labels import FORMATS, image_labels
from streamclust.labelling.placing import (
    Chosen,
    Placed,
    StoredRows,
    chosen_clusterings,
    marked_rows,
    placed_columns,
    placed_values,
    streamed,
)
from streamclust.labelling.row_files import (
    CODE,
    FLAG,
    FLOAT,
    INT,
    TEXT,
    Column,
    check_ending,
    row_file,
)
from streamclust.memory import MIB, Need
from streamclust.passes.blocks import Rows, Span
from streamclust.sources.case import normalise_path
from streamclust.store.images import stored_paths
from streamclust.store.job import Job
from streamclust.store.outliers import StoredOutliers, stored_outliers
from streamclust.store.outputs import Outputs

NO_CLUSTER = "in no cluster"
_LONGEST = 100
# What one of the usual file systems does not take in a name, and names that Windows keeps.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_KEPT = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def file_name(text: str) -> str:
    """A name that all usual file systems take: without separators and what else they refuse, not
    hidden, and not too long."""
    name = _REFUSED.sub("_", text).strip(" .")
    while len(name.encode()) > _LONGEST:
        name = name[:-1].rstrip(" .")
    return f"_{name}" if not name or _KEPT.fullmatch(name) else name


@contextmanager
def label_folders(job: Job, folder: Path, chosen: Chosen) -> Iterator[Callable[["Batch"], None]]:
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
        links = _Links(ImageStore(images), staged, chosen)
        yield links.add
        if links.n_missing:
            job.events.warn(f"{links.n_missing:,} rows have no image: they are in no folder")
        if target.exists():
            target.rmdir()
        os.replace(staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


class _Links:
    def __init__(self, store: ImageStore, folder: Path, chosen: Chosen) -> None:
        self.store = store
        self.n_missing = 0
        self.linked = True
        classes, self.of_cluster = chosen.classes()
        self.folders = [folder / name for name in distinct_names([*classes, NO_CLUSTER])]

    def add(self, batch: "Batch") -> None:
        for row, (path, label) in enumerate(
            zip(batch.paths, batch.placed[0].label.tolist(), strict=True), batch.start
        ):
            folder = self.folders[self.of_cluster[label] if label >= 0 else -1]
            folder.mkdir(exist_ok=True)
            own = file_name(PurePosixPath(normalise_path(path)).name)
            try:
                self._link(path, folder / f"{row:07d} {own}")
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


STEP = "labels to take away"
# The reason of a row whose cluster a person marked.
NAMED_OUTLIER = "named an outlier"
# float64 copies of a piece, distances to all means, and the columns of a span.
_WORK = 32 * MIB


@dataclass(frozen=True)
class TakeAway:
    """What to take away, and where to.

    Parameters
    ----------
    file : Path, optional
        A table by its ending, see `streamclust.labelling.row_files`; JSON of a `form`.
    form : {"coco", "fiftyone"}, optional
    folders : Path, optional
        For a folder a cluster, of links to the images.
    clustering : str, optional
        By default the recommended ones.
    overwrite : bool
        Write over a file of another origin.
    """

    file: Path | None = None
    form: str | None = None
    folders: Path | None = None
    clustering: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.form is not None and self.form not in FORMATS:
            raise SettingsError(f"format={self.form!r}: choose from {', '.join(FORMATS)}")
        if self.file is None:
            if self.form is not None or self.folders is None or self.overwrite:
                raise SettingsError("name a file to write --to")
            return
        ending = check_ending(self.file)
        if self.form is not None and ending != ".json":
            raise SettingsError(f"{self.file}: the format {self.form} is JSON: name it .json")


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows that follow each other, and what is known of them."""

    start: int
    paths: list[str]
    placed: list[Placed]
    outlier: np.ndarray
    score: np.ndarray
    reason: np.ndarray

    def values(self) -> list[Any]:
        """As the columns of `columns_of`."""
        rows = np.arange(self.start, self.start + len(self.paths))
        return [
            rows,
            self.paths,
            *placed_values(self.placed),
            self.outlier,
            self.score,
            self.reason,
        ]


def columns_of(chosen: Sequence[Chosen], reasons: tuple[str, ...]) -> list[Column]:
    """The columns of the tables that are taken away."""
    return [
        Column("row", INT),
        Column("path", TEXT),
        *placed_columns(chosen),
        Column("outlier", FLAG),
        Column("outlier_score", FLOAT),
        Column("outlier_reason", CODE, reasons),
    ]


def take_away(job: Job, outputs: Outputs, wanted: TakeAway) -> None:
    """Write the rows of the chosen sets as `wanted` says.

    Raises
    ------
    SettingsError
        When a clustering is not there, a file is a person's, or one set must be named.
    MemoryBudgetError
        When a block does not fit the budget.
    """
    chosen = chosen_clusterings(job, wanted.clustering)
    if (wanted.form or wanted.folders) and len(chosen) > 1:
        listed = ", ".join(own.descriptor for own in chosen)
        raise SettingsError(f"an image has one label there: name the set, --descriptors: {listed}")
    rows = [job.rows_of(own.descriptor, "reduced") for own in chosen]
    found = stored_outliers(job.workspace)
    reasons = (*(("",) if found is None else found.kinds), NAMED_OUTLIER)
    with ExitStack() as stack:
        sinks: list[Callable[[Batch], None]] = []
        if wanted.file is not None:
            sinks.append(stack.enter_context(_file(job, outputs, wanted, chosen, reasons)))
        if wanted.folders is not None:
            sinks.append(stack.enter_context(label_folders(job, wanted.folders, chosen[0])))
        needs = take_away_needs(rows)
        passes = stack.enter_context(job.step(STEP, None, needs, rows[0].n_rows))
        size = max(own.rows_a_block for own in rows)
        sources = [StoredRows(own, which) for own, which in zip(rows, chosen, strict=True)]
        for span, placed in streamed(passes, STEP, PlaceSpan(sources), rows[0].spans(size)):
            batch = _batch(job, chosen, span, placed, found, reasons)
            for sink in sinks:
                sink(batch)
    for written in filter(None, (wanted.file, wanted.folders)):
        job.events.note(f"{written}: {rows[0].n_rows:,} rows")


def take_away_needs(rows: Sequence[Rows]) -> list[Need]:
    """Memory of blocks, and of the columns of spans that wait to be written."""
    size = max(own.rows_a_block for own in rows)
    block = max(
        own.rows_a_block * own.n_columns * np.dtype(own.array.dtype).itemsize for own in rows
    )
    columns = size * (12 * len(rows) + 16)
    return [Need(STEP, fixed=64 * MIB + size * 200, per_block=2 * block + columns + _WORK)]


class PlaceSpan:
    """Places a span of rows in a clustering of each set, as a task."""

    def __init__(self, sources: Sequence[Callable[[Span], Any]]) -> None:
        self.sources = list(sources)

    def __call__(self, span: Span) -> list[Any]:
        return [source(span) for source in self.sources]


@contextmanager
def _file(
    job: Job,
    outputs: Outputs,
    wanted: TakeAway,
    chosen: Sequence[Chosen],
    reasons: tuple[str, ...],
) -> Iterator[Callable[[Batch], None]]:
    assert wanted.file is not None
    with outputs.elsewhere(wanted.file, STEP, overwrite=wanted.overwrite) as staged:
        if wanted.form is not None:
            with image_labels(job, staged, wanted.form, chosen[0]) as write:
                yield lambda batch: write(batch.start, batch.paths, batch.placed[0])
            return
        columns = columns_of(chosen, reasons)
        with row_file(staged, columns, check_ending(wanted.file)) as write_rows:
            yield lambda batch: write_rows(batch.values())


def _batch(
    job: Job,
    chosen: Sequence[Chosen],
    span: Span,
    placed: list[Placed],
    found: StoredOutliers | None,
    reasons: tuple[str, ...],
) -> Batch:
    part, paths = slice(span.start, span.stop), stored_paths(job.workspace)
    shown = [""] * len(span) if paths is None else paths[part].tolist()
    if found is None:
        flagged, score = np.zeros(len(span), bool), np.full(len(span), np.nan, np.float32)
        reason = np.zeros(len(span), np.int32)
    else:
        flagged, score = found.flagged[part], found.score[part]
        reason = found.kind[part].astype(np.int32)
    marked = marked_rows(chosen, placed)
    reason[marked & ~flagged] = len(reasons) - 1
    return Batch(span.start, shown, placed, flagged | marked, score, reason)
