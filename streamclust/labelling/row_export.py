"""Labels of all rows for other programs: cluster, name, confidence, and outlier score."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamclust.errors import SettingsError
from streamclust.labelling.image_labels import FORMATS, image_labels, label_folders
from streamclust.labelling.row_writers import WRITING_BYTES, check_ending, row_file
from streamclust.labelling.stored_labels import (
    NAMED_OUTLIER,
    Assigned,
    AssignStored,
    NamedClustering,
    OfEachSet,
    RowBatch,
    batch_columns,
    marked_rows,
    named_clusterings,
)
from streamclust.memory import MIB, Need
from streamclust.passes import Rows, Span
from streamclust.steps import Job
from streamclust.store import RowPaths, stored_outliers

STEP = "labels to take away"
# float64 copies of a piece, distances to all means, and the columns of a span.
_WORK = 32 * MIB
# Digests of paths, in order, with the first row and the count of each.
_BYTES_A_STEM = 48


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and where to.

    Parameters
    ----------
    file : Path, optional
        A table by its ending, see `streamclust.labelling.row_writers`; JSON of a `form`.
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


def export_rows(job: Job, wanted: ExportOptions) -> None:
    """Write the rows of the chosen sets as `wanted` says.

    Raises
    ------
    SettingsError
        When a clustering is not there, a file is a person's, or one set must be named.
    MemoryBudgetError
        When a block does not fit the budget.
    """
    clusterings = named_clusterings(job, wanted.clustering)
    if (wanted.form or wanted.folders) and len(clusterings) > 1:
        listed = ", ".join(clustering.set_name for clustering in clusterings)
        raise SettingsError(f"an image has one label there: name the set, --descriptors: {listed}")
    rows = [job.set(clustering.set_name).rows() for clustering in clusterings]
    batches = _Batches(job, clusterings)
    with ExitStack() as stack:
        writers: list[Callable[[RowBatch], None]] = []
        if wanted.file is not None:
            opened = _file(job, wanted, clusterings, batches.reasons)
            writers.append(stack.enter_context(opened))
        if wanted.folders is not None:
            opened = label_folders(job, wanted.folders, clusterings[0])
            writers.append(stack.enter_context(opened))
        needs = export_needs(rows, wanted.form)
        passes = stack.enter_context(job.step(STEP, None, needs, rows[0].n_rows))
        size = max(of_set.rows_a_block for of_set in rows)
        assign = OfEachSet(list(map(AssignStored, rows, clusterings)))
        for span, assigned in passes.stream(STEP, rows[0].spans(size), assign):
            batch = batches.of(span, assigned)
            for write in writers:
                write(batch)
    for written in filter(None, (wanted.file, wanted.folders)):
        job.events.note(f"{written}: {rows[0].n_rows:,} rows")


def export_needs(rows: Sequence[Rows], form: str | None = None) -> list[Need]:
    """Memory of blocks, and of the columns of spans that wait to be written; and of the digests of
    all paths, where images are known by them."""
    size = max(of_set.rows_a_block for of_set in rows)
    block = max(
        of_set.rows_a_block * of_set.n_columns * np.dtype(of_set.array.dtype).itemsize
        for of_set in rows
    )
    columns = size * (12 * len(rows) + 16)
    keys = rows[0].n_rows * _BYTES_A_STEM if form == "fiftyone" else 0
    return [Need(fixed=WRITING_BYTES + size * 200 + keys, per_block=2 * block + columns + _WORK)]


@contextmanager
def _file(
    job: Job,
    wanted: ExportOptions,
    clusterings: Sequence[NamedClustering],
    reasons: tuple[str, ...],
) -> Iterator[Callable[[RowBatch], None]]:
    assert wanted.file is not None
    with job.outputs.elsewhere(wanted.file, STEP, overwrite=wanted.overwrite) as staged:
        if wanted.form is not None:
            with image_labels(job, staged, wanted.form, clusterings[0]) as write:
                yield write
            return
        columns = batch_columns(clusterings, reasons)
        with row_file(staged, columns, check_ending(wanted.file)) as write_rows:
            yield lambda batch: write_rows(batch.values())


class _Batches:
    """Joins what is stored of rows to the clusters that they are in."""

    def __init__(self, job: Job, clusterings: Sequence[NamedClustering]) -> None:
        self.clusterings = clusterings
        self.paths = RowPaths(job.workspace)
        self.outliers = stored_outliers(job.workspace)
        kinds = ("",) if self.outliers is None else self.outliers.kinds
        self.reasons = (*kinds, NAMED_OUTLIER)

    def of(self, span: Span, assigned: list[Assigned]) -> RowBatch:
        """The rows of a span."""
        if self.outliers is None:
            flagged, score = np.zeros(len(span), bool), np.full(len(span), np.nan, np.float32)
            reason = np.zeros(len(span), np.int32)
        else:
            flagged, score = self.outliers.flagged[span.part], self.outliers.score[span.part]
            reason = self.outliers.kind[span.part].astype(np.int32)
        marked = marked_rows(self.clusterings, assigned)
        reason[marked & ~flagged] = len(self.reasons) - 1
        paths = self.paths[span.part]
        return RowBatch(span.start, paths, assigned, flagged | marked, score, reason)
