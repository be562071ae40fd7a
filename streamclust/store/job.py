"""What every step works with: the workspace, the passes, the budget, and the clock."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from streamclust.errors import SettingsError
from streamclust.events import Events, StepFinished
from streamclust.memory import LIBRARIES, Budget, Need, reset_peak, resident, return_freed_memory
from streamclust.passes import Executor, Passes, Rows
from streamclust.settings import Settings
from streamclust.store.descriptors import DescriptorSet
from streamclust.store.workspace import Workspace


@dataclass(frozen=True)
class Planned:
    """The memory plan of a step on one descriptor set."""

    step: str
    descriptor: str | None
    needs: tuple[Need, ...]
    in_flight: int
    peak: int


def planned(
    step: str,
    descriptor: str | None,
    needs: Sequence[Need],
    budget: Budget,
    n_threads: int,
    left: int = 0,
) -> Planned:
    """How many blocks a step may have in flight, and what it will take.

    Parameters
    ----------
    left : int
        Bytes that earlier steps of the process left behind: they leave less to the blocks.

    Raises
    ------
    MemoryBudgetError
        When the step does not fit, in a process where nothing is left.
    """
    needs = sorted(needs, key=lambda need: -need.smallest)
    in_flight = min(budget.in_flight(need, n_threads + 1, left) for need in needs)
    peak = max(need.peak(in_flight) for need in needs)
    peak = max(peak, min(peak + left, budget.total))
    return Planned(step, descriptor, tuple(needs), in_flight, peak)


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

    @contextmanager
    def step(
        self,
        step: str,
        descriptor: str | None,
        needs: Sequence[Need],
        rows: int,
        algorithm: str | None = None,
    ) -> Iterator[Passes]:
        """Run a step within the budget; its time and peak memory are told to the events."""
        return_freed_memory()
        reset_peak()
        left = max(0, resident() - LIBRARIES)
        n_threads = self.executor.threads_a_process
        plan = planned(step, descriptor, needs, self.budget, n_threads, left)
        started = time.perf_counter()
        about = ", ".join(name for name in (descriptor, algorithm) if name)
        yield Passes(self.executor, self.events, plan.in_flight, about)
        self.events.emit(
            StepFinished(
                step,
                descriptor,
                algorithm=algorithm,
                seconds=time.perf_counter() - started,
                planned_peak=plan.peak,
                measured_peak=self.executor.peak(),
                in_flight=plan.in_flight,
                rows=rows,
            )
        )

    def skip(self, step: str, descriptor: str | None, algorithm: str | None = None) -> None:
        """Tell that a step's result is there already."""
        self.events.emit(
            StepFinished(step, descriptor, algorithm=algorithm, seconds=0.0, skipped=True)
        )
