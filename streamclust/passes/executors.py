"""Executors: threads over blocks on one machine, and the same tasks through a dask scheduler."""

import functools
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol
from urllib.parse import urlsplit

from streamclust.errors import ClusterError, StreamclustError
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
        from streamclust.passes.blas import one_blas_thread

        window = in_flight or self.n_workers + 1
        with one_blas_thread():
            if self.capacity(window) == 1:
                yield from map(task, items)
                return
            # OpenMP's limit belongs to the thread that sets it, hence the initializer.
            with ThreadPoolExecutor(self.capacity(window), "streamclust", one_blas_thread) as pool:
                yield from in_order(lambda item: pool.submit(task, item), items, window)

    def peak(self) -> int:
        """Peak resident memory of the process in bytes."""
        return peak_resident()

    def close(self) -> None:
        """Nothing is kept between passes."""


def _knock(address: str, timeout: float) -> None:
    """Refuse an address where nobody listens: a `Client` tries it for a minute, then complains
    from its destructor."""
    target = urlsplit(address)
    try:
        host, port = target.hostname, target.port
    except ValueError:
        host, port = None, None
    if not (target.scheme and host and port):
        raise ClusterError(f"{address!r} is no scheduler's address: write tcp://host:port")
    try:
        socket.create_connection((host, port), timeout).close()
    except OSError as error:
        raise ClusterError(
            f"no dask scheduler at {address} ({error}): start one with dask scheduler"
        ) from error


@functools.cache
def _single_blas_thread() -> None:
    # For good: a limit that is lifted again would be lifted under the process's other tasks.
    from streamclust.passes.blas import one_blas_thread

    one_blas_thread()


@functools.cache
def _slots(in_flight: int) -> threading.BoundedSemaphore:
    """Of this worker process: as many of its threads as the budget allows go on at once."""
    return threading.BoundedSemaphore(in_flight)


def _run(task: Callable[[Any], Any], item: Any, in_flight: int) -> tuple[Any, int]:
    _single_blas_thread()
    with _slots(in_flight):
        return task(item), peak_resident()


class DaskExecutor:
    """Runs tasks on the workers of a dask scheduler.

    Tasks carry the paths of arrays and small state, never rows: every worker must see the
    case and the results under the same paths, as on a cluster's shared file system.

    Parameters
    ----------
    address : str
        The scheduler's address, e.g. ``tcp://10.0.0.1:8786``.
    timeout : float
        Seconds to wait for the scheduler.

    Raises
    ------
    ClusterError
        When the scheduler does not answer, has no workers, or a task fails on them.
    """

    def __init__(self, address: str, timeout: float = 30) -> None:
        from distributed import Client

        _knock(address, timeout)
        self.client = Client(address, timeout=timeout, set_as_default=False)
        try:
            self.client.wait_for_workers(1, timeout=timeout)
        except TimeoutError as error:
            self.client.close()
            raise ClusterError(
                f"the dask scheduler at {address} has no workers: dask worker {address}"
            ) from error
        threads = self.client.nthreads().values()
        self.n_workers = sum(threads)
        self.threads_a_process = max(threads)
        self._peak = 0

    def capacity(self, in_flight: int | None) -> int:
        """Tasks that run at once: in each worker process, its threads or `in_flight`."""
        threads = self.client.nthreads().values()
        return max(1, sum(min(n, in_flight or n) for n in threads))

    def map(
        self, task: Callable[[Any], Any], items: Iterable[Any], in_flight: int | None = None
    ) -> Iterator[Any]:
        """Yield ``task(item)`` for each item, in order, at most `in_flight` in a process."""
        # Scattered once: a task may carry megabytes of centres, and items are many.
        carried = self.client.scatter([task], broadcast=True, hash=False)[0]
        slots = in_flight or self.threads_a_process
        try:
            for result, peak in in_order(
                lambda item: self.client.submit(_run, carried, item, slots, pure=False),
                items,
                self.capacity(in_flight) + 1,
            ):
                self._peak = max(self._peak, peak)
                yield result
        except StreamclustError:
            raise
        except Exception as error:
            raise ClusterError(f"a task failed on the cluster: {error!r}") from error

    def peak(self) -> int:
        """Peak resident memory of this process or of a worker, whichever is more, in bytes."""
        return max(self._peak, peak_resident())

    def close(self) -> None:
        """Leave the scheduler; it and its workers go on."""
        self.client.close()
