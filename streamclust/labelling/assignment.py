"""Rows that come later, read from their files, held against the stored sets and assigned to their
clusters: a table of them, and their drift."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamclust.clustering import load_algorithm
from streamclust.errors import SettingsError, SourceError
from streamclust.labelling.drift import SetDrift, write_drift
from streamclust.labelling.row_writers import WRITING_BYTES, Write, check_ending, row_file
from streamclust.labelling.stored_labels import (
    NAMED_OUTLIER,
    Assigned,
    NamedClustering,
    OfEachSet,
    RowBatch,
    batch_columns,
    marked_rows,
    named_clusterings,
)
from streamclust.memory import MIB, Need
from streamclust.outliers import INVALID, UNUSUAL, Fence, NewRowScorer, fence, new_row_scorer
from streamclust.outliers.measures import ReferenceDistances
from streamclust.passes import Rows, Shape, Span, spans_of
from streamclust.passes.accumulators import compute_dtype
from streamclust.reduction import projection_of
from streamclust.sources import (
    ArraySource,
    CaseFolder,
    CaseInputs,
    CaseLike,
    find_case,
    iter_paths,
    open_sets,
    rounded,
)
from streamclust.steps import Job
from streamclust.store import DESCRIPTORS, DescriptorSet, descriptor_sets, stored_outliers

STEP = "assign"
DRIFT_FILE = "drift.csv"
REASONS = ("", UNUSUAL, INVALID, NAMED_OUTLIER)
# Rows that are read, assigned and written together: the same for all sets.
SPAN_ROWS = 16_384
# float64 copies of a piece, and distances to all means.
_WORK = 16 * MIB


@dataclass(frozen=True, eq=False)
class NewCase:
    """Descriptors that come later.

    Attributes
    ----------
    case : Case
    sources : dict of str to ArraySource
        Those of sets that are stored, by name.
    n_rows : int
    """

    case: CaseFolder
    sources: dict[str, ArraySource]
    n_rows: int

    def check_unchanged(self) -> None:
        """Refuse what was read of files that are not as they were when they were opened.

        Raises
        ------
        SourceError
            For them.
        """
        for source in self.sources.values():
            source.check_unchanged()
        self.case.check_paths_unchanged()


class SetRows(NamedTuple):
    """What is told of a span of new rows of a set.

    Attributes
    ----------
    assigned : Assigned or None
        None for a set that is only scored.
    score : ndarray of float32 or None
        None for a set that is not scored.
    valid : ndarray of bool
        False for rows that hold NaN or infinity.
    """

    assigned: Assigned | None
    score: np.ndarray | None
    valid: np.ndarray


def open_new(job: Job, given: CaseLike | CaseInputs) -> NewCase:
    """Open a case folder or descriptor files, and hold them against the stored sets.

    Raises
    ------
    SourceError
        When none of them is of a stored set, one has another width or type than the set, or they
        are of different numbers of rows.
    """
    case = find_case(given)
    folder = job.workspace.folder
    stored = {one.name: one for one in descriptor_sets(job.workspace) if not one.is_mixed}
    known = {name: path for name, path in case.descriptors.items() if name in stored}
    if not known:
        raise SourceError(
            f"{', '.join(case.descriptors)}: no set of {folder}, "
            f"which has {', '.join(stored)}: files are called as their sets"
        )
    left_out = [name for name in case.descriptors if name not in known]
    if left_out:
        job.events.note(f"{', '.join(left_out)}: no such sets in {folder}: left out")
    case, sources, n_rows = open_sets(case, list(known))
    for words in case.notes:
        job.events.note(words)
    return NewCase(case, {n: _like(stored[n], one) for n, one in sources.items()}, n_rows)


def _like(stored: DescriptorSet, source: ArraySource) -> ArraySource:
    """Rows as those of a set, rounded where these were when they were stored.

    Raises
    ------
    SourceError
        When they are of another width or type.
    """
    name, folder = stored.name, stored.workspace.folder
    n_columns, dtype = stored.n_columns, stored.raw_dtype
    if source.shape[1] != n_columns:
        raise SourceError(
            f"{source.path}: has {source.shape[1]} columns, and {name} in {folder} has "
            f"{n_columns}: use descriptors of the same extractor"
        )
    if stored.source.get("rounded_from") == str(source.dtype):
        source = rounded(source, dtype)
    if source.dtype != dtype:
        raise SourceError(
            f"{source.path}: holds {source.dtype}, and {name} in {folder} {dtype}: "
            f"if they are the same values, convert with array.astype('{dtype}')"
        )
    return source


def new_rows(job: Job, new: NewCase, set_name: str) -> Rows:
    """The new rows of a stored set; those of a mixed one are put together as they are read.

    Raises
    ------
    SettingsError
        When files of the set, or of one that it mixes, are missing, or it mixes labels.
    """
    stored = job.set(set_name)
    mixture = stored.mixture
    sets = [set_name] if mixture is None else list(mixture["sets"])
    missing = [name for name in sets if name not in new.sources]
    if missing:
        raise SettingsError(
            f"{set_name} takes files of {', '.join(missing)}, which {new.case.root} does not have"
        )
    if mixture is None:
        return Rows(new.sources[set_name])
    if mixture["of"] != DESCRIPTORS:
        raise SettingsError(
            f"{set_name} mixes labels, not descriptors: new rows are assigned to the sets "
            f"{', '.join(sets)}, one by one"
        )
    return Rows(stored.joined({name: _OneChunk(new.sources[name]) for name in sets}))


class _OneChunk:
    """A source as `Joined` reads it: an array of one chunk."""

    def __init__(self, source: ArraySource) -> None:
        self.source = source
        self.shape = source.shape
        self.dtype = source.dtype
        self.chunks = source.shape

    def __getitem__(self, part: slice) -> np.ndarray:
        return self.source[part]


class AssignNew:
    """Assigns and scores new rows of a set, a span at a time; can be pickled.

    Parameters
    ----------
    job : Job
    rows : Rows
        As `new_rows` gives them.
    set_name : str
    clustering : NamedClustering, optional
        To assign them to.
    scorer : NewRowScorer, optional
        What scores them.
    """

    def __init__(
        self,
        job: Job,
        rows: Rows,
        set_name: str,
        clustering: NamedClustering | None,
        scorer: NewRowScorer | None,
    ) -> None:
        self.rows = rows.having(rows_a_block=min(rows.rows_a_block, SPAN_ROWS))
        self.scorer = scorer
        self.is_assigned = clustering is not None
        self.labelling = Need()
        if clustering is not None:
            stored = job.set(set_name)
            self.projection = projection_of(stored.components)
            algorithm = load_algorithm(clustering.stored.algorithm)
            self.labeller = algorithm.labeller([clustering.fitted()])
            self.confidence = clustering.confidence()
            shape = Shape((SPAN_ROWS, stored.reduced.shape[1]), stored.reduced.dtype)
            settings = job.settings.having(**clustering.stored.settings)
            span = Rows(shape, rows_a_block=SPAN_ROWS)
            # Labelling is the last of an algorithm's stages.
            self.labelling = algorithm.needs(span, [clustering.n_clusters], settings)[-1]

    def __call__(self, span: Span) -> SetRows:
        assigned = Assigned.to_none(len(span)) if self.is_assigned else None
        score = None if self.scorer is None else np.full(len(span), np.nan, np.float32)
        valid = np.ones(len(span), bool)
        # Rows that are not finite stay so whatever is made of them, and are told by that.
        with np.errstate(invalid="ignore", over="ignore"):
            for block in self.rows.blocks(span):
                part = slice(block.span.start - span.start, block.span.stop - span.start)
                if assigned is not None:
                    valid[part] = self._assign(block.values, assigned.part(part))
                if score is not None and self.scorer is not None:
                    score[part] = self.scorer(block.values)
                    valid[part] &= ~np.isnan(score[part])
        return SetRows(assigned, score, valid)

    def _assign(self, values: np.ndarray, out: Assigned) -> np.ndarray:
        reduced = self.projection(values)
        valid = np.isfinite(reduced).all(axis=1)
        known = reduced if valid.all() else reduced[valid]
        if len(known):
            labels = self.labeller(known)[:, 0]
            out.fill(valid, labels, *self.confidence(known, labels))
        return valid


def new_row_needs(sets: Sequence[AssignNew]) -> list[Need]:
    """Memory of a block of the widest set with what becomes of it, and of the columns that wait
    to be written: none of it depends on the number of rows."""
    fixed = WRITING_BYTES + sum(one.labelling.fixed + 16 * one.rows.n_columns * 256 for one in sets)
    block = max(map(_block_bytes, sets)) + _WORK
    columns = SPAN_ROWS * 40 * len(sets)
    return [Need(fixed, block + columns)]


def _block_bytes(of_set: AssignNew) -> int:
    rows = of_set.rows
    item = compute_dtype(rows.array.dtype).itemsize
    work = of_set.labelling.per_block
    if of_set.scorer is not None:
        n_columns = of_set.scorer.projection.matrix.shape[1]
        work = max(work, ReferenceDistances.nbytes(n_columns, item))
    return 3 * rows.rows_a_block * rows.n_columns * item + work


@dataclass(frozen=True)
class AssignOptions:
    """What to assign, and where to.

    Parameters
    ----------
    new : path, or sequence of paths
        A case folder, or descriptor files.
    file : Path
        A table by its ending, see `streamclust.labelling.row_writers`.
    clustering : str, optional
        By default the recommended ones.
    outliers : bool
        Score the rows, which takes most of the time.
    overwrite : bool
        Write over files of another origin.
    """

    new: CaseLike | CaseInputs
    file: Path
    clustering: str | None = None
    outliers: bool = True
    overwrite: bool = False


def assign(job: Job, wanted: AssignOptions) -> None:
    """Assign new rows to stored clusters, score them, and tell how they differ from the old ones.

    Raises
    ------
    SourceError
        When the new files cannot be used, or are written while they are read.
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
        job.outputs.elsewhere(wanted.file, STEP, overwrite=wanted.overwrite) as staged,
        job.outputs.elsewhere(drift_file, STEP, overwrite=wanted.overwrite) as staged_drift,
        row_file(staged, batch_columns(clusterings, REASONS), ending) as write,
        _paths(new) as paths,
        job.step(STEP, None, new_row_needs(sets), new.n_rows) as passes,
    ):
        table = _Table(clusterings, limits, counts, write)
        spans, passes = spans_of(new.n_rows, SPAN_ROWS), passes.over(*new.sources.values())
        for span, of_sets in passes.stream(STEP, spans, OfEachSet(sets)):
            listed = list(islice(paths, len(span)))
            if len(listed) < len(span):
                new.check_unchanged()
            table.add(span, of_sets, listed)
        # Before the files are put in their places.
        new.check_unchanged()
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
