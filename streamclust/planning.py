"""The steps of a run as a list: what each takes on a case, and whether all fit the budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamclust.choice import evidence_needs, measure_needs, stability_needs
from streamclust.clustering import cluster_needs
from streamclust.comparison import MixedSet, mix_needs, mixed_shape
from streamclust.errors import SettingsError, SourceError
from streamclust.figures import draw_needs
from streamclust.images import check_group, group_needs, scan_need, stored_images
from streamclust.memory import Budget, Need
from streamclust.outliers import (
    cluster_distance_needs,
    draw_outlier_needs,
    duplicate_needs,
    flagging_needs,
    neighbor_needs,
    outlier_needs,
    outlier_table_needs,
    space_needs,
)
from streamclust.passes import Rows, Shape, available_cpus
from streamclust.passes.accumulators import compute_dtype
from streamclust.reduction import (
    SCORED_COMPONENTS,
    expected_components,
    ingest_needs,
    is_sketched,
    reduce_needs,
    reduced_chunk,
)
from streamclust.settings import AUTO, Settings
from streamclust.sources import (
    ArraySource,
    CaseFolder,
    check_rows,
    count_paths,
    find_case,
    open_source,
)
from streamclust.store import Job, Planned, planned, recommended_clustering, stored_paths


class Shapes(Protocol):
    """What steps work on: sets that are stored, or such as are only expected of a case.

    Attributes
    ----------
    settings : Settings
    sets : sequence of str
        Names of the sets.
    has_images, has_paths : bool
    """

    settings: Settings
    sets: Sequence[str]

    @property
    def has_images(self) -> bool: ...

    @property
    def has_paths(self) -> bool: ...

    def raw(self, name: str) -> Rows:
        """The rows of a set as they are."""

    def reduced(self, name: str) -> Rows:
        """Its rows after PCA; where they are only expected, with the most columns there may be."""

    def is_sketched(self, name: str) -> bool:
        """Whether a sketch stands in for its covariance."""

    def is_clustered(self, name: str) -> bool:
        """Whether it has a recommended clustering, or will have one."""


class Expected:
    """Sets before anything of them is stored.

    Parameters
    ----------
    raw : mapping of str to Rows
        What each set will hold.
    settings : Settings
    has_images : bool
    """

    has_paths = True

    def __init__(
        self, raw: Mapping[str, Rows], settings: Settings, *, has_images: bool = False
    ) -> None:
        self._raw = raw
        self.sets: Sequence[str] = list(raw)
        self.settings = settings
        self.has_images = has_images

    def raw(self, name: str) -> Rows:
        return self._raw[name]

    def reduced(self, name: str) -> Rows:
        raw = self._raw[name]
        return _reduced_like(raw, expected_components(self.settings, raw.n_columns))

    def is_sketched(self, name: str) -> bool:
        return is_sketched(self._raw[name].n_columns, Budget(self.settings.memory_bytes))

    def is_clustered(self, name: str) -> bool:
        return True


class Stored:
    """Sets of a workspace.

    Parameters
    ----------
    job : Job
    sets : sequence of str
    """

    def __init__(self, job: Job, sets: Sequence[str]) -> None:
        self._job = job
        self.sets = sets
        self.settings = job.settings

    @property
    def has_images(self) -> bool:
        return stored_images(self._job) is not None

    @property
    def has_paths(self) -> bool:
        return stored_paths(self._job.workspace) is not None

    def raw(self, name: str) -> Rows:
        return self._job.set(name).rows("raw")

    def reduced(self, name: str) -> Rows:
        return self._job.set(name).rows("reduced")

    def is_sketched(self, name: str) -> bool:
        return self._job.set(name).is_sketched

    def is_clustered(self, name: str) -> bool:
        return recommended_clustering(self._job.workspace, name) is not None


def _scored(on: Shapes, name: str) -> Rows:
    """The rows of a set as the outlier scores see them."""
    raw = on.raw(name)
    return _reduced_like(raw, min(raw.n_columns, SCORED_COMPONENTS))


def _reduced_like(raw: Rows, n_components: int) -> Rows:
    shape = Shape((raw.n_rows, n_components), compute_dtype(raw.array.dtype))
    return Rows(shape, rows_a_block=reduced_chunk(raw, n_components))


def _is_grouped(on: Shapes) -> bool:
    return on.settings.group != "none" and on.has_paths


def _of_algorithms(needs_of: Callable[..., list[Need]], on: Shapes, name: str) -> list[Need]:
    settings = on.settings
    return [
        need
        for algorithm in settings.algorithms
        for need in needs_of(name, algorithm, on.reduced(name), settings.ks, settings)
    ]


# What each step of a set takes, in the order of a run.
OF_SET: dict[str, Callable[[Shapes, str], list[Need]]] = {
    "ingest": lambda on, name: ingest_needs(on.raw(name).array, on.settings),
    "mix": lambda on, name: mix_needs(name, on.raw(name), on.settings),
    "reduce": lambda on, name: reduce_needs(name, on.raw(name), on.settings, on.is_sketched(name)),
    "cluster": lambda on, name: _of_algorithms(cluster_needs, on, name),
    "measure": lambda on, name: measure_needs(name, on.reduced(name), on.settings.ks),
    "stability": lambda on, name: _of_algorithms(stability_needs, on, name),
    "evidence": lambda on, name: evidence_needs(
        name, on.reduced(name), on.settings.ks * len(on.settings.algorithms)
    ),
    "space": lambda on, name: space_needs(name, on.raw(name), on.settings, on.is_sketched(name)),
    "neighbors": lambda on, name: neighbor_needs(
        name, _scored(on, name), on.settings, grouped=_is_grouped(on)
    ),
    "outliers": lambda on, name: outlier_needs(name, _scored(on, name), on.settings.n_neighbors),
    "cluster distances": lambda on, name: (
        cluster_distance_needs(name, on.reduced(name)) if on.is_clustered(name) else []
    ),
    "draw": lambda on, name: draw_needs(name, on.reduced(name), max(on.settings.ks)),
}
CLUSTERING = ("cluster", "measure", "stability", "evidence")
SCORING = ("space", "neighbors", "outliers", "cluster distances")
RUN = ("ingest", "reduce", *CLUSTERING, *SCORING, "draw")


def _of_all_sets(on: Shapes) -> dict[str, list[Need]]:
    """What each step takes that finds the outliers of all sets together."""
    scored = [_scored(on, name) for name in on.sets]
    n_rows, k = scored[0].n_rows, on.settings.n_neighbors
    largest = max(rows.rows_a_block for rows in scored)
    grouped = {"groups": group_needs(n_rows)} if _is_grouped(on) else {}
    is_scanned = on.settings.scan_images and on.has_images
    return {
        **grouped,
        **({"scan": [scan_need(n_rows)]} if is_scanned else {}),
        "suspects": flagging_needs(n_rows, on.has_images),
        "outlier tables": outlier_table_needs(n_rows, largest, k),
        "duplicates": duplicate_needs(n_rows, largest, k),
        "draw outliers": draw_outlier_needs(n_rows),
    }


def step_needs(on: Shapes, steps: Sequence[str]) -> dict[tuple[str | None, str], list[Need]]:
    """The needs of steps: of each set by its name, of all sets together by None."""
    needs: dict[tuple[str | None, str], list[Need]] = {
        (name, step): OF_SET[step](on, name) for name in on.sets for step in steps
    }
    if "outliers" in steps:
        needs |= {(None, step): of_step for step, of_step in _of_all_sets(on).items()}
    return {place: of_step for place, of_step in needs.items() if of_step}


def check_budget(on: Shapes, steps: Sequence[str], least: Callable[[], int] | None = None) -> None:
    """Refuse a budget that any of the steps exceeds.

    Raises
    ------
    MemoryBudgetError
        It names the step that needs most, and the `least` that would do for all: by default what
        this step needs, for what is stored does not follow the budget.
    """
    needs = step_needs(on, steps).values()
    Budget(on.settings.memory_bytes).check((need for of_step in needs for need in of_step), least)


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
    raw = mixed_shape(job, mixture)
    settings = job.settings.having(scaling="none")
    check_n_clusters(settings, raw.n_rows)
    check_budget(Expected({mixture.own_name: raw}, settings), ("mix", "reduce", *CLUSTERING))


@dataclass(frozen=True)
class Inputs:
    """A case whose files have been opened and found to agree."""

    case: CaseFolder
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


def _opened(path: Path, case: CaseFolder) -> ArraySource:
    try:
        return open_source(path)
    except SourceError as error:
        others = [name for name, other in case.descriptors.items() if other != path]
        if not others:
            raise
        raise SourceError(f"{error}; or leave it out: --descriptors {','.join(others)}") from error


def plan_steps(inputs: Inputs, settings: Settings, steps: Sequence[str] = RUN) -> list[Planned]:
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
    expected = _expected(inputs, settings)
    check_budget(expected, steps, lambda: least_memory(inputs, settings, steps))
    budget = Budget(settings.memory_bytes)
    n_threads = settings.workers or available_cpus()
    return [
        planned(step, name, needs, budget, n_threads)
        for (name, step), needs in step_needs(expected, steps).items()
    ]


def least_memory(inputs: Inputs, settings: Settings, steps: Sequence[str] = RUN) -> int:
    """The smallest budget, in bytes, that a plan accepts."""
    least = 1
    # Wide rows are sketched in small budgets and not in large ones: the need depends on it.
    while True:
        needs = step_needs(_expected(inputs, settings.having(memory=least)), steps).values()
        needed = max(need.smallest for of_step in needs for need in of_step)
        if needed <= least:
            return least
        least = needed


def _expected(inputs: Inputs, settings: Settings) -> Expected:
    raw = {name: Rows(source) for name, source in inputs.sources.items()}
    return Expected(raw, settings, has_images=inputs.case.images is not None)
