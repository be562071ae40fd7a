"""What a run will take: the files of a case, opened, and the memory of each step on them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamclust.choice.evidence import evidence_needs
from streamclust.choice.measurement import measure_needs
from streamclust.choice.stability import stability_needs
from streamclust.choice.tables import choose
from streamclust.clustering.step import cluster_needs
from streamclust.comparison.mixed_sets import MixedSet, mix_needs, mixed_shape
from streamclust.errors import SettingsError, SourceError
from streamclust.figures.set_pictures import draw_needs
from streamclust.images.archive import stored_images
from streamclust.images.groups import check_group, group_needs
from streamclust.images.scan import scan_need
from streamclust.memory import Budget, Need
from streamclust.outliers.cluster_distances import cluster_distance_needs
from streamclust.outliers.flagging import flagging_needs
from streamclust.outliers.near_duplicates import duplicate_needs
from streamclust.outliers.neighbors import neighbor_needs
from streamclust.outliers.pictures import draw_outlier_needs
from streamclust.outliers.space import space_needs
from streamclust.outliers.step import outlier_needs
from streamclust.outliers.tables import outlier_table_needs
from streamclust.passes.accumulators.covariance import compute_dtype
from streamclust.passes.blocks import Rows, Shape
from streamclust.passes.local import available_cpus
from streamclust.reduction.ingestion import ingest_needs
from streamclust.reduction.step import reduce_needs, reduced_chunk
from streamclust.reduction.stored_sums import SCORED_COMPONENTS, is_sketched, most_components
from streamclust.settings import AUTO, Settings
from streamclust.sources.case import Case, check_rows, count_paths, find_case
from streamclust.sources.readers import ArraySource, open_source
from streamclust.store.images import stored_paths
from streamclust.store.job import Job, Planned, planned

STEPS = (
    "ingest",
    "reduce",
    "cluster",
    "measure",
    "stability",
    "evidence",
    "space",
    "neighbors",
    "outliers",
    "cluster distances",
    "draw",
)


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
    SettingsError
        When rows are to be grouped by a column that the list of paths does not have.
    """
    found = find_case(case, settings.descriptors)
    sources = {name: _opened(path, found) for name, path in found.descriptors.items()}
    n_paths = None
    if found.paths_file is not None:
        check_group(settings.group, [found.paths_file])
        n_paths = count_paths(found.paths_file)
    return Inputs(found, sources, check_rows(sources, n_paths))


def _opened(path: Path, case: Case) -> ArraySource:
    try:
        return open_source(path)
    except SourceError as error:
        others = [name for name, other in case.descriptors.items() if other != path]
        if not others:
            raise
        raise SourceError(f"{error}; or leave it out: --descriptors {','.join(others)}") from error


def plan_steps(inputs: Inputs, settings: Settings, steps: Sequence[str] = STEPS) -> list[Planned]:
    """What each step will take on each set, before anything is read.

    Where the number of components depends on the data, the most there may be are reckoned with.

    Raises
    ------
    SettingsError
        When more clusters are asked for than there are rows.
    MemoryBudgetError
        When a step does not fit the budget: the message names the one that needs most, and the
        least that would do for all.
    """
    if "cluster" in steps:
        check_n_clusters(settings, inputs.n_rows)
    budget = Budget(settings.memory_bytes)
    n_threads = settings.workers or available_cpus()
    needs = _needs(inputs, settings, steps)
    most = max(_smallest(needs), key=lambda need: need.smallest)
    if most.smallest > budget.total:
        budget.refuse(most, least_memory(inputs, settings, steps))
    return [planned(step, name, own, budget, n_threads) for (name, step), own in needs.items()]


def check_n_clusters(settings: Settings, n_rows: int) -> None:
    """Refuse an explicit k that is not below the number of rows.

    Raises
    ------
    SettingsError
        For it.
    """
    most = max(settings.ks)
    if settings.n_clusters != AUTO and most >= n_rows:
        raise SettingsError(
            f"{n_rows} rows are too few for {most} clusters: ask for fewer with --n-clusters"
        )


def check_mixed_set(job: Job, mixture: MixedSet) -> None:
    """Refuse a mixed set whose rows are too few for the clusters asked for, or which the budget
    does not allow to be mixed, reduced and clustered.

    Raises
    ------
    SettingsError, MemoryBudgetError
        As `plan_steps`, and as `comparison.mixed_sets.mixed_shape`.
    """
    name, raw = mixture.own_name, mixed_shape(job, mixture)
    settings = job.settings.having(scaling="none")
    check_n_clusters(settings, raw.n_rows)
    sketched = is_sketched(raw.n_columns, job.budget)
    reduced = _reduced_like(raw, most_components(settings, raw.n_columns))
    needs = [*mix_needs(name, raw, settings), *reduce_needs(name, raw, settings, sketched)]
    for own in _clustering_needs(name, reduced, settings).values():
        needs += own
    most = max(needs, key=lambda need: need.smallest)
    if most.smallest > job.budget.total:
        job.budget.refuse(most, most.smallest)


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


def check_outlier_budget(job: Job, sets: Sequence[str]) -> None:
    """Refuse a budget that any of the outlier steps exceeds on stored sets, before the first.

    Raises
    ------
    MemoryBudgetError
        As `plan_steps`.
    """
    most = max(_outlier_needs(job, sets), key=lambda need: need.smallest)
    # What is stored does not follow the budget: what one step needs at least will do for all.
    if most.smallest > job.budget.total:
        job.budget.refuse(most, most.smallest)


def check_sweep_budget(job: Job, descriptor: str) -> None:
    """Refuse a budget that clustering and measuring a stored set would exceed.

    Raises
    ------
    MemoryBudgetError
        As `plan_steps`.
    """
    rows = job.rows_of(descriptor, "reduced")
    needs = _clustering_needs(descriptor, rows, job.settings)
    most = max((need for own in needs.values() for need in own), key=lambda need: need.smallest)
    if most.smallest > job.budget.total:
        job.budget.refuse(most, most.smallest)


def _clustering_needs(name: str, reduced: Rows, settings: Settings) -> dict[str, list[Need]]:
    fits, refits = (
        [
            need
            for algorithm in settings.algorithms
            for need in needs_of(name, algorithm, reduced, settings.ks, settings)
        ]
        for needs_of in (cluster_needs, stability_needs)
    )
    return {
        "cluster": fits,
        "measure": measure_needs(name, reduced, settings.ks),
        "stability": refits,
        "evidence": evidence_needs(name, reduced, settings.ks * len(settings.algorithms)),
    }


def _outlier_needs(job: Job, sets: Sequence[str]) -> list[Need]:
    workspace, settings = job.workspace, job.settings
    if stored_paths(workspace) is None:
        settings = settings.having(group="none")
    raw = {name: job.rows_of(name, "raw") for name in sets}
    needs = []
    for name, rows in raw.items():
        sketched = workspace.root[f"descriptors/{name}"].attrs["sketched"]
        own = _scoring_needs(name, rows, settings, sketched)
        needs += [need for step in own.values() for need in step]
        if choose(workspace, name)[0] is not None:
            needs += cluster_distance_needs(name, job.rows_of(name, "reduced"))
    images = stored_images(job) is not None
    of_all = _needs_of_all(raw.values(), settings, images=images)
    return needs + [need for step in of_all.values() for need in step]


def _smallest(needs: dict[tuple[str | None, str], list[Need]]) -> list[Need]:
    return [need for own in needs.values() for need in own]


def _needs(
    inputs: Inputs, settings: Settings, steps: Sequence[str]
) -> dict[tuple[str | None, str], list[Need]]:
    """The needs of each set's steps, by set and step; of all sets together, by None."""
    needs: dict[tuple[str | None, str], list[Need]] = {}
    for name, source in inputs.sources.items():
        own = _needs_of_set(name, source, settings)
        needs |= {(name, step): own[step] for step in steps}
    if "outliers" in steps:
        raw = map(Rows, inputs.sources.values())
        of_all = _needs_of_all(raw, settings, images=inputs.case.images is not None)
        needs |= {(None, step): own for step, own in of_all.items()}
    return needs


def _needs_of_set(name: str, source: ArraySource, settings: Settings) -> dict[str, list[Need]]:
    raw = Rows(source)
    reduced = _reduced_like(raw, most_components(settings, raw.n_columns))
    sketched = is_sketched(raw.n_columns, Budget(settings.memory_bytes))
    return {
        "ingest": ingest_needs(source, settings),
        "reduce": reduce_needs(name, raw, settings, sketched),
        **_clustering_needs(name, reduced, settings),
        **_scoring_needs(name, raw, settings, sketched),
        "cluster distances": cluster_distance_needs(name, reduced),
        "draw": draw_needs(name, reduced, max(settings.ks)),
    }


def _scoring_needs(
    name: str, raw: Rows, settings: Settings, sketched: bool
) -> dict[str, list[Need]]:
    scored = _scored_like(raw)
    return {
        "space": space_needs(name, raw, settings, sketched),
        "neighbors": neighbor_needs(name, scored, settings, grouped=settings.group != "none"),
        "outliers": outlier_needs(name, scored, settings.n_neighbors),
    }


def _needs_of_all(
    raw: Iterable[Rows], settings: Settings, *, images: bool
) -> dict[str, list[Need]]:
    scored = list(map(_scored_like, raw))
    n_rows, k = scored[0].n_rows, settings.n_neighbors
    largest = max(rows.rows_a_block for rows in scored)
    grouped = {"groups": group_needs(n_rows)} if settings.group != "none" else {}
    scanned = {"scan": [scan_need(n_rows)]} if settings.scan_images and images else {}
    return {
        **grouped,
        **scanned,
        "suspects": flagging_needs(n_rows, images),
        "outlier tables": outlier_table_needs(n_rows, largest, k),
        "duplicates": duplicate_needs(n_rows, largest, k),
        "draw outliers": draw_outlier_needs(n_rows),
    }


def _scored_like(raw: Rows) -> Rows:
    return _reduced_like(raw, min(raw.n_columns, SCORED_COMPONENTS))


def _reduced_like(raw: Rows, n_components: int) -> Rows:
    shape = Shape((raw.n_rows, n_components), compute_dtype(raw.array.dtype))
    return Rows(shape, rows_a_block=reduced_chunk(raw, n_components))
