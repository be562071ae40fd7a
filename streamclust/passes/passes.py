"""The ways to go through all rows: reduce them, fold over them, write new ones, stream them."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar, overload

import numpy as np

from streamclust.events import Events
from streamclust.passes.blocks import Block, Rows, Span
from streamclust.passes.executors import LocalExecutor, Reduction

# Blocks that a fold mixes: part of the result, hence not of the budget.
BLOCKS_A_WINDOW = 4

# Turns rows, and the extras that belong to them, into the same rows of each output.
Transform = Callable[..., tuple[np.ndarray, ...]]

A = TypeVar("A")  # an Accumulator; each names the extras it takes, which a bound cannot say
L = TypeVar("L", bound="Learner")
T = TypeVar("T")


class Executor(Protocol):
    """Runs tasks: the one thing that differs between a laptop and a cluster."""

    n_workers: int
    threads_a_process: int

    def capacity(self, in_flight: int | None) -> int: ...

    def map(
        self, task: Callable[[Any], Any], items: Iterable[Any], in_flight: int | None = None
    ) -> Iterator[Any]: ...

    def reduce(
        self,
        task: Reduction,
        items: Iterable[Any],
        in_flight: int | None = None,
        done: Callable[[Any], None] = ...,
        tell: Callable[[Any], Any] | None = None,
    ) -> Any: ...

    def peak(self) -> int: ...

    def close(self) -> None: ...


class Accumulator(Protocol):
    """What a `reduce` pass needs of a statistic."""

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See a block: rows of the data, and of the arrays that go with it."""

    def merge(self, other: Self) -> None:
        """Take in what another accumulator of the same settings saw."""

    def result(self) -> Any:
        """Tell what was accumulated."""


class Learner(Protocol):
    """Learns from batches of rows; their order matters."""

    def partial_fit(self, values: np.ndarray, *extras: np.ndarray) -> Any: ...


@dataclass(frozen=True)
class Passes:
    """Runs passes on an executor and tells `events` how they go.

    Parameters
    ----------
    executor : Executor
    events : Events
    in_flight : int, optional
        Blocks in a process's memory at once, as the budget allows; one more than its workers by
        default.
    about : str
        What the passes are of, for the events: the name of a descriptor set.
    """

    executor: Executor = field(default_factory=lambda: LocalExecutor(1))
    events: Events = field(default_factory=Events)
    in_flight: int | None = None
    about: str = ""

    def _named(self, name: str) -> str:
        return f"{self.about}: {name}" if self.about else name

    @overload
    def reduce(self, name: str, rows: Rows, accumulator: A, blocks_a_task: int = 1) -> A: ...

    @overload
    def reduce(
        self,
        name: str,
        rows: Rows,
        accumulator: A,
        blocks_a_task: int = 1,
        *,
        tell: Callable[[A], T],
    ) -> T: ...

    def reduce(
        self,
        name: str,
        rows: Rows,
        accumulator: Any,
        blocks_a_task: int = 1,
        *,
        tell: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Show every row to copies of an empty `accumulator` and merge them in row order.

        Gives what they were merged into, or what `tell`, which can be pickled, makes of it where
        that was done: a little of a large one.
        """
        spans = rows.spans(blocks_a_task * rows.rows_a_block)
        return self._merged(name, rows, _Reduce(rows, accumulator), spans, tell)

    def write(
        self,
        name: str,
        rows: Rows,
        transform: Transform,
        outputs: Sequence[Any],
        accumulator: Any = None,
        blocks_a_task: int = 1,
    ) -> Any:
        """Write ``transform(rows)`` to the same rows of `outputs`, Zarr arrays chunked alike.

        Rows that are not valid get the output's fill value. `accumulator` sees, in the same
        pass, the rows and what became of them: ``update(values, *results)``.
        """
        chunk = outputs[0].chunks[0]
        spans = rows.spans(max(chunk, blocks_a_task * rows.rows_a_block))
        task = _Write(rows, transform, tuple(outputs), accumulator)
        return self._merged(name, rows, task, spans)

    def _merged(
        self,
        name: str,
        rows: Rows,
        task: Any,
        spans: list[Span],
        tell: Callable[[Any], Any] | None = None,
    ) -> Any:
        with self.events.passing(self._named(name), rows.n_rows) as advance:
            if task.accumulator is None:
                done = self.executor.map(task, spans, self.in_flight)
                for span, _ in zip(spans, done, strict=True):
                    advance(len(span))
                return None
            return self.executor.reduce(
                task, spans, self.in_flight, lambda span: advance(len(span)), tell
            )

    def fold(
        self,
        name: str,
        rows: Rows,
        learners: Sequence[L],
        *,
        batch_rows: int,
        seed: int,
    ) -> list[L]:
        """Let independent `learners` see all rows once, in shuffled, mixed batches.

        Blocks are visited in shuffled order, a window of them at a time, and batches are drawn
        across the window: neighbours in the file are seldom independent. The learners are
        dealt to the workers, each of which reads the window once for all of its own, so
        neither their number nor the executor changes what one learns.
        """
        shuffle = np.random.default_rng(seed)
        spans = rows.spans()
        order = [spans[i] for i in shuffle.permutation(len(spans))]
        windows = [order[i : i + BLOCKS_A_WINDOW] for i in range(0, len(order), BLOCKS_A_WINDOW)]
        n_groups = min(self.executor.capacity(self.in_flight), len(learners))
        groups = [list(learners[i::n_groups]) for i in range(n_groups)]
        with self.events.passing(self._named(name), rows.n_rows) as advance:
            for number, window in enumerate(windows):
                task = _Learn(rows, tuple(window), batch_rows, (seed, number))
                groups = list(self.executor.map(task, groups, self.in_flight))
                advance(sum(map(len, window)))
        learned: list[L] = list(learners)
        for i, group in enumerate(groups):
            learned[i::n_groups] = group
        return learned

    def stream(
        self, name: str, spans: Sequence[Span], task: Callable[[Span], T]
    ) -> Iterator[tuple[Span, T]]:
        """Give what a task makes of spans of rows, in their order, a few of them in memory at a
        time: for what is written into files as it comes."""
        with self.events.passing(self._named(name), sum(map(len, spans))) as advance:
            made = self.executor.map(task, spans, self.in_flight)
            for span in spans:
                yield span, next(made)
                advance(len(span))

    def over(self, *arrays: Any) -> "Passes":
        """For passes over arrays, of which some may be read quickly in their order only."""
        is_sequential = any(getattr(array, "is_sequential", False) for array in arrays)
        return self.in_turn if is_sequential else self

    @property
    def in_turn(self) -> "Passes":
        """The same passes, block after block in this process: for rows that are but copied."""
        return replace(self, executor=LocalExecutor(1), in_flight=1)

    def map(self, name: str, task: Callable[[Any], Any], items: Sequence[Any], unit: str) -> list:
        """Run independent pieces of work that are no rows, such as one for each k."""
        done = self.executor.map(task, items, self.in_flight)
        return list(self.events.track(done, self._named(name), len(items), unit))


@dataclass(frozen=True)
class _Reduce:
    rows: Rows
    accumulator: Accumulator

    def __call__(self, span: Span) -> Accumulator:
        accumulator = copy.deepcopy(self.accumulator)
        for block in self.rows.blocks(span):
            accumulator.update(block.values, *block.extras)
        return accumulator


@dataclass(frozen=True)
class _Write:
    rows: Rows
    transform: Transform
    outputs: tuple[Any, ...]
    accumulator: Accumulator | None

    def __call__(self, span: Span) -> Accumulator | None:
        accumulator = copy.deepcopy(self.accumulator)
        chunk = self.outputs[0].chunks[0]
        for start in range(span.start, span.stop, chunk):
            self._write_chunk(Span(start, min(start + chunk, span.stop)), accumulator)
        return accumulator

    def _write_chunk(self, chunk: Span, accumulator: Accumulator | None) -> None:
        buffers: list[np.ndarray] | None = None
        for block in self.rows.blocks(chunk):
            results = self.transform(block.values, *block.extras)
            if accumulator is not None:
                accumulator.update(block.values, *results)
            if block.mask is None and len(block.span) == len(chunk):
                buffers = list(results)
                break
            if buffers is None:
                buffers = [
                    np.full((len(chunk), *out.shape[1:]), out.fill_value, out.dtype)
                    for out in self.outputs
                ]
            _place(block, chunk, results, buffers)
        for out, buffer in zip(self.outputs, buffers or (), strict=True):
            out[chunk.start : chunk.stop] = buffer


def _place(
    block: Block, chunk: Span, results: tuple[np.ndarray, ...], buffers: list[np.ndarray]
) -> None:
    part = slice(block.span.start - chunk.start, block.span.stop - chunk.start)
    for result, buffer in zip(results, buffers, strict=True):
        buffer[part][... if block.mask is None else block.mask] = result


@dataclass(frozen=True)
class _Learn:
    rows: Rows
    window: tuple[Span, ...]
    batch_rows: int
    seed: tuple[int, int]

    def __call__(self, learners: list[Learner]) -> list[Learner]:
        blocks = [self.rows.read(span) for span in self.window]
        columns = [[block.values for block in blocks]]
        columns += map(list, zip(*(block.extras for block in blocks), strict=True))
        joined = [np.concatenate(column) for column in columns]
        del blocks, columns
        order = np.random.default_rng(self.seed).permutation(len(joined[0]))
        # A short last batch would weigh its few rows as much as a full one's: it joins its
        # predecessor.
        n_batches = max(1, len(order) // self.batch_rows)
        for batch in np.array_split(order, n_batches) if len(order) else ():
            taken = [column[batch] for column in joined]
            for learner in learners:
                learner.partial_fit(*taken)
        return learners
