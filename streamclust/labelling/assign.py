"""New rows, assigned to the stored clusters as they are read: a table of them, and their drift."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from streamclust.errors import SettingsError
from streamclust.labelling.drift import SetDrift, write_drift
from streamclust.labelling.new_rows import (
    SPAN_ROWS,
    AssignNew,
    NewCase,
    SetRows,
    new_row_needs,
    new_rows,
    open_new,
)
from streamclust.labelling.row_assignment import (
    NAMED_OUTLIER,
    NamedClustering,
    OfEachSet,
    RowBatch,
    batch_columns,
    marked_rows,
    named_clusterings,
)
from streamclust.labelling.row_files import Write, check_ending, row_file
from streamclust.outliers.explanation import INVALID, UNUSUAL
from streamclust.outliers.new_rows import Fence, fence, new_row_scorer
from streamclust.passes.blocks import Span, spans_of
from streamclust.sources.case import iter_paths
from streamclust.store.job import Job
from streamclust.store.outliers import stored_outliers
from streamclust.store.outputs import Outputs

STEP = "assign"
DRIFT_FILE = "drift.csv"
REASONS = ("", UNUSUAL, INVALID, NAMED_OUTLIER)


@dataclass(frozen=True)
class AssignOptions:
    """What to assign, and where to.

    Parameters
    ----------
    new : path, or sequence of paths
        A case folder, or descriptor files.
    file : Path
        A table by its ending, see `streamclust.labelling.row_files`.
    clustering : str, optional
        By default the recommended ones.
    outliers : bool
        Score the rows, which takes most of the time.
    overwrite : bool
        Write over files of another origin.
    """

    new: str | Path | Sequence[str | Path]
    file: Path
    clustering: str | None = None
    outliers: bool = True
    overwrite: bool = False


def assign(job: Job, outputs: Outputs, wanted: AssignOptions) -> None:
    """Assign new rows to stored clusters, score them, and tell how they differ from the old ones.

    Raises
    ------
    SourceError
        When the new files cannot be used.
    SettingsError
        When a set or clustering is not there, or a file is a person's.
    MemoryBudgetError
        When a block does not fit the budget.
    """
    ending = check_ending(wanted.file)
    if wanted.file.name == DRIFT_FILE:
        raise SettingsError(f"{wanted.file}: so the table of the drift is called: name another")
    new = open_new(job, wanted.new)
    names = job.settings.descriptors or tuple(new.sources)
    of_new = replace(job, settings=job.settings.having(descriptors=names))
    clusterings = named_clusterings(of_new, wanted.clustering)
    by_set = {clustering.set_name: clustering for clustering in clusterings}
    rows = {name: new_rows(job, new, name) for name in by_set}
    scored, limits = _scored(job, new) if wanted.outliers else ([], None)
    sets = []
    for name in dict.fromkeys([*rows, *scored]):
        of_set = new_row_scorer(job, name) if name in scored else None
        of_rows = rows.get(name) or new_rows(job, new, name)
        sets.append(AssignNew(job, of_rows, name, by_set.get(name), of_set))
    drift_file = wanted.file.parent / DRIFT_FILE
    counts = [SetDrift(by_set[name], job.n_valid(name)) for name in by_set]
    with (
        outputs.elsewhere(wanted.file, STEP, overwrite=wanted.overwrite) as staged,
        outputs.elsewhere(drift_file, STEP, overwrite=wanted.overwrite) as staged_drift,
        row_file(staged, batch_columns(clusterings, REASONS), ending) as write,
        _paths(new) as paths,
        job.step(STEP, None, new_row_needs(STEP, sets), new.n_rows) as passes,
    ):
        table = _Table(clusterings, limits, counts, write)
        spans = spans_of(new.n_rows, SPAN_ROWS)
        for span, of_sets in passes.stream(STEP, spans, OfEachSet(sets)):
            table.add(span, of_sets, list(islice(paths, len(span))))
        write_drift(staged_drift, counts, table.n_flagged, table.n_rows, limits)
    table.tell(job, wanted.file)


def _scored(job: Job, new: NewCase) -> tuple[list[str], Fence | None]:
    """The sets by which new rows are scored, and the fence of the stored ones."""
    outliers = stored_outliers(job.workspace)
    if outliers is None:
        job.events.note("outliers were not looked for: new rows are not scored")
        return [], None
    sets = [name for name in outliers.sets if name in new.sources]
    missing = [name for name in outliers.sets if name not in new.sources]
    if missing and sets:
        job.events.note(f"scored without {', '.join(missing)}, of which there are no new rows")
    return sets, fence(job, sets, outliers.contamination) if sets else None


@contextmanager
def _paths(new: NewCase) -> Iterator[Iterator[str]]:
    """The paths of the new rows; empty ones where there is no list."""
    file = new.case.paths_file
    yield iter_paths(file) if file is not None else ("" for _ in range(new.n_rows))


class _Table:
    """Writes what is told of spans of rows, and counts it."""

    def __init__(
        self,
        clusterings: Sequence[NamedClustering],
        limits: Fence | None,
        counts: Sequence[SetDrift],
        write: Write,
    ) -> None:
        self.clusterings = clusterings
        self.limits = limits
        self.counts = counts
        self.write = write
        self.n_flagged = self.n_rows = self.n_invalid = 0

    def add(self, span: Span, sets: Sequence[SetRows], paths: list[str]) -> None:
        """Take what each set tells of a span, the sets that are assigned first."""
        assigned = [rows.assigned for rows in sets if rows.assigned is not None]
        valid = np.logical_and.reduce([rows.valid for rows in sets])
        score, flagged = np.full(len(span), np.nan, np.float32), ~valid
        scores = [rows.score for rows in sets if rows.score is not None]
        if self.limits is not None:
            score, beyond = self.limits.flagged(scores)
            flagged = flagged | beyond
        self.n_rows += len(span)
        self.n_flagged += int(flagged.sum())
        self.n_invalid += len(span) - int(valid.sum())
        for count, rows in zip(self.counts, sets, strict=False):
            if rows.assigned is not None:
                count.add(rows.assigned.label[rows.valid])
        marked = marked_rows(self.clusterings, assigned)
        reason = np.where(marked, REASONS.index(NAMED_OUTLIER), 0)
        reason[flagged] = REASONS.index(UNUSUAL)
        reason[~valid] = REASONS.index(INVALID)
        self.write(RowBatch(span.start, paths, assigned, flagged | marked, score, reason).values())

    def tell(self, job: Job, file: Path) -> None:
        """Say what came of it, in words."""
        job.events.note(f"{file}: {self.n_rows:,} rows; how they differ: {DRIFT_FILE} beside it")
        if self.n_invalid:
            job.events.warn(f"{self.n_invalid:,} rows hold NaN or infinity: they have label -1")
        for count in self.counts:
            say = job.events.warn if count.drift().is_large else job.events.note
            say(f"{count.about}: {count.drift().in_words()}{count.moved()}")
        if self.limits is not None:
            job.events.note(
                f"outliers: {self.n_flagged / self.n_rows:.2%} of the new rows, "
                f"{self.limits.share:.2%} of the old ones by the same measures"
            )
