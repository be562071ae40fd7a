"""The steps of each command, in their order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.choice import (
    GatherEvidence,
    MeasureClusterings,
    MeasureStability,
    decide,
    decide_all,
    decide_missing,
    stored_choice,
)
from streamclust.clustering import Cluster, check_rows, fitting_n_clusters
from streamclust.comparison import MixedSet, compare, draw_comparison, mix, named_or_last
from streamclust.description import chosen_clusterings, describe_clusterings, write_descriptions
from streamclust.embedding import remember_embedding
from streamclust.errors import MemoryBudgetError, SettingsError, SourceError
from streamclust.estimators import largest_spread
from streamclust.events import Events, Observer
from streamclust.figures import DrawSet
from streamclust.images import ScanImages, check_group, groups, stored_images
from streamclust.labelling import (
    add_new_rows,
    export,
    forget_outliers,
    settings_of_outliers,
    store_names,
    tell_changes,
    write_named,
)
from streamclust.layouts import draw_layouts, layout
from streamclust.outliers import LEAST_SCORED_ROWS, flagged_now
from streamclust.passes import Executor, LocalExecutor, named_scheduler
from streamclust.passes.accumulators import compute_dtype
from streamclust.planning import (
    Inputs,
    check_mixed_set,
    clustering_steps,
    flagging_steps,
    outlier_steps,
    path_steps,
    scoring_steps,
)
from streamclust.reduction import Ingest, Reduce, check_invalid
from streamclust.settings import AUTO, Settings
from streamclust.sources import CaseInputs, CaseLike
from streamclust.steps import Job, Step, StoredShapes
from streamclust.store import (
    Damage,
    RunRecord,
    SetOutliers,
    StoredClustering,
    Workspace,
    case_outliers,
    case_paths,
    descriptor_sets,
    flagged_rows,
    remember_table,
    sources,
    tables_of_sets,
)

# An automatic sweep ends where clusters would be so many, or so small.
MOST_CLUSTERS = 500
LEAST_ROWS_A_CLUSTER = 20


def cluster_sets(job: Job, sets: Sequence[str]) -> None:
    """Cluster and measure sets; the automatic sweep of one goes on while its best lies at the edge.

    Raises
    ------
    SettingsError
        When a set has fewer distinct rows than clusters are asked for; before any is clustered.
    MemoryBudgetError
        When a step does not fit the budget.
    """
    check_rows(job, sets)
    for name in sets:
        job.run(_sweep(job, name))
        measure_set(job, name)
        while job.settings.n_clusters == AUTO and (wider := _wider(job, name)):
            if not _go_on(replace(job, settings=job.settings.having(**wider)), name):
                break


def cluster_only(job: Job, sets: Sequence[str]) -> None:
    """Cluster sets for the k of the settings, and leave it at that; errors as `cluster_sets`."""
    check_rows(job, sets)
    for name in sets:
        job.run(_sweep(job, name))
        decide(job.workspace, name)


def _sweep(job: Job, set_name: str) -> list[Step]:
    ks = fitting_n_clusters(job, set_name)
    return [Cluster(set_name, algorithm, ks) for algorithm in job.settings.algorithms]


def _go_on(job: Job, set_name: str) -> bool:
    """Cluster and measure a set for further k; whether there were any that fit rows and budget."""
    ks = tuple(job.settings.ks)
    steps = clustering_steps(set_name, job.settings.algorithms, ks)
    steps.append(DrawSet(set_name, max(ks)))
    try:
        job.check(steps)
    except MemoryBudgetError as error:
        job.events.warn(f"{set_name}: the sweep is not widened: {error}")
        return False
    job.events.note(f"{set_name}: the best lies at the upper edge: on to k = {ks[0]} to {ks[-1]}")
    ks = fitting_n_clusters(job, set_name, ks)
    if ks:
        job.run(Cluster(set_name, algorithm, ks) for algorithm in job.settings.algorithms)
        measure_set(job, set_name)
    return bool(ks)


def measure_set(job: Job, set_name: str) -> None:
    """Measure the clusterings of a set, gather what else the choice among them takes, and choose
    one."""
    stored = job.set(set_name)
    algorithms = list(dict.fromkeys(one.algorithm for one in stored.clusterings))
    try:
        job.run([MeasureClusterings.remaining(stored, algorithm) for algorithm in algorithms])
        job.run([MeasureStability.remaining(stored, algorithm) for algorithm in algorithms])
        job.run([GatherEvidence.remaining(stored)])
    finally:
        decide(job.workspace, set_name)


def _wider(job: Job, descriptor: str) -> dict[str, Any]:
    """Settings of the sweep that goes on from the recommended clustering; empty where it does not
    lie at the upper edge, or there are too few rows to go on."""
    name, choice = stored_choice(job.workspace, descriptor)
    if name is None or choice.edge != "upper":
        return {}
    best = StoredClustering(job.workspace, descriptor, name)
    last = best.n_clusters
    most = min(MOST_CLUSTERS, job.n_valid(descriptor) // LEAST_ROWS_A_CLUSTER)
    # Steps of a tenth of k: where groups are many, no index tells neighbouring k apart.
    ks = tuple(k for k in range(last + 1, 2 * last + 1, max(1, last // 10)) if k <= most)
    return {"algorithms": (best.algorithm,), "n_clusters": ks} if ks else {}


def run_case(
    inputs: Inputs, workspace: Workspace, settings: Settings, *observers: Observer
) -> None:
    """Run all steps on all chosen sets; what is there already is skipped."""
    sets = list(inputs.sources)
    with working(workspace, settings, "run", *observers) as job:
        ingest_all(job, inputs)
        for name in sets:
            check_scored(job, name)
        for name in sets:
            reduce_set(job, name)
        cluster_sets(job, sets)
        find_outliers(job)
        export(job)
        job.run(DrawSet(name) for name in sets)
        for name in sets:
            tell_choice(job, name)


def ingest_all(job: Job, inputs: Inputs) -> None:
    """Store the paths and every chosen descriptor set of a case.

    Raises
    ------
    SourceError
        When the store already holds sets with another number of rows.
    SettingsError
        When rows are to be grouped by a column that the list of paths does not have.
    """
    workspace = job.workspace
    for words in inputs.case.notes:
        job.events.note(words)
    stored = descriptor_sets(workspace)
    others = [one.name for one in stored if one.n_rows != inputs.n_rows]
    mixed = {one.name for one in stored if one.is_mixed}
    foreign = [name for name in others if name not in inputs.sources and name not in mixed]
    if foreign:
        raise SourceError(
            f"{workspace.folder} holds {', '.join(foreign)} with another number of rows than the "
            f"{inputs.n_rows} of this case: name another --out"
        )
    # All at once: should the new files fail, no set of another size stands beside them.
    for name in others:
        job.set(name).archive()
    if others:
        for result in (case_outliers(workspace), *tables_of_sets(workspace)):
            result.archive()
    # A file that joins the sets of a case describes their images: the paths stay.
    joins = bool(set(workspace.descriptors) - set(inputs.sources) - mixed)
    if inputs.case.paths_file is None and not joins:
        case_paths(workspace).archive()
    job.run(path_steps(inputs))
    if inputs.case.paths_file is not None:
        remember_embedding(job, inputs.case.paths_file.parent)
    check_group(job.settings.group, sources(workspace))
    for name, source in inputs.sources.items():
        job.run([Ingest(name, source)])
        check_invalid(job, name, source.path)


def reduce_set(job: Job, descriptor: str) -> None:
    """Reduce a set whose values can be clustered.

    Raises
    ------
    SettingsError
        When they are too large as they are.
    """
    settings = job.settings
    if settings.scaling == "none" and not (settings.whiten or settings.normalize):
        raw = job.rows_of(descriptor, "raw").array
        _check_spread(job, descriptor, "--scaling", compute_dtype(raw.dtype))
    job.run([Reduce(descriptor)])


def mix_sets(job: Job, mixture: MixedSet) -> None:
    """Make a mixed set and its clusterings, tables and figures."""
    name = mix(job, mixture, check_mixed_set(job, mixture))
    reduce_set(job, name)
    cluster_sets(job, [name])
    _tell_other_algorithms(job, name, mixture)
    export(job)
    job.run([DrawSet(name)])
    tell_choice(job, name)


def _tell_other_algorithms(job: Job, name: str, mixture: MixedSet) -> None:
    """Say which algorithms clustered the sets of a mixed one and not it."""
    used = [{c.algorithm for c in job.set(one).clusterings} for one in (name, *mixture.sets)]
    others = sorted(set().union(*used[1:]) - used[0])
    if others:
        options = " ".join(f"--algorithm {other}" for other in others)
        job.events.note(f"{name}: its sets were also clustered by {', '.join(others)}: {options}")


def compare_sets(job: Job, attributes: Path | None, columns: Sequence[str] | None = None) -> None:
    """Compare the chosen sets, in tables and figures; with the attributes of the last time where
    none are named.

    Raises
    ------
    SettingsError
        When columns are named of a table that is not known, or that does not have them.
    """
    table = named_or_last(job, attributes, columns)
    compare(job, table)
    if table is not None:
        remember_table(job.workspace, table)
    draw_comparison(job)


def name_clusters(job: Job, file: Path) -> None:
    """Store the names of a table, and give them to all rows."""
    store_names(job, file)
    write_named(job)


def describe_sets(
    job: Job,
    attributes: Path | None = None,
    columns: Sequence[str] | None = None,
    clustering: str | int | None = None,
    language: str = "en",
) -> None:
    """Describe a clustering of each chosen set, with the attributes of the last time where none
    are named.

    Raises
    ------
    SettingsError
        When no set has such a clustering, or columns are named of a table that is not known.
    """
    chosen = chosen_clusterings(job, clustering)
    table = named_or_last(job, attributes, columns)
    told = describe_clusterings(job, chosen, table)
    if table is not None:
        remember_table(job.workspace, table)
    write_descriptions(job, chosen, told, language)
    for name, description in told.items():
        readable = description.readability["readability"]
        if readable == readable:
            job.events.note(f"{name}: {chosen[name].name} has a readability of {readable:.2f}")


def lay_out(job: Job, method: str, dimensions: int, clustering: str | None) -> None:
    """Lay the chosen sets out, and draw what is laid out."""
    for descriptor in job.chosen():
        layout(job, descriptor, method, dimensions, clustering)
        draw_layouts(job, descriptor)


def check_scored(job: Job, descriptor: str) -> None:
    """Refuse to score the outliers of a set whose values are too large as they are.

    Raises
    ------
    SettingsError
        For it.
    """
    if job.settings.outlier_scaling == "none":
        # Whatever the rows are: neighbours are searched, and distances kept, in float32.
        _check_spread(job, descriptor, "--outlier-scaling", np.float32)


def _check_spread(job: Job, descriptor: str, option: str, dtype: Any) -> None:
    stored = job.set(descriptor)
    spread = float(stored.column_moments.range.max())
    if spread >= largest_spread(stored.n_columns, dtype):
        raise SettingsError(
            f"{descriptor}: values that vary by {spread:.1g} are too large for squared distances: "
            f"use {option} l2 or standard, or divide the columns first"
        )


def find_outliers(job: Job) -> None:
    """Score the rows of all chosen sets, flag outliers, and tell their kinds and duplicates."""
    sets = [name for name in _scored_sets(job) if _has_enough_rows(job, name)]
    if not sets:
        forget_outliers(job)
        return
    for name in sets:
        check_scored(job, name)
    job.check(outlier_steps(StoredShapes(job), sets, stored_images(job)))
    groups(job)
    job.run(step for name in sets for step in scoring_steps(name))
    if job.settings.scan_images and not _scanned(job):
        job = replace(job, settings=job.settings.having(scan_images=False))
    job.run(flagging_steps(sets))
    job.events.note(flagged_now(job).in_words())


def _scored_sets(job: Job) -> list[str]:
    """The chosen sets; mixed ones, which would count their sets twice, where they are named."""
    chosen = job.chosen()
    if job.settings.descriptors is not None:
        return chosen
    return [name for name in chosen if not job.set(name).is_mixed]


def _scanned(job: Job) -> bool:
    """Measure all images; where that cannot be, say so: the scores do not depend on it."""
    images = stored_images(job)
    if images is None:
        job.events.warn("there are no images to scan")
        return False
    try:
        job.run([ScanImages(images)])
    except SourceError as error:
        job.events.warn(f"{error}; the images are not scanned")
        return False
    return True


def _has_enough_rows(job: Job, descriptor: str) -> bool:
    n_valid = job.n_valid(descriptor)
    if n_valid < LEAST_SCORED_ROWS:
        job.events.warn(
            f"{descriptor}: {n_valid} valid rows are too few to tell outliers "
            f"({LEAST_SCORED_ROWS} at least)"
        )
    return n_valid >= LEAST_SCORED_ROWS


def each_set(step: Callable[[Job, str], None], job: Job) -> None:
    """Run a step on every set the settings choose."""
    for descriptor in job.chosen():
        step(job, descriptor)


def update(job: Job, new: CaseLike | CaseInputs) -> None:
    """Add rows to all sets, let their clusterings go on, and measure, score and write anew.

    Raises
    ------
    SourceError, SettingsError
        As `streamclust.labelling.add_new_rows`.
    MemoryBudgetError
        When a step does not fit the budget: one of adding, and nothing is changed; one of
        measuring, and the same command with more memory goes on from there.
    """
    sets, is_new = add_new_rows(job, new)
    settings = job.settings.having(**settings_of_outliers(job.workspace))
    of_sets = replace(job, settings=settings.having(descriptors=tuple(sets)))
    for name in sets:
        measure_set(of_sets, name)
    outliers = case_outliers(job.workspace)
    if outliers.exists:
        scored = tuple(name for name in outliers.sets if name in sets)
        find_outliers(replace(job, settings=settings.having(descriptors=scored or None)))
    export(of_sets)
    of_sets.run(DrawSet(name) for name in sets)
    for name in sets:
        tell_choice(of_sets, name)
    tell_changes(of_sets, sets, is_new=is_new)
    for stored in descriptor_sets(job.workspace):
        if words := stored.stale_words:
            job.events.warn(words)


def write_tables(job: Job) -> None:
    """Write tables and figures anew from what is stored."""
    export(job)
    job.run(DrawSet(name) for name in job.chosen() if job.set(name).reduced is not None)


def tell_choice(job: Job, descriptor: str) -> None:
    """Say which clustering is recommended, and what speaks against trusting that."""
    _, choice = stored_choice(job.workspace, descriptor)
    for reason in choice.reasons:
        job.events.note(f"{descriptor}: {reason}")
    for warning in choice.warnings:
        job.events.warn(f"{descriptor}: {warning}")


def verify(workspace: Workspace, *observers: Observer) -> list[Damage]:
    """Read all that is stored; what is damaged."""
    events = Events(*observers)
    with (
        workspace.lock(),
        events.passing("verifying", workspace.stored_bytes, "bytes") as advance,
    ):
        return workspace.verify(advance)


@contextmanager
def working(
    workspace: Workspace, settings: Settings, command: str, *observers: Observer
) -> Iterator[Job]:
    """Hold the workspace and an executor for one command; its record is saved when it ends."""
    record = RunRecord(command, settings)
    events = Events(record, *observers)
    with workspace.lock():
        for damage in workspace.make_way(command):
            events.warn(f"{damage.place} is damaged ({damage.what}): it is made again")
        decide_all(workspace)
        executor = _executor(settings, events)
        job = Job(workspace, settings, executor, events)
        try:
            yield job
        finally:
            executor.close()
            if workspace.is_writable:
                decide_missing(workspace)
                told = {"recommended": _recommended(workspace), **_of_rows(workspace)}
                record.save(workspace, job.outputs, told)


def _executor(settings: Settings, events: Events) -> Executor:
    scheduler = named_scheduler(settings.scheduler)
    if scheduler is None:
        return LocalExecutor(settings.workers)
    from streamclust.passes import DaskExecutor

    if settings.scheduler is None:
        events.note(f"the passes run on the dask scheduler of the environment, {scheduler}")
    return DaskExecutor(scheduler, warn=events.warn)


def _of_rows(workspace: Workspace) -> dict[str, Any]:
    """How the neighbours were found, and what came of the outliers."""
    told: dict[str, Any] = {}
    for descriptor in workspace.descriptors:
        graph = SetOutliers(workspace, descriptor).neighbors
        if graph.exists:
            told.setdefault("neighbors", {})[descriptor] = graph.report
    flagged = flagged_rows(workspace)
    return told if flagged is None else {**told, "outliers": flagged}


def _recommended(workspace: Workspace) -> dict[str, Any]:
    told = {}
    for descriptor in workspace.descriptors:
        name, choice = stored_choice(workspace, descriptor)
        told[descriptor] = {
            "clustering": name,
            "reasons": list(map(str, choice.reasons)),
            "warnings": list(map(str, choice.warnings)),
        }
    return told
