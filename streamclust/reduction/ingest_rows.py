"""Descriptors into the store: the pass that writes them also sums moments and covariance."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamclust.errors import SourceError
from streamclust.memory import Budget, Need
from streamclust.passes import Passes, Rows, spans_of
from streamclust.reduction.sums import PCASums, empty_sums, is_sketched, n_vectors, sums_bytes
from streamclust.sources import ArraySource, Cast, fingerprint
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import DescriptorSet
from streamclust.store import fingerprint as digest

BLOCKS_A_TASK = 4
_SHOWN = 10
_CHUNK = 65_536


@dataclass(frozen=True)
class Ingest(SetStep):
    """Convert one descriptor file to Zarr, and sum what PCA needs of it.

    Raises
    ------
    SourceError
        For rows with NaN or infinity, unless they are to be masked, and for a file that is written
        while it is read.
    """

    name = "ingest"
    set_name: str
    source: ArraySource

    def n_rows(self, on: CaseShapes) -> int:
        return len(self.source)

    def needs(self, on: CaseShapes) -> list[Need]:
        """A read block, its copy on the way to disk, and its statistics."""
        rows, settings = Rows(self.source), on.settings
        n_columns, itemsize = rows.n_columns, self.source.dtype.itemsize
        block = rows.rows_a_block * n_columns * itemsize
        sketched = is_sketched(n_columns, Budget(settings.memory_bytes))
        total = 8 * n_columns * (2 * n_vectors(settings, n_columns) if sketched else n_columns)
        sums = sums_bytes(rows, settings, sketched)
        # What comes in its order only is unpacked a piece ahead.
        ahead = self.source.working_bytes + self.source.is_sequential * 2 * block
        return [Need(fixed=total + ahead, per_block=2 * block + sums)]

    def fingerprint(self, job: Job) -> str:
        settings, n_columns = job.settings, self.source.shape[1]
        sketch = None
        if is_sketched(n_columns, job.budget):
            sketch = n_vectors(settings, n_columns), settings.random_state
        return digest(self.name, 1, source_attributes(self.source), settings.compress, sketch)

    def restore(self, job: Job, mark: str) -> bool:
        return job.set(self.set_name).restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        _store(job, passes, self.source, job.set(self.set_name), mark)


def source_attributes(source: ArraySource) -> dict[str, Any]:
    """What identifies an input: its name, layout, and its fingerprint when it was opened."""
    layout: dict[str, Any] = {"shape": list(source.shape), "dtype": str(source.dtype)}
    if isinstance(source, Cast):
        layout["rounded_from"] = str(source.source.dtype)
    known = fingerprint(source.path) if source.state is None else source.state.fingerprint
    return {"name": source.path.name, **layout, **known}


def _store(job: Job, passes: Passes, source: ArraySource, stored: DescriptorSet, mark: str) -> None:
    rows, settings = Rows(source), job.settings
    sums = empty_sums(settings, rows.n_columns)
    if sums.sketched:
        job.events.warn(
            f"{source.path.name}: the covariance of {rows.n_columns} columns does not fit "
            f"--memory {settings.memory}: a randomised sketch stands in for it"
        )
    with stored.writing() as staged:
        chunk = rows.rows_a_block
        raw = staged.create_raw(source.shape, source.dtype, chunk, settings.compress)
        valid = staged.create_valid(rows.n_rows, chunk)
        outputs, empty = (raw, valid), _Ingested(sums)
        passes = passes.over(source)
        seen = passes.write("reading", rows, finite_rows, outputs, empty, BLOCKS_A_TASK)
        source.check_unchanged()
        staged.save_sums(seen.sums.moments.result(), seen.sums.scatter.result())
        staged.save_facts(
            source=source_attributes(source),
            n_rows=rows.n_rows,
            n_columns=rows.n_columns,
            n_invalid=seen.n_invalid,
            sketched=seen.sums.sketched,
        )
        if seen.n_invalid == rows.n_rows:
            raise SourceError(f"{source.path}: every row holds NaN or infinity")
        if seen.n_invalid and settings.invalid == "error":
            raise SourceError(invalid_message(source.path, valid, seen.n_invalid))
        stored.publish(staged, mark)


def finite_rows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if values.dtype.kind != "f":
        return values, np.ones(len(values), bool)
    return values, np.isfinite(values).all(axis=1)


class _Ingested:
    """Sums of the valid rows, and the number of the others."""

    def __init__(self, sums: PCASums) -> None:
        self.sums = sums
        self.n_invalid = 0

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        valid = extras[-1]
        bad = len(valid) - int(np.count_nonzero(valid))
        self.n_invalid += bad
        self.sums.update(values[valid] if bad else values)

    def merge(self, other: Self) -> None:
        self.n_invalid += other.n_invalid
        self.sums.merge(other.sums)

    def result(self) -> Self:
        return self


def check_invalid(job: Job, set_name: str, path: Path) -> None:
    """Hold a stored set to the present policy: it may have been masked in an earlier run.

    Raises
    ------
    SourceError
        For rows with NaN or infinity, unless they are to be masked.
    """
    stored = job.set(set_name)
    n_invalid = stored.n_invalid
    if not n_invalid:
        return
    if job.settings.invalid == "error":
        raise SourceError(invalid_message(path, stored.valid, n_invalid))
    job.events.warn(f"{path.name}: {n_invalid} rows masked, with label -1")


def invalid_message(path: Path, valid: Any, n_invalid: int) -> str:
    """What is said of rows that are not finite, by an array (n_rows,) that is False for them."""
    first: list[int] = []
    spans = spans_of(valid.shape[0], _CHUNK)
    for span, mask in Passes().in_turn.stream("invalid rows", spans, lambda span: valid[span.part]):
        first += (span.start + np.flatnonzero(~mask)).tolist()
        if len(first) >= min(n_invalid, _SHOWN):
            break
    listed = ", ".join(map(str, first[:_SHOWN])) + (", …" if n_invalid > _SHOWN else "")
    return (
        f"{path}: {n_invalid} of {valid.shape[0]} rows hold NaN or infinity (rows {listed}): mend "
        "the file, or pass --invalid mask to set them aside with label -1"
    )
