"""An audit of labels: a random sample to look at, and how right the labels are by the answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SettingsError, SourceError
from streamclust.labelling.judged_answers import Judged
from streamclust.labelling.names import cluster_names
from streamclust.labelling.names_table import clean_name
from streamclust.labelling.row_writers import WRITING_BYTES
from streamclust.labelling.stored_labels import AssignStored, NamedClustering, named_clusterings
from streamclust.labelling.stratified_accuracy import WANTED, Accuracy, allocate
from streamclust.memory import MIB, Need
from streamclust.passes import Passes, Rows, Span, spans_of
from streamclust.passes.accumulators import LeastOfEach, priorities
from streamclust.sources import csv_lines, plain_cell
from streamclust.steps import Job
from streamclust.store import (
    Audit,
    StoredClustering,
    load_audit,
    number_cell,
    paths_of,
    save_audit,
    write_table,
)

STEP = "audit"
ACCURACY_FILE = "accuracy.csv"
SAMPLE = ("row", "path", "set", "clustering", "cluster", "name", "answer", "mark")
ACCURACY = (
    *("set", "clustering", "of", "cluster", "name"),
    *("rows", "asked", "right", "accuracy", "low", "high", "more", "answers"),
)
_WORK = 32 * MIB


def draw_audit(job: Job, file: Path, n_rows: int, which: str | int | None, overwrite: bool) -> None:
    """Write a table of rows to look at: a simple random sample of each cluster with a name.

    What was drawn and answered before stays; of a larger `n_rows` further rows follow.

    Raises
    ------
    SettingsError
        When no cluster has a name, several sets have, or the file is there and is a person's.
    """
    clustering = _named(job, which)
    stored, naming = clustering.stored, clustering.naming
    before = load_audit(stored)
    if before is not None and before.clustering != stored.fingerprint:
        job.events.warn(f"{_about(stored)}: its labels have changed since they were audited: anew")
        before = None
    seed = job.settings.random_state if before is None else before.seed
    rows = job.set(stored.set_name).rows()
    is_named = np.array([bool(name) for name in naming.names])
    n_unnamed = int(stored.sizes[...][~is_named].sum())
    if n_unnamed:
        job.events.note(f"{n_unnamed:,} rows are in clusters without a name: not asked about")
    block = rows.rows_a_block * rows.n_columns * np.dtype(rows.array.dtype).itemsize
    needs = [Need(WRITING_BYTES + 40 * n_rows * len(is_named), 3 * block + _WORK)]
    with (
        job.outputs.elsewhere(file, STEP, overwrite=overwrite) as staged,
        job.step(STEP, stored.set_name, needs, rows.n_rows) as passes,
    ):
        sizes = np.where(is_named, stored.sizes[...], 0).astype(np.int64)
        asked = _drawn(passes, rows, clustering, sizes, n_rows, seed)
        if before is not None:
            asked = _union(asked, before)
        labels, numbers = asked
        names = tuple(naming.names[label] for label in labels)
        none = ("",) * len(names)
        audit = Audit(str(stored.fingerprint), seed, sizes, numbers, labels, names, none)
        if before is not None:
            audit = audit.answered(dict(zip(before.rows.tolist(), before.answers, strict=True)))
        write_table(staged, SAMPLE, _sample_lines(job, stored, audit))
        save_audit(stored, audit)
    job.events.note(
        f"{file}: {len(numbers):,} rows to look at: in the column answer 1 for a right name, "
        f"else the right one; then streamclust audit {job.workspace.folder} --answers {file}"
    )


def read_audit(job: Job, file: Path, which: str | int | None = None) -> None:
    """Take the answers of a table, and tell how right the labels are.

    A table that tells no clustering is of `which`, the recommended one by default.

    Raises
    ------
    SourceError
        When the table cannot be read, or a line of it is not understood.
    SettingsError
        When the rows were not drawn, the labels have changed since, or a row has two answers:
        nothing is stored then.
    """
    lines = _answer_lines(file)
    stored = _audited(job, file, lines, which)
    audit = load_audit(stored)
    if audit is None:
        raise SettingsError(
            f"{file}: no rows of {_about(stored)} were drawn: streamclust audit "
            f"{job.workspace.folder} --to FILE draws them"
        )
    marks = {line["mark"] for line in lines if line.get("mark")} or {audit.clustering}
    if marks != {audit.clustering} or audit.clustering != stored.fingerprint:
        raise SettingsError(
            f"{file}: the labels of {_about(stored)} have changed since these rows were drawn: "
            f"streamclust audit {job.workspace.folder} --to FILE draws anew; answers stay in {file}"
        )
    answers = _answers(file, lines, job.set(stored.set_name).rows().n_rows)
    foreign = sorted(set(answers) - set(audit.rows.tolist()))
    if foreign:
        job.events.warn(
            f"{len(foreign)} answers are of rows that were not drawn (row {foreign[0]}): they do "
            "not count, for whoever chose them did not choose by chance"
        )
    with job.step(STEP, stored.set_name, [Need(WRITING_BYTES, 0)], len(audit.rows)):
        audit = audit.answered(answers)
        save_audit(stored, audit)
        tell_accuracy(job, stored, audit)


def tell_accuracy(job: Job, stored: StoredClustering, audit: Audit) -> None:
    """Write accuracy.csv, and say what is in it."""
    judged = Judged(audit, cluster_names(stored).names)
    about = {"set": stored.set_name, "clustering": stored.name}
    lines = ({**about, **{k: _written(v) for k, v in line.items()}} for line in judged.lines())
    job.outputs.table(ACCURACY_FILE, ACCURACY, lines)
    whole = judged.accuracy(np.ones(len(audit.sizes), bool))
    if not whole.asked:
        job.events.note(f"{_about(stored)}: no answer yet")
        return
    words = f"{_about(stored)}: {whole.estimate:.1%} of {whole.rows:,} named rows are right"
    words += f", 95 % interval {whole.low:.1%} to {whole.high:.1%}, by {whole.asked:,} answers"
    if whole.more:
        words += f"; about {whole.more:,} more would make it ±{WANTED:.0%}"
    job.events.note(f"{words}: {ACCURACY_FILE}")
    n_open = len(audit.rows) - judged.n_known
    if n_open:
        job.events.note(f"{n_open:,} of the rows that were drawn have no answer of these names yet")
    for hint in judged.hints():
        job.events.note(hint)


def audited_accuracy(stored: StoredClustering) -> Accuracy | None:
    """How right the names of a clustering are; None where its labels were not audited."""
    judged = _judged_now(stored, cluster_names(stored).names)
    return None if judged is None else judged.accuracy(np.ones(len(judged.names), bool))


def accuracy_of_clusters(clustering: NamedClustering) -> np.ndarray | None:
    """The accuracy of each cluster's name, (n_clusters,), NaN where it is not known; None where the
    labels that stand were not audited."""
    names = clustering.naming.names
    judged = _judged_now(clustering.stored, names)
    if judged is None:
        return None
    by_name = {
        name: judged.accuracy(np.array([one == name for one in names])).estimate
        for name in clustering.naming.distinct
    }
    return np.array([by_name.get(name, np.nan) for name in names], np.float32)


def _judged_now(stored: StoredClustering, names: tuple[str, ...]) -> Judged | None:
    audit = load_audit(stored)
    is_current = audit is not None and audit.clustering == stored.fingerprint
    judged = Judged(audit, names) if audit is not None and is_current else None
    return judged if judged is not None and judged.n_known else None


def _named(job: Job, which: str | int | None) -> NamedClustering:
    """The one clustering of the chosen sets that has names."""
    named = [one for one in named_clusterings(job, which) if any(one.naming.names)]
    if not named:
        raise SettingsError(
            "no cluster has a name: streamclust label "
            f"{job.workspace.folder} --template names.csv writes a table to name them in"
        )
    if len(named) > 1:
        listed = ", ".join(one.set_name for one in named)
        raise SettingsError(f"several sets have names: one at a time, --descriptors of {listed}")
    return named[0]


class _Candidates:
    """Of each cluster the rows of least random priority, and how unsure its rows are."""

    def __init__(self, n_clusters: int, most: int, seed: int) -> None:
        self.least = LeastOfEach(most)
        self.seed = seed
        self.unsure = np.zeros(n_clusters)

    def see(self, span: Span, labels: np.ndarray, sure: np.ndarray) -> None:
        inside = np.flatnonzero(labels >= 0)
        labels, rows = labels[inside].astype(np.int64), span.start + inside
        self.unsure += np.bincount(labels, 1 - sure[inside], len(self.unsure))
        self.least.add(labels, priorities(rows, self.seed), rows)

    def take(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels and numbers of so many rows of each cluster."""
        labels, rows = self.least.labels, self.least.rows
        ranks = np.arange(len(labels)) - np.searchsorted(labels, labels)
        kept = ranks < counts[labels]
        return labels[kept], rows[kept]


def _drawn(
    passes: Passes,
    rows: Rows,
    clustering: NamedClustering,
    sizes: np.ndarray,
    n_rows: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and numbers of the rows to ask about: more where clusters are large or unsure."""
    found = _Candidates(len(sizes), n_rows, seed)
    spans = spans_of(rows.n_rows, rows.rows_a_block)
    for span, assigned in passes.stream(STEP, spans, AssignStored(rows, clustering)):
        found.see(span, assigned.label, assigned.confidence)
    spreads = np.sqrt(np.maximum(found.unsure, 0) / np.maximum(clustering.stored.sizes[...], 1))
    return found.take(allocate(sizes, spreads, n_rows))


def _union(asked: tuple[np.ndarray, np.ndarray], before: Audit) -> tuple[np.ndarray, np.ndarray]:
    """With the rows that were drawn before: the first ones of the same order by chance."""
    numbers, at = np.unique(np.concatenate([asked[1], before.rows]), return_index=True)
    return np.concatenate([asked[0], before.labels])[at], numbers


def _sample_lines(job: Job, stored: StoredClustering, audit: Audit) -> Iterator[dict[str, Any]]:
    paths = paths_of(job.workspace, audit.rows)
    columns = audit.rows.tolist(), paths, audit.labels.tolist(), audit.names, audit.answers
    # By name, so that one looks for what does not belong; then by chance, so that whoever stops
    # half way has answered for rows that chance chose.
    keys = priorities(audit.rows, audit.seed).tolist()
    asked = sorted(zip(*columns, keys, strict=True), key=lambda one: (one[3], one[-1]))
    for row, path, label, name, answer, _ in asked:
        yield {
            "row": row,
            "path": path,
            "set": stored.set_name,
            "clustering": stored.name,
            "cluster": label,
            "name": name,
            "answer": answer,
            "mark": audit.clustering,
        }


def _answer_lines(file: Path) -> list[dict[str, str]]:
    lines = csv_lines(file, ",;\t")
    header = [name.strip().lower() for name in next(lines, [])]
    missing = [name for name in ("row", "answer") if name not in header]
    if missing:
        raise SourceError(
            f"{file}: has no column {' and no column '.join(missing)}: it takes what "
            "streamclust audit OUT --to FILE writes"
        )
    return [
        {"line": str(number), **dict(zip(header, map(_cell, line), strict=False))}
        for number, line in enumerate(lines, 2)
        if any(field.strip() for field in line)
    ]


def _cell(field: str) -> str:
    return plain_cell(field.strip())


def _audited(
    job: Job, file: Path, lines: list[dict[str, str]], which: str | int | None
) -> StoredClustering:
    """The clustering that the lines tell of; the named one where they tell none."""
    told = {(line.get("set", ""), line.get("clustering", "")) for line in lines}
    if len(told) > 1:
        raise SettingsError(f"{file}: answers of several clusterings: a table for each")
    set_name, name = next(iter(told), ("", ""))
    if not (set_name and name):
        return _named(job, which).stored
    workspace = job.workspace
    if set_name not in workspace.descriptors or name not in workspace.clusterings(set_name):
        raise SettingsError(f"{file}: there is no clustering {name} of {set_name} any more")
    return StoredClustering(workspace, set_name, name)


def _answers(file: Path, lines: list[dict[str, str]], n_rows: int) -> Mapping[int, str]:
    answers: dict[int, tuple[str, str]] = {}
    for line in lines:
        row, answer = line["row"], clean_name(line.get("answer", ""))
        if not row.isdecimal() or int(row) >= n_rows:
            raise SourceError(f"{file}: line {line['line']}: there is no row {row!r}")
        if not answer:
            continue
        number, before = answers.setdefault(int(row), (line["line"], answer))
        if before.casefold() != answer.casefold():
            raise SettingsError(
                f"{file}: lines {number} and {line['line']} answer for row {row} in two ways, "
                f"{before!r} and {answer!r}: leave one"
            )
    return {row: answer for row, (_, answer) in answers.items()}


def _written(value: Any) -> Any:
    return number_cell(value) if isinstance(value, float) else value


def _about(stored: StoredClustering) -> str:
    return f"{stored.set_name} {stored.name}"
