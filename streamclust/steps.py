"""A step of a run, and the job it works for: the workspace, the budget, the clock, the record."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from streamclust.errors import SettingsError
from streamclust.events import Events, StepFinished
from streamclust.memory import LIBRARIES, Budget, Need, reset_peak, resident, return_freed_memory
from streamclust.passes import Executor, Passes, Rows
from streamclust.settings import Settings
from streamclust.store import (
    DescriptorSet,
    Outputs,
    Workspace,
    has_images,
    n_rows_of_case,
    recommended_clustering,
    stored_paths,
)


class CaseShapes(Protocol):
    """What steps reckon their memory from: sets that are stored, or only expected of a case.

    Attributes
    ----------
    settings : Settings
    n_rows : int
        Of every set.
    has_images, has_paths : bool
    """

    settings: Settings

    @property
    def n_rows(self) -> int: ...

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

    def n_clusters(self, name: str) -> int | None:
        """Clusters of the recommended clustering; where it is only expected, the most there may be;
        None where there is none."""


def step_title(name: str, set_name: str | None = None, part: str | None = None) -> str:
    """What a step is called in messages."""
    return f"{name}{f' of {set_name}' if set_name else ''}{f' by {part}' if part else ''}"


class Step(ABC):
    """A piece of work of a run, with a result that is kept whole.

    Skipping, timing and record follow from lists of these, see `Job.run`; plan and refusal, see
    `streamclust.planning`.

    Attributes
    ----------
    name : str
        In plans, records and fingerprints.
    """

    name: ClassVar[str]

    @property
    def of(self) -> tuple[str | None, str | None]:
        """Set and part that it works on."""
        return None, None

    @property
    def title(self) -> str:
        """Its name in messages."""
        return step_title(self.name, *self.of)

    @abstractmethod
    def needs(self, on: CaseShapes) -> list[Need]:
        """What it holds at its peaks, beyond the libraries; nothing where there is no work."""

    def fingerprint(self, job: "Job") -> str:
        """What its result follows from: settings, and the fingerprints of what it reads; empty
        where what is stored tells what is left to do."""
        return ""

    def restore(self, job: "Job", mark: str) -> bool:
        """Put the result with this fingerprint in its place, if it was ever made, and aside what
        stands there of other settings; whether it is there now."""
        return False

    @abstractmethod
    def work(self, job: "Job", passes: Passes, mark: str) -> None:
        """Make the result, and keep it under its fingerprint."""

    def n_rows(self, on: CaseShapes) -> int:
        """How many rows it works on, for the record."""
        return on.n_rows


class SetStep(Step):
    """A step on one descriptor set.

    Attributes
    ----------
    set_name : str
    """

    set_name: str

    @property
    def of(self) -> tuple[str | None, str | None]:
        return self.set_name, None


class PartStep(SetStep):
    """A step on a part of a set's results.

    Attributes
    ----------
    set_name : str
    part : str
        Such as an algorithm, or a layout.
    """

    part: str

    @property
    def of(self) -> tuple[str | None, str | None]:
        return self.set_name, self.part


def check_budget(
    on: CaseShapes, steps: Iterable[Step], least: Callable[[], int] | None = None
) -> None:
    """Refuse a budget that any of the steps exceeds.

    Raises
    ------
    MemoryBudgetError
        It names the step that needs most, and the `least` that would do for all: by default what
        this step needs, for what is stored does not follow the budget.
    """
    needs = {step.title: step.needs(on) for step in steps}
    Budget(on.settings.memory_bytes).check(needs, least)


@dataclass(frozen=True)
class Planned:
    """The memory plan of a step: on a set, and a part of it, such as an algorithm, if any."""

    step: str
    set_name: str | None
    part: str | None
    needs: tuple[Need, ...]
    in_flight: int
    peak: int


def planned(
    name: str,
    of: tuple[str | None, str | None],
    needs: Sequence[Need],
    budget: Budget,
    n_threads: int,
    left: int = 0,
) -> Planned:
    """How many blocks a step may have in flight, and what it will take.

    Parameters
    ----------
    name : str
    of : (set, part)
    needs : sequence of Need
    budget : Budget
    n_threads : int
        Of each process.
    left : int
        Bytes that earlier steps of the process left behind: they leave less to the blocks.

    Raises
    ------
    MemoryBudgetError
        When the step does not fit, in a process where nothing is left.
    """
    budget.check({step_title(name, *of): needs})
    needs = sorted(needs or [Need()], key=lambda need: -need.smallest)
    in_flight = min(budget.in_flight(need, n_threads + 1, left) for need in needs)
    peak = max(need.peak(in_flight) for need in needs)
    peak = max(peak, min(peak + left, budget.total))
    return Planned(name, *of, tuple(needs), in_flight, peak)


@dataclass(frozen=True)
class Job:
    """One run on one workspace.

    Parameters
    ----------
    workspace : Workspace
    settings : Settings
    executor : Executor
    events : Events
    """

    workspace: Workspace
    settings: Settings
    executor: Executor
    events: Events = field(default_factory=Events)

    @property
    def outputs(self) -> Outputs:
        """The files of the results folder."""
        return Outputs(self.workspace.folder, self.events.warn)

    @property
    def budget(self) -> Budget:
        return Budget(self.settings.memory_bytes)

    def chosen(self) -> list[str]:
        """The stored descriptor sets that the settings ask for; those mixed of sets that changed
        since are left out, which is said.

        Raises
        ------
        SettingsError
            When one is not there.
        """
        stored = self.workspace.descriptors
        wanted = self.settings.descriptors or tuple(stored)
        missing = [name for name in wanted if name not in stored]
        if missing or not wanted:
            raise SettingsError(
                f"no descriptor set {', '.join(missing) or 'at all'} in {self.workspace.folder}: "
                f"there are {', '.join(stored) or 'none: run streamclust ingest first'}"
            )
        stale = {name: self.set(name).stale_words for name in wanted}
        for words in filter(None, stale.values()):
            self.events.warn(words)
        return [name for name in wanted if not stale[name]]

    def set(self, name: str) -> DescriptorSet:
        """A stored descriptor set."""
        return DescriptorSet(self.workspace, name)

    def n_valid(self, descriptor: str) -> int:
        """Rows of a set that are not masked."""
        return self.set(descriptor).n_valid

    def rows_of(self, descriptor: str, name: str) -> Rows:
        """The ``raw`` or ``reduced`` rows of a set, with the invalid ones masked."""
        return self.set(descriptor).rows(name)

    def check(self, steps: Iterable[Step]) -> None:
        """Refuse a budget that any of the steps exceeds, before the first is run.

        Raises
        ------
        MemoryBudgetError
            It names the step that needs most.
        """
        check_budget(StoredShapes(self), steps)

    def run(self, steps: Iterable[Step]) -> None:
        """Run steps within the budget, in their order, but for those whose results are there.

        Of each its time and peak memory are told to the events. Where `steps` is an iterator, its
        next step may depend on what came of the one before.

        Raises
        ------
        MemoryBudgetError
            When one does not fit the budget.
        """
        for step in steps:
            set_name, part = step.of
            mark = step.fingerprint(self)
            if step.restore(self, mark):
                self.events.emit(StepFinished(step.name, set_name, 0.0, part, skipped=True))
            else:
                on = StoredShapes(self)
                needs, n_rows = step.needs(on), step.n_rows(on)
                with self.step(step.name, set_name, needs, n_rows, part) as passes:
                    step.work(self, passes, mark)

    @contextmanager
    def step(
        self,
        name: str,
        set_name: str | None,
        needs: Sequence[Need],
        n_rows: int,
        part: str | None = None,
    ) -> Iterator[Passes]:
        """Work within the budget, as a step does: for what is done each time that it is asked for.

        Its time and peak memory are told to the events.
        """
        return_freed_memory()
        reset_peak()
        left = max(0, resident() - LIBRARIES)
        n_threads = self.executor.threads_a_process
        plan = planned(name, (set_name, part), needs, self.budget, n_threads, left)
        started = time.perf_counter()
        about = ", ".join(name for name in (set_name, part) if name)
        yield Passes(self.executor, self.events, plan.in_flight, about)
        self.events.emit(
            StepFinished(
                name,
                set_name,
                part=part,
                seconds=time.perf_counter() - started,
                planned_peak=plan.peak,
                measured_peak=self.executor.peak(),
                in_flight=plan.in_flight,
                rows=n_rows,
            )
        )


class StoredShapes:
    """The shapes of what a workspace holds.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.settings = job.settings

    @property
    def n_rows(self) -> int:
        paths = stored_paths(self._job.workspace)
        return n_rows_of_case(self._job.workspace) if paths is None else int(paths.shape[0])

    @property
    def has_images(self) -> bool:
        return has_images(self._job.workspace)

    @property
    def has_paths(self) -> bool:
        return stored_paths(self._job.workspace) is not None

    def raw(self, name: str) -> Rows:
        return self._job.set(name).rows("raw")

    def reduced(self, name: str) -> Rows:
        return self._job.set(name).rows("reduced")

    def is_sketched(self, name: str) -> bool:
        return self._job.set(name).is_sketched

    def n_clusters(self, name: str) -> int | None:
        recommended = recommended_clustering(self._job.workspace, name)
        return None if recommended is None else recommended.n_clusters
