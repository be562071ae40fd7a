"""Rows added to a stored set: its sums, projection and clusterings go on where they ended."""

import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from streamclust.clustering import (
    Algorithm,
    Continuing,
    LabelsOf,
    label_rows,
    largest_move,
    load_algorithm,
    moved_centers,
    staged_fit,
    sweep_mark,
)
from streamclust.errors import SettingsError, SourceError
from streamclust.labelling.stored_labels import fitted_clustering
from streamclust.memory import MIB, Need
from streamclust.metrics import adjusted_rand
from streamclust.passes import Columns, Part, Passes, Rows, Shape, Stacked
from streamclust.passes.accumulators import ClusterSums, Contingency, Covariance, compute_dtype
from streamclust.reduction import (
    BLOCKS_A_TASK,
    PCASums,
    Project,
    components_of,
    empty_like,
    finite_rows,
    invalid_message,
    projection_of,
    reduced_chunk,
    source_attributes,
    sums_bytes,
    variance_kept,
)
from streamclust.settings import Settings
from streamclust.sources import ArraySource
from streamclust.steps import Job
from streamclust.store import (
    AddedRows,
    DescriptorSet,
    LabelChanges,
    StagedClustering,
    StagedSet,
    StoredClustering,
    extended_clustering,
    find_clustering,
    fingerprint,
)

ADD_ROWS, LEARN_STEP = "add rows", "continue clusters"
# Of the variance of all rows, held by the stored components less than by new ones: from so many
# on it is worth a run on all rows from scratch.
CLEARLY_LESS = 0.02


def add_rows(job: Job, made: StagedSet, old: DescriptorSet, source: ArraySource) -> None:
    """Write a stored set with further rows; its projection stays.

    Parameters
    ----------
    job : Job
    made : StagedSet
        Empty.
    old : DescriptorSet
    source : ArraySource
        Of the set's width and type.

    Raises
    ------
    SourceError
        For rows with NaN or infinity, unless they are to be masked, and for a file that is written
        while it is read.
    MemoryBudgetError
        When it does not fit the budget.
    """
    needs = add_needs(old, source, job.settings)
    with job.step(ADD_ROWS, old.name, needs, len(source)) as passes:
        _add_raw(passes.over(source), made, old, source)
        source.check_unchanged()
        n_invalid = _add_sums(passes, made, old)
        _check_invalid(job, made, old, source, n_invalid)
        _add_reduced(passes, made, old)
        _tell_variance(job, old.name, made)
    recommended = find_clustering(job.workspace, old.name)
    name = None if recommended is None else recommended.name
    added = AddedRows(source_attributes(source), old.n_rows, n_invalid, name)
    made.save_facts(
        source=old.source,
        n_rows=old.n_rows + len(source),
        n_columns=old.n_columns,
        n_invalid=old.n_invalid + n_invalid,
        sketched=old.is_sketched,
        added=[*old.added, added],
    )


def add_needs(old: DescriptorSet, source: ArraySource, settings: Settings) -> list[Need]:
    """Memory of a block as it is read and written, of its statistics beside the stored ones, and
    of the decomposition that tells what the components hold."""
    rows = _all_rows(old, source)
    n_columns, itemsize = rows.n_columns, source.dtype.itemsize
    block = rows.rows_a_block * n_columns * itemsize
    total, most = old.scatter_bytes, old.reduced.shape[1]
    out = reduced_chunk(rows, most) * most * compute_dtype(source.dtype).itemsize
    sums = sums_bytes(rows, settings, old.is_sketched)
    return [
        Need(fixed=2 * total, per_block=3 * block + sums),
        Need(fixed=4 * 8 * n_columns * most, per_block=2 * block + 4 * out + 8 * MIB),
        Need(fixed=3 * total + 4 * 8 * n_columns * most),
    ]


def _all_rows(old: DescriptorSet, source: ArraySource) -> Rows:
    return Rows(Shape((old.n_rows + len(source), source.shape[1]), source.dtype))


def _add_raw(passes: Passes, made: StagedSet, old: DescriptorSet, source: ArraySource) -> None:
    rows = _all_rows(old, source)
    chunk = rows.rows_a_block
    raw, first = made.extend("raw", old, rows.n_rows, chunk)
    valid, _ = made.extend("valid", old, rows.n_rows, chunk)
    joined = Rows(Stacked([Part(old.raw, first, old.n_rows), source]), rows_a_block=chunk)
    outputs = Part(raw, first), Part(valid, first)
    passes.write("reading new rows", joined, finite_rows, outputs, blocks_a_task=BLOCKS_A_TASK)


def _add_sums(passes: Passes, made: StagedSet, old: DescriptorSet) -> int:
    """Sums of all rows, of which the new ones alone are read; how many of these are invalid."""
    total = PCASums.going_on(old.column_moments, old.scatter)
    new = made.rows_from("raw", old.n_rows)
    seen = passes.reduce("summing new rows", new, empty_like(total), BLOCKS_A_TASK)
    total.merge(seen)
    made.save_sums(total.moments.result(), total.scatter.result())
    return new.n_rows - seen.moments.count


def _check_invalid(
    job: Job, made: StagedSet, old: DescriptorSet, source: ArraySource, n_invalid: int
) -> None:
    if not n_invalid:
        return
    if n_invalid == len(source):
        raise SourceError(f"{source.path}: every row holds NaN or infinity")
    if job.settings.invalid == "error":
        valid = made.rows_from("raw", old.n_rows).valid
        raise SourceError(invalid_message(source.path, valid, n_invalid))
    job.events.warn(f"{source.path.name}: {n_invalid} rows masked, with label -1")


def _add_reduced(passes: Passes, made: StagedSet, old: DescriptorSet) -> None:
    before, n_old = old.reduced, old.n_rows
    raw = Rows(made.raw, rows_a_block=made.raw.chunks[0])
    chunk = reduced_chunk(raw, before.shape[1])
    reduced, first = made.extend("reduced", old, raw.n_rows, chunk)
    projection = Project(projection_of(old.components))
    with np.errstate(invalid="ignore", over="ignore"):
        rows = made.rows_from("raw", first)
        passes.write("projecting new rows", rows, projection, (Part(reduced, first),))
    # To the last bit as they were, in blocks of whatever size.
    reduced[first:n_old] = before[first:n_old]
    seen = passes.reduce("summing reduced rows", made.rows_from("reduced", n_old), Covariance())
    made.take_components(old)
    total = Covariance.going_on(old.reduced_scatter)
    total.merge(seen)
    made.save_reduced_scatter(total.result())


def _tell_variance(job: Job, set_name: str, made: StagedSet) -> None:
    """Say how much of the variance of all rows the stored components hold."""
    principal = components_of(made.components)
    if principal.scaling == "l2":
        return  # the sums are of the rows as they are, not of unit length
    axes, scale = principal.components, principal.scale
    kept, best = variance_kept(made.scatter, made.column_moments, axes, scale)
    made.note_variance_kept(kept, best)
    words = (
        f"{set_name}: its {principal.n_components} components hold {kept:.1%} of the variance of "
        f"all rows, new ones would hold {best:.1%}"
    )
    if best - kept >= CLEARLY_LESS:
        job.events.warn(f"{words}: a run on all rows from scratch would see more")
    else:
        job.events.note(words)


def check_clusterings(old: DescriptorSet) -> None:
    """Refuse a set that has no clusterings which could go on.

    Raises
    ------
    SettingsError
        For it.
    """
    if not old.clusterings:
        raise SettingsError(
            f"{old.name} has no clusterings that could go on: run streamclust cluster first, or "
            "leave its new rows to a run on all of them"
        )
    incomplete = [clustering.name for clustering in old.clusterings if clustering.is_incomplete]
    if incomplete:
        raise SettingsError(
            f"{old.name}: {', '.join(incomplete[:3])} {'…' * (len(incomplete) > 3)} were made by "
            "an older streamclust: run streamclust cluster again"
        )


def continue_clusterings(job: Job, made: StagedSet, old: DescriptorSet, reduced: str) -> None:
    """Write the clusterings of a set beside its rows, to which some were added: algorithms that
    can learn from these, others label them.

    Parameters
    ----------
    job : Job
    made : StagedSet
        As `add_rows` leaves it.
    old : DescriptorSet
    reduced : str
        The fingerprint that the reduced rows will have.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    made.create_clusterings()
    marks = str(old.reduced_fingerprint), reduced
    for name, clusterings in _sweeps(old):
        algorithm = load_algorithm(name)
        needs = _continue_needs(job, made.reduced, name, clusterings)
        with job.step(LEARN_STEP, old.name, needs, made.reduced.shape[0], name) as passes:
            started = time.perf_counter()
            if isinstance(algorithm, Continuing):
                staged = _learn(job, passes, made, algorithm, clusterings)
            else:
                staged = _label_new(passes, made, algorithm, clusterings)
            cost = {"seconds": time.perf_counter() - started, "peak": job.executor.peak()}
            for before, after in zip(clusterings, staged, strict=True):
                after.save_marks(*_marks(name, algorithm, before, marks), cost)


def continues(name: str) -> bool:
    """Whether clusterings by this algorithm learn from rows that are added."""
    return isinstance(load_algorithm(name), Continuing)


def continue_needs(job: Job, old: DescriptorSet, reduced: Any) -> dict[str, list[Need]]:
    """Memory of going on with all clusterings of a set of these reduced rows, by step."""
    needs: dict[str, list[Need]] = {}
    for name, clusterings in _sweeps(old):
        title = f"{LEARN_STEP} of {old.name} by {name}"
        needs.setdefault(title, []).extend(_continue_needs(job, reduced, name, clusterings))
    return needs


def _continue_needs(
    job: Job, reduced: Any, name: str, clusterings: list[StoredClustering]
) -> list[Need]:
    """Memory of learning and labelling by an algorithm, and of all labels before and after."""
    algorithm = load_algorithm(name)
    ks = [clustering.n_clusters for clustering in clusterings]
    settings = job.settings.having(**clusterings[0].settings)
    rows = Rows(reduced)
    # Labelling is the last of an algorithm's stages.
    needs = [algorithm.needs(rows, ks or [2], settings)[-1]]
    if isinstance(algorithm, Continuing):
        needs += algorithm.partial_fit_needs(rows, ks, settings)
        columns = Rows(Columns([clustering.labels for clustering in clusterings] * 2))
        tables = Contingency.nbytes(ks, [(i, i) for i in range(len(ks))])
        block = columns.rows_a_block * 4 * columns.n_columns
        needs.append(Need(fixed=2 * tables, per_block=3 * block + 2 * tables))
    return needs


def _sweeps(old: DescriptorSet) -> Iterator[tuple[str, list[StoredClustering]]]:
    """Algorithms, each with its stored clusterings that were made with the same settings."""

    def sweep(clustering: StoredClustering) -> tuple[str, str]:
        return clustering.algorithm, clustering.sweep

    for (algorithm, _), clusterings in groupby(sorted(old.clusterings, key=sweep), sweep):
        yield algorithm, list(clusterings)


def _marks(
    name: str, algorithm: Algorithm, before: StoredClustering, marks: tuple[str, str]
) -> tuple[str, str]:
    """The fingerprints that the sweep and the clustering would have, made of all rows."""
    then, now = (sweep_mark(reduced, name, algorithm, before.settings) for reduced in marks)
    # What an older version found is no result of the present one.
    sweep = now if then == before.sweep else fingerprint(LEARN_STEP, before.sweep)
    return sweep, fingerprint(sweep, before.n_clusters if algorithm.takes_k else None)


def _learn(
    job: Job,
    passes: Passes,
    made: StagedSet,
    algorithm: Algorithm,
    clusterings: list[StoredClustering],
) -> list[StagedClustering]:
    """Let clusterings learn from the new rows, and label all rows by what they have become."""
    assert isinstance(algorithm, Continuing)
    n_old = clusterings[0].labels.shape[0]
    rows, new = made.rows_from("reduced", 0), made.rows_from("reduced", n_old)
    counts = [clustering.sizes[...] for clustering in clusterings]
    settings = job.settings.having(**clusterings[0].settings)
    stored = list(map(fitted_clustering, clusterings))
    fitted = algorithm.partial_fit(stored, counts, rows, new, settings, passes)
    staged = [
        staged_fit(made.clusterings, before.name, Rows(made.reduced), after)
        for before, after in zip(clusterings, fitted, strict=True)
    ]
    chunked = rows.having(array=made.reduced, valid=made.valid)
    label_rows(passes, chunked, algorithm.labeller(fitted), staged, made.reduced_mean)
    tables = _crossed_labels(passes, clusterings, staged, n_old)
    for before, after, table in zip(clusterings, staged, tables, strict=True):
        gained = after.sizes - table.sum(axis=0)
        after.save_changes(before, _changes(before, after, table, gained))
    return staged


def _crossed_labels(
    passes: Passes, old: list[StoredClustering], staged: list[StagedClustering], n_old: int
) -> list[np.ndarray]:
    """Tables of the old rows by their clusters before and after."""
    labels = [
        *(before.labels for before in old),
        *(Part(after.labels, 0, n_old) for after in staged),
    ]
    n_clusters = [before.n_clusters for before in old] * 2
    pairs = [(i, len(old) + i) for i in range(len(old))]
    counts = Contingency(n_clusters, pairs)
    return passes.reduce("labels changed", Rows(Columns(labels)), counts).result()


def _label_new(
    passes: Passes, made: StagedSet, algorithm: Algorithm, clusterings: list[StoredClustering]
) -> list[StagedClustering]:
    """Label the new rows by clusterings as they are."""
    n_old = clusterings[0].labels.shape[0]
    extended = [extended_clustering(made, before) for before in clusterings]
    staged, first = [after for after, _ in extended], extended[0][1]
    labeller = algorithm.labeller(list(map(fitted_clustering, clusterings)))
    outputs = [Part(after.labels, first) for after in staged]
    rows = made.rows_from("reduced", first)
    passes.write("labelling new rows", rows, LabelsOf(labeller), outputs)
    for before, after in zip(clusterings, staged, strict=True):
        after.labels[first:n_old] = before.labels[first:n_old]
    labels = Columns([Part(after.labels, n_old) for after in staged])
    new = made.rows_from("reduced", n_old).having(extras=(labels,))
    sums = ClusterSums([after.n_clusters for after in staged], made.reduced_mean)
    of_new = passes.reduce("sums of new rows", new, sums).result()
    for before, after, (sizes, means) in zip(clusterings, staged, of_new, strict=True):
        gained, counts = sizes.astype(np.int64), before.sizes[...]
        # The mean of no rows is NaN: what comes to them is all that there is.
        start = np.where(counts[:, None] > 0, before.means[...], means)
        after.save_sums(counts + gained, moved_centers(start, counts, gained, means))
        after.save_changes(before, _changes(before, after, np.diag(counts), gained))
    return staged


def _changes(
    before: StoredClustering, after: StagedClustering, table: np.ndarray, gained: np.ndarray
) -> LabelChanges:
    """What an update changed, by a table of the old rows before and after."""
    stayed = np.diag(table)
    n_before, changed = int(table.sum()), int(table.sum() - stayed.sum())
    moved = largest_move(before.means[...], after.means)
    n_rows = int(before.labels.shape[0])
    return LabelChanges(
        rows_before=n_rows,
        rows_added=int(after.labels.shape[0]) - n_rows,
        changed=changed,
        share=changed / n_before if n_before else 0.0,
        adjusted_rand=float(adjusted_rand(table)) if changed else 1.0,
        largest_move=moved if np.isfinite(moved) else None,
        before=before.sizes[...].tolist(),
        gained=gained.tolist(),
        moved_in=(table.sum(axis=0) - stayed).tolist(),
        moved_out=(table.sum(axis=1) - stayed).tolist(),
    )
