"""Executors run tasks: the threads of one machine here, a dask scheduler in `dask_executor`."""

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from streamclust.memory import peak_resident
from streamclust.passes.threads import single_threaded

T = TypeVar("T")


class Reduction(Protocol):
    """A task whose results are merged.

    Attributes
    ----------
    accumulator : Any
        An empty one, with `merge`.
    """

    @property
    def accumulator(self) -> Any: ...

    def __call__(self, item: Any) -> Any: ...


class Future(Protocol):
    """What a pool or a scheduler returns for a task."""

    def result(self) -> Any: ...

    def cancel(self) -> Any: ...


def in_order(
    submit: Callable[[Any], Future], items: Iterable[Any], in_flight: int
) -> Iterator[Any]:
    """Submit `items` with at most `in_flight` results unfetched; yield them in item order.

    The window is what bounds memory: a slow first task holds back those behind it instead of
    letting their results pile up.
    """
    pending: deque[Future] = deque()
    try:
        for item in items:
            if len(pending) >= in_flight:
                yield pending.popleft().result()
            pending.append(submit(item))
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def available_cpus() -> int:
    """Processors this process may use (a batch job or a container may have been given few)."""
    from joblib import cpu_count

    return int(cpu_count())


def _single_threaded(task: Callable[[Any], Any], item: Any) -> Any:
    with single_threaded():
        return task(item)


class LocalExecutor:
    """Runs tasks on `n_workers` threads (all processors of the process by default).

    BLAS and OpenMP are held to one thread inside tasks: the blocks are the parallelism, and a
    product's rounding then does not depend on how many threads there are.
    """

    def __init__(self, n_workers: int | None = None) -> None:
        self.n_workers = n_workers or available_cpus()
        self.threads_a_process = self.n_workers

    def capacity(self, in_flight: int | None) -> int:
        """Tasks that run at once."""
        return min(self.n_workers, in_flight or self.n_workers)

    def map(
        self, task: Callable[[Any], Any], items: Iterable[Any], in_flight: int | None = None
    ) -> Iterator[Any]:
        """Yield ``task(item)`` for each item, in order, at most `in_flight` at once."""
        window = in_flight or self.n_workers + 1
        # What goes through the results is held, too: it merges them.
        with single_threaded():
            if self.capacity(window) == 1:
                yield from map(task, items)
                return
            with ThreadPoolExecutor(self.capacity(window), "streamclust") as pool:
                yield from in_order(
                    lambda item: pool.submit(_single_threaded, task, item), items, window
                )

    def reduce(
        self,
        task: Reduction,
        items: Iterable[T],
        in_flight: int | None = None,
        done: Callable[[T], None] = lambda item: None,
        tell: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Merge ``task(item)`` of each item, in order; `done` is told each. Gives the total, or
        what `tell` makes of it."""
        items, total = list(items), copy.deepcopy(task.accumulator)
        parts = self.map(task, items, in_flight)
        for item in items:
            part = next(parts)
            total.merge(part)
            # A part may be a matrix of all columns: it must not outlive the next one's making.
            del part
            done(item)
        with single_threaded():
            return total if tell is None else tell(total)

    def peak(self) -> int:
        """Peak resident memory of the process in bytes."""
        return peak_resident()

    def close(self) -> None:
        """Nothing is kept between passes."""
