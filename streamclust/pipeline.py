"""The order of the steps of a run, and the plan of what they will take."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamclust.accumulators.covariance import compute_dtype
from streamclust.errors import SourceError
from streamclust.events import Events, Observer
from streamclust.memory import Budget, Need
from streamclust.outputs import Outputs
from streamclust.passes import Executor, LocalExecutor, Rows
from streamclust.passes.local import available_cpus
from streamclust.record import RunRecord
from streamclust.settings import Settings
from streamclust.sources import ArraySource, open_source
from streamclust.sources.case import Case, check_rows, count_paths, find_case
from streamclust.steps.cluster import cluster, cluster_needs
from streamclust.steps.cluster_distances import cluster_distances
from streamclust.steps.draw import draw, draw_needs
from streamclust.steps.draw_outliers import draw_outlier_needs, draw_outliers, outlier_figures
from streamclust.steps.duplicates import FILE as DUPLICATES_FILE
from streamclust.steps.duplicates import duplicate_needs, duplicates
from streamclust.steps.export import export
from streamclust.steps.groups import groups
from streamclust.steps.ingest import ingest, ingest_needs
from streamclust.steps.job import Job, Planned, planned
from streamclust.steps.measure import measure, measure_needs
from streamclust.steps.neighbors import neighbor_needs, neighbors
from streamclust.steps.outlier_tables import TABLES, write_outliers
from streamclust.steps.outliers import LEAST_ROWS, outlier_needs, outliers
from streamclust.steps.paths import PATH, store_paths
from streamclust.steps.reduce import reduce, reduce_needs, reduced_chunk
from streamclust.steps.scan import scan_images
from streamclust.steps.space import space, space_needs
from streamclust.steps.sums import SCORED_COMPONENTS, is_sketched, most_components
from streamclust.steps.suspects import (
    OUTLIERS,
    flagged_rows,
    load_suspects,
    stored_images,
    suspect_needs,
    suspects,
)
from streamclust.steps.tables import choose
from streamclust.workspace import Workspace


@dataclass(frozen=True)
class Inputs:
    """A case whose files have been opened and found to agree."""

    case: Case
    sources: dict[str, ArraySource]
    n_rows: int


def open_inputs(case: str | Path | Sequence[str | Path], settings: Settings) -> Inputs:
    """Find a case and open its files.

    Raises
    ------
    SourceError
        When there is no case, a file cannot be used, or the numbers of rows differ.
    """
    found = find_case(case, settings.descriptors)
    sources = {name: _opened(path, found) for name, path in found.descriptors.items()}
    n_paths = None if found.paths_file is None else count_paths(found.paths_file)
    return Inputs(found, sources, check_rows(sources, n_paths))


def _opened(path: Path, case: Case) -> ArraySource:
    try:
        return open_source(path)
    except SourceError as error:
        others = [name for name, other in case.descriptors.items() if other != path]
        if not others:
            raise
        raise SourceError(f"{error}; or leave it out: --descriptors {','.join(others)}") from error


STEPS = ("ingest", "reduce", "cluster", "measure", "space", "neighbors", "outliers", "draw")


def plan_steps(inputs: Inputs, settings: Settings, steps: Sequence[str] = STEPS) -> list[Planned]:
    """What each step will take on each set, before anything is read.

    Where the number of components depends on the data, the most there may be are reckoned with.

    Raises
    ------
    MemoryBudgetError
        When a step does not fit the budget: the message names the one that needs most, and the
        least that would do for all.
    """
    budget = Budget(settings.memory_bytes)
    n_threads = settings.workers or available_cpus()
    needs = _needs(inputs, settings, steps)
    most = max(_smallest(needs), key=lambda need: need.smallest)
    if most.smallest > budget.total:
        budget.refuse(most, least_memory(inputs, settings, steps))
    return [planned(step, name, own, budget, n_threads) for (name, step), own in needs.items()]


def least_memory(inputs: Inputs, settings: Settings, steps: Sequence[str] = STEPS) -> int:
    """The smallest budget, in bytes, that a plan accepts."""
    least = 1
    # Wide rows are sketched in small budgets and not in large ones: the need depends on it.
    while True:
        needs = _needs(inputs, settings.having(memory=least), steps)
        needed = max(need.smallest for need in _smallest(needs))
        if needed <= least:
            return least
        least = needed


def _smallest(needs: dict[tuple[str | None, str], list[Need]]) -> list[Need]:
    return [need for own in needs.values() for need in own]


def _needs(
    inputs: Inputs, settings: Settings, steps: Sequence[str]
) -> dict[tuple[str | None, str], list[Need]]:
    """The needs of each set's steps, by set and step; of all sets together, by None."""
    needs: dict[tuple[str | None, str], list[Need]] = {}
    for name, source in inputs.sources.items():
        raw = Rows(source)
        reduced = _reduced_like(raw, settings)
        sketched = is_sketched(raw.n_columns, Budget(settings.memory_bytes))
        own = {
            "ingest": ingest_needs(source, settings),
            "reduce": reduce_needs(name, raw, settings, sketched),
            "cluster": cluster_needs(name, reduced, settings.ks),
            "measure": measure_needs(name, reduced, settings.ks),
            "draw": draw_needs(name, reduced, max(settings.ks)),
        }
        scored = _space_like(raw)
        own |= {
            "space": space_needs(name, raw, settings, sketched),
            "neighbors": neighbor_needs(name, scored, settings, grouped=settings.group != "none"),
            "outliers": outlier_needs(name, scored, settings.n_neighbors),
        }
        needs |= {(name, step): own[step] for step in steps}
    if "outliers" in steps:
        chunk = scored.rows_a_block
        needs[None, "suspects"] = suspect_needs(inputs.n_rows)
        needs[None, "duplicates"] = duplicate_needs(inputs.n_rows, chunk, settings.n_neighbors)
        needs[None, "draw outliers"] = draw_outlier_needs(inputs.n_rows)
    return needs


@dataclass(frozen=True)
class _Shape:
    """The shape and type of an array that is not there yet."""

    shape: tuple[int, int]
    dtype: Any


def _reduced_like(raw: Rows, settings: Settings) -> Rows:
    n_components = most_components(settings, raw.n_columns)
    shape = _Shape((raw.n_rows, n_components), compute_dtype(raw.array.dtype))
    return Rows(shape, rows_a_block=reduced_chunk(raw, n_components))


def _space_like(raw: Rows) -> Rows:
    n_components = min(raw.n_columns, SCORED_COMPONENTS)
    shape = _Shape((raw.n_rows, n_components), compute_dtype(raw.array.dtype))
    return Rows(shape, rows_a_block=reduced_chunk(raw, n_components))


def run_case(
    inputs: Inputs, workspace: Workspace, settings: Settings, *observers: Observer
) -> None:
    """Run all steps on all chosen sets; what is there already is skipped."""
    with working(workspace, settings, "run", *observers) as (job, outputs):
        ingest_all(job, inputs)
        for descriptor in inputs.sources:
            reduce(job, descriptor)
            cluster(job, descriptor)
            measure(job, descriptor)
        find_outliers(job, outputs)
        export(job, outputs)
        for descriptor in inputs.sources:
            draw(job, descriptor, outputs)
            tell_choice(job, descriptor)


def ingest_all(job: Job, inputs: Inputs) -> None:
    """Store the paths and every chosen descriptor set of a case.

    Raises
    ------
    SourceError
        When the store already holds sets with another number of rows.
    """
    workspace = job.workspace
    others = [
        name
        for name in workspace.descriptors
        if workspace.root[f"descriptors/{name}"].attrs["n_rows"] != inputs.n_rows
    ]
    foreign = [name for name in others if name not in inputs.sources]
    if foreign:
        raise SourceError(
            f"{workspace.folder} holds {', '.join(foreign)} with another number of rows than the "
            f"{inputs.n_rows} of this case: name another --out"
        )
    # All at once: should the new files fail, no set of another size stands beside them.
    for name in others:
        workspace.archive(f"descriptors/{name}")
    if others:
        workspace.archive(OUTLIERS)
    # A file that joins the sets of a case describes their images: the paths stay.
    joins = bool(set(workspace.descriptors) - set(inputs.sources))
    if inputs.case.paths_file is not None or not joins:
        store_paths(job, inputs.case.paths_file, inputs.n_rows, inputs.case.images)
    for name, source in inputs.sources.items():
        ingest(job, name, source)


def find_outliers(job: Job, outputs: Outputs) -> None:
    """Score the rows of all chosen sets, flag outliers, and tell their kinds and duplicates."""
    sets = [name for name in job.chosen() if _has_enough_rows(job, name)]
    if not sets:
        _forget_outliers(job, outputs)
        return
    of_groups = groups(job)
    for descriptor in sets:
        space(job, descriptor)
        neighbors(job, descriptor, of_groups)
        outliers(job, descriptor)
        cluster_distances(job, descriptor)
    if job.settings.scan_images and not _scanned(job):
        job = replace(job, settings=job.settings.having(scan_images=False))
    suspects(job, sets)
    found = load_suspects(job)
    assert found is not None
    write_outliers(job, outputs, found)
    duplicates(job, sets, outputs)
    draw_outliers(job, outputs, found)
    job.events.note(found.in_words())


def _scanned(job: Job) -> bool:
    """Measure all images; where that cannot be, say so: the scores do not depend on it."""
    images = stored_images(job)
    if images is None:
        job.events.warn("there are no images to scan")
        return False
    try:
        with job.workspace.scratch(f"scan-{job.workspace.fingerprint_of(PATH)}") as scratch:
            scan_images(job, images, scratch)
    except SourceError as error:
        job.events.warn(f"{error}; the images are not scanned")
        return False
    return True


def _forget_outliers(job: Job, outputs: Outputs) -> None:
    """Put aside what was told of rows that are no more."""
    job.workspace.archive(OUTLIERS)
    for file in (*TABLES, DUPLICATES_FILE, *outlier_figures()):
        outputs.remove(file)


def _has_enough_rows(job: Job, descriptor: str) -> bool:
    group = job.workspace.root[f"descriptors/{descriptor}"]
    n_valid = int(group.attrs["n_rows"] - group.attrs["n_invalid"])
    if n_valid < LEAST_ROWS:
        job.events.warn(
            f"{descriptor}: {n_valid} valid rows are too few to tell outliers "
            f"({LEAST_ROWS} at least)"
        )
    return n_valid >= LEAST_ROWS


def each_set(step: Callable[[Job, str], None], job: Job) -> None:
    """Run a step on every set the settings choose."""
    for descriptor in job.chosen():
        step(job, descriptor)


def tell_choice(job: Job, descriptor: str) -> None:
    """Say which clustering is recommended, and what speaks against trusting that."""
    _, choice = choose(job.workspace, descriptor)
    for reason in choice.reasons:
        job.events.note(f"{descriptor}: {reason}")
    for warning in choice.warnings:
        job.events.warn(f"{descriptor}: {warning}")


@contextmanager
def working(
    workspace: Workspace, settings: Settings, command: str, *observers: Observer
) -> Iterator[tuple[Job, Outputs]]:
    """Hold the workspace and an executor for one command; its record is saved when it ends."""
    record = RunRecord(command, settings)
    events = Events(record, *observers)
    outputs = Outputs(workspace.folder, events.warn)
    with workspace.lock():
        executor = _executor(settings)
        try:
            yield Job(workspace, settings, executor, events), outputs
        finally:
            executor.close()
            told = {"recommended": _recommended(workspace), **_of_rows(workspace)}
            record.save(workspace, outputs, told)


def _executor(settings: Settings) -> Executor:
    if settings.scheduler is None:
        return LocalExecutor(settings.workers)
    from streamclust.passes.dask import DaskExecutor

    return DaskExecutor(settings.scheduler)


def _of_rows(workspace: Workspace) -> dict[str, Any]:
    """How the neighbours were found, and what came of the outliers."""
    told: dict[str, Any] = {}
    for descriptor in workspace.descriptors:
        graph = workspace.get(f"descriptors/{descriptor}/neighbors")
        if graph is not None:
            told.setdefault("neighbors", {})[descriptor] = graph.attrs["report"]
    flagged = flagged_rows(workspace)
    return told if flagged is None else {**told, "outliers": flagged}


def _recommended(workspace: Workspace) -> dict[str, Any]:
    told = {}
    for descriptor in workspace.descriptors:
        name, choice = choose(workspace, descriptor)
        told[descriptor] = {
            "clustering": name,
            "reasons": choice.reasons,
            "warnings": choice.warnings,
        }
    return told
