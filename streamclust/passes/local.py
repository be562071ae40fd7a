"""The executor of one machine: threads over blocks, one BLAS thread each."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from streamclust.memory import peak_resident


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
        from threadpoolctl import threadpool_limits

        window = in_flight or self.n_workers + 1
        with threadpool_limits(limits=1):
            if self.capacity(window) == 1:
                yield from map(task, items)
                return
            # OpenMP's limit belongs to the thread that sets it, hence the initializer.
            with ThreadPoolExecutor(
                self.capacity(window), "streamclust", threadpool_limits, (1,)
            ) as pool:
                yield from in_order(lambda item: pool.submit(task, item), items, window)

    def peak(self) -> int:
        """Peak resident memory of the process in bytes."""
        return peak_resident()

    def close(self) -> None:
        """Nothing is kept between passes."""
