"""The steps of a run as lists: what each takes on a case, and whether all fit the budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamclust.choice import GatherEvidence, MeasureClusterings, MeasureStability
from streamclust.clustering import Cluster
from streamclust.comparison import Mix, MixedSet, mixed_shape
from streamclust.errors import SettingsError
from streamclust.figures import DrawSet
from streamclust.images import GroupRows, Images, ScanImages, StorePaths, check_group, is_grouped
from streamclust.labelling import WriteTables
from streamclust.memory import Budget
from streamclust.outliers import (
    DrawOutliers,
    FindDuplicates,
    FindNeighbors,
    FlagOutliers,
    MeasureClusterDistances,
    ReduceForScores,
    ScoreRows,
    WriteOutliers,
)
from streamclust.passes import Rows, available_cpus
from streamclust.reduction import Ingest, Reduce, expected_components, is_sketched, reduced_like
from streamclust.settings import AUTO, Settings
from streamclust.sources import (
    ArraySource,
    CaseFolder,
    CaseInputs,
    CaseLike,
    find_case,
    open_sets,
    rounded,
)
from streamclust.steps import CaseShapes, Job, Planned, Step, check_budget, planned


@dataclass(frozen=True)
class Inputs:
    """A case whose files have been opened and found to agree."""

    case: CaseFolder
    sources: dict[str, ArraySource]
    n_rows: int


def open_inputs(case: CaseLike | CaseInputs, settings: Settings) -> Inputs:
    """Find a case and open its files.

    Raises
    ------
    SourceError
        When there is no case, a file cannot be used, or the numbers of rows differ.
    SettingsError
        When rows are to be grouped by a column that the list of paths does not have.
    """
    found = find_case(case, settings.descriptors)
    found, sources, n_rows = open_sets(found)
    stored = {name: rounded(source, settings.store_dtype) for name, source in sources.items()}
    inputs = Inputs(found, stored, n_rows)
    if inputs.case.paths_file is not None:
        check_group(settings.group, [inputs.case.paths_file])
    return inputs


class ExpectedShapes:
    """Sets before anything of them is stored.

    Parameters
    ----------
    raw : mapping of str to Rows
        What each set will hold.
    settings : Settings
    has_images, has_paths : bool
    """

    def __init__(
        self,
        raw: Mapping[str, Rows],
        settings: Settings,
        *,
        has_images: bool = False,
        has_paths: bool = True,
    ) -> None:
        self._raw = raw
        self.settings = settings
        self.has_images = has_images
        self.has_paths = has_paths

    @property
    def n_rows(self) -> int:
        return next(iter(self._raw.values())).n_rows

    def raw(self, name: str) -> Rows:
        return self._raw[name]

    def reduced(self, name: str) -> Rows:
        raw = self._raw[name]
        return reduced_like(raw, expected_components(self.settings, raw.n_columns))

    def is_sketched(self, name: str) -> bool:
        return is_sketched(self._raw[name].n_columns, Budget(self.settings.memory_bytes))

    def n_clusters(self, name: str) -> int | None:
        return max(self.settings.ks)


def clustering_steps(set_name: str, algorithms: Sequence[str], ks: Sequence[int]) -> list[Step]:
    """Cluster a set by every algorithm into every k, and measure what that gives."""
    return [
        *(Cluster(set_name, algorithm, ks) for algorithm in algorithms),
        *(MeasureClusterings(set_name, algorithm, ks) for algorithm in algorithms),
        *(MeasureStability(set_name, algorithm, ks) for algorithm in algorithms),
        GatherEvidence(set_name, [*ks] * len(algorithms)),
    ]


def scoring_steps(set_name: str) -> list[Step]:
    """Score the rows of a set."""
    return [
        ReduceForScores(set_name),
        FindNeighbors(set_name),
        ScoreRows(set_name),
        MeasureClusterDistances(set_name),
    ]


def outlier_steps(on: CaseShapes, sets: Sequence[str], images: Path | Images | None) -> list[Step]:
    """Score the rows of sets, flag outliers, and tell of them."""
    steps: list[Step] = [GroupRows()] if is_grouped(on) else []
    for name in sets:
        steps += scoring_steps(name)
    if on.settings.scan_images and images is not None:
        steps.append(ScanImages(images))
    return [*steps, *flagging_steps(sets)]


def flagging_steps(sets: Sequence[str]) -> list[Step]:
    """Flag the outliers of sets whose rows are scored, and tell of them."""
    return [FlagOutliers(sets), WriteOutliers(sets), FindDuplicates(sets), DrawOutliers()]


def run_steps(inputs: Inputs, settings: Settings) -> list[Step]:
    """The steps of a run on all sets of a case."""
    sets = list(inputs.sources)
    steps = ingesting_steps(inputs)
    steps += [Reduce(name) for name in sets]
    for name in sets:
        steps += clustering_steps(name, settings.algorithms, settings.ks)
    steps += outlier_steps(_expected(inputs, settings), sets, inputs.case.images)
    return [*steps, WriteTables(sets), *(DrawSet(name) for name in sets)]


def ingesting_steps(inputs: Inputs) -> list[Step]:
    """Store the paths and the sets of a case."""
    return [*path_steps(inputs), *(Ingest(name, file) for name, file in inputs.sources.items())]


def path_steps(inputs: Inputs) -> list[Step]:
    """Store the paths of a case, if it has a list of them."""
    case = inputs.case
    if case.paths_file is None:
        return []
    return [StorePaths(case.paths_file, case.images, inputs.n_rows, case.paths_state)]


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


def check_mixed_set(job: Job, mixture: MixedSet) -> Rows:
    """Refuse a mixed set whose rows are too few for the clusters asked for, or which the budget
    does not allow to be mixed, reduced and clustered; gives the rows that it will have.

    Raises
    ------
    SettingsError, MemoryBudgetError
        As `plan_steps`, and as `comparison.mixed_sets.mixed_shape`.
    """
    raw, name = mixed_shape(job, mixture), mixture.own_name
    settings = job.settings.having(scaling="none")
    check_n_clusters(settings, raw.n_rows)
    steps: list[Step] = [Mix(mixture, raw), Reduce(name)]
    steps += clustering_steps(name, settings.algorithms, settings.ks)
    check_budget(ExpectedShapes({name: raw}, settings), steps)
    return raw


def plan_steps(inputs: Inputs, settings: Settings, steps: Sequence[Step]) -> list[Planned]:
    """What each step will take, before anything is read.

    Where the number of components depends on the data, the most there may be are reckoned with.

    Raises
    ------
    SettingsError
        When more clusters are asked for than there are rows.
    MemoryBudgetError
        When a step does not fit the budget: the message names the one that needs most, and the
        least that would do for all.
    """
    if any(isinstance(step, Cluster) for step in steps):
        check_n_clusters(settings, inputs.n_rows)
    expected = _expected(inputs, settings)
    check_budget(expected, steps, lambda: least_memory(inputs, settings, steps))
    budget = Budget(settings.memory_bytes)
    n_threads = settings.workers or available_cpus()
    return [
        planned(step.name, step.of, needs, budget, n_threads)
        for step in steps
        if (needs := step.needs(expected))
    ]


def least_memory(inputs: Inputs, settings: Settings, steps: Sequence[Step]) -> int:
    """The smallest budget, in bytes, that a plan accepts."""
    least = 1
    # Wide rows are sketched in small budgets and not in large ones: the need depends on it.
    while True:
        expected = _expected(inputs, settings.having(memory=least))
        needed = max(need.smallest for step in steps for need in step.needs(expected))
        if needed <= least:
            return least
        least = needed


def _expected(inputs: Inputs, settings: Settings) -> ExpectedShapes:
    raw = {name: Rows(source) for name, source in inputs.sources.items()}
    case = inputs.case
    there = {"has_images": case.images is not None, "has_paths": case.paths_file is not None}
    return ExpectedShapes(raw, settings, **there)
