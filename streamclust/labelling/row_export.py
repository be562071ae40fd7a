"""Labels of all rows for other programs: cluster, name, confidence, and outlier score."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.images import ImageSizes
from streamclust.labelling.audit import accuracy_of_clusters
from streamclust.labelling.exports.base import Export, Exported, Write, export_format
from streamclust.labelling.row_writers import FLOAT, WRITING_BYTES, Column
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
from streamclust.passes import Rows, Span, spans_of
from streamclust.registries import EXPORTS, LAYOUTS
from streamclust.steps import Job
from streamclust.store import RowPaths, StoredLayout, layouts_of, stored_outliers

STEP = "labels to take away"
# float64 copies of a piece, distances to all means, and the columns of a span.
_WORK = 32 * MIB
# Of a span whose images are read.
_IMAGES = 4096


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and where to.

    Parameters
    ----------
    file : Path, optional
        Of a format, or a folder of one.
    form : str, optional
        A name of `streamclust.registries.EXPORTS`; by default that of the file's ending.
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
        if self.form is not None and self.form not in EXPORTS:
            raise SettingsError(f"format={self.form!r}: choose from {', '.join(EXPORTS)}")
        if self.file is None and (self.form or self.folders is None or self.overwrite):
            raise SettingsError("name a file to write --to")
        self.targets()

    def targets(self) -> list[tuple[Path, Export]]:
        """What is written, and in which format.

        Raises
        ------
        SettingsError
            When the ending of the file does not tell the format, or is of another one.
        """
        folders = [] if self.folders is None else [(self.folders, export_format("folders"))]
        if self.file is None:
            return folders
        ending, listed = self.file.suffix.lower(), list(map(export_format, EXPORTS))
        if self.form is not None:
            export = export_format(self.form)
            if export.ending not in ("", ending):
                raise SettingsError(
                    f"{self.file}: files of the format {self.form} end in {export.ending}: name it "
                    "so"
                )
            return [(self.file, export), *folders]
        for export in listed:
            if export.ending == ending != "":
                return [(self.file, export), *folders]
        known = ", ".join(dict.fromkeys(export.ending for export in listed if export.ending))
        raise SettingsError(f"{self.file}: {ending or 'no ending'}: write one of {known}")


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
    targets = wanted.targets()
    exports = [export for _, export in targets]
    if len(clusterings) > 1 and any(export.one_set for export in exports):
        listed = ", ".join(clustering.set_name for clustering in clusterings)
        raise SettingsError(f"an image has one label there: name the set, --descriptors: {listed}")
    rows = [job.set(clustering.set_name).rows() for clustering in clusterings]
    n_rows = rows[0].n_rows
    batches = _Batches(job, clusterings)
    exported = [Exported(job, n_rows, clusterings, batches.columns) for _ in targets]
    sizes = ImageSizes(job) if any(export.sizes for export in exports) else None
    tasks: list[Callable[[Span], Any]] = list(map(AssignStored, rows, clusterings))
    tasks += [] if sizes is None else [sizes]
    needs = export_needs(rows, exports, sizes)
    size = max(of_set.rows_a_block for of_set in rows)
    if sizes is not None and sizes.reads:
        size = min(size, _IMAGES)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(_opened(*target, of_target, wanted.overwrite))
            for target, of_target in zip(targets, exported, strict=True)
        ]
        passes = stack.enter_context(job.step(STEP, None, needs, n_rows))
        for span, told in passes.stream(STEP, spans_of(n_rows, size), OfEachSet(tasks)):
            batch = batches.of(span, told[: len(rows)])
            if sizes is not None:
                batch = replace(batch, sizes=told[-1])
            for write in writers:
                write(batch)
    for (path, _), of_target in zip(targets, exported, strict=True):
        job.events.note(f"{path}: {n_rows - of_target.n_without:,} rows")
        if of_target.n_without:
            job.events.warn(f"{of_target.n_without:,} rows have no image: they are left out")
        if of_target.n_without_size:
            job.events.warn(f"of {of_target.n_without_size:,} images the size is not known")


def export_needs(
    rows: Sequence[Rows], exports: Sequence[Export], sizes: ImageSizes | None = None
) -> list[Need]:
    """Memory of blocks, and of the columns of spans that wait to be written; of what the formats
    hold, and of images whose sizes are read."""
    size = max(of_set.rows_a_block for of_set in rows)
    block = max(
        of_set.rows_a_block * of_set.n_columns * np.dtype(of_set.array.dtype).itemsize
        for of_set in rows
    )
    columns = size * (12 * len(rows) + 16)
    others = [export.need(rows[0].n_rows) for export in exports]
    others += [] if sizes is None else [sizes.need(rows[0].n_rows)]
    fixed = WRITING_BYTES + size * 200 + sum(need.fixed for need in others)
    return [Need(fixed, 2 * block + columns + _WORK + sum(need.per_block for need in others))]


@contextmanager
def _opened(path: Path, export: Export, rows: Exported, overwrite: bool) -> Iterator[Write]:
    """What takes batches; the file or folder takes its name when all are written."""
    outputs = rows.job.outputs
    staging = (
        outputs.elsewhere(path, STEP, overwrite=overwrite)
        if export.ending
        else outputs.new_folder(path)
    )
    with staging as staged, export.open(staged, rows) as write:
        yield write


def _maps(job: Job, clusterings: Sequence[NamedClustering]) -> dict[str, StoredLayout]:
    """The layout on a plane of each set that has some: of the last method in the registry."""
    found = {}
    for clustering in clusterings:
        layouts = layouts_of(job.workspace, clustering.set_name)
        names = [f"{method}-2" for method in LAYOUTS if f"{method}-2" in layouts]
        if names:
            found[clustering.set_name] = layouts[names[-1]]
    return found


class _Batches:
    """Joins what is stored of rows to the clusters that they are in."""

    def __init__(self, job: Job, clusterings: Sequence[NamedClustering]) -> None:
        self.clusterings = clusterings
        self.paths = RowPaths(job.workspace)
        self.outliers = stored_outliers(job.workspace)
        kinds = ("",) if self.outliers is None else self.outliers.kinds
        self.reasons = (*kinds, NAMED_OUTLIER)
        maps = _maps(job, clusterings)
        self.positions = [layout.positions for layout in maps.values()]
        told = enumerate(map(accuracy_of_clusters, clusterings))
        # Rows in no cluster take the last.
        nothing = np.float32(np.nan)
        self.accuracies = {at: np.append(of, nothing) for at, of in told if of is not None}
        several = len(clusterings) > 1
        self.columns = batch_columns(clusterings, self.reasons, list(maps)) + [
            Column(f"accuracy_{clusterings[at].set_name}" if several else "accuracy", FLOAT)
            for at in self.accuracies
        ]

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
        axes = [axis for positions in self.positions for axis in positions[span.part].T]
        axes += [accuracy[assigned[at].label] for at, accuracy in self.accuracies.items()]
        return RowBatch(span.start, paths, assigned, flagged | marked, score, reason, axes)
