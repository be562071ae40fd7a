"""The same tasks on the workers of a dask scheduler, any of which may be lost at any time."""

import copy
import functools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

from distributed import Client, KilledWorker, get_worker
from distributed import Future as DaskFuture
from distributed.client import AllExit

from streamclust.errors import ClusterError, StreamclustError
from streamclust.memory import peak_resident
from streamclust.passes.executors import Reduction, in_order
from streamclust.passes.parcels import Frames, aligned, packed, unpacked
from streamclust.passes.schedulers import knock, scheduler_address
from streamclust.passes.threads import arithmetic, single_threaded
from streamclust.passes.workers import Workers

T = TypeVar("T")

# Seconds: that the scheduler may take to answer, between two looks at it while a result is waited
# for, and at first for a result that is there.
ANSWERS_WITHIN = 20.0
BETWEEN_LOOKS = 5.0
PATIENCE = 30.0

# Parts merged on the workers before their total comes to the client: what is lost with the worker
# that holds it is made again.
PARTS_A_TOTAL = 64


class Done(NamedTuple):
    """What a task gives.

    Attributes
    ----------
    value : Any
        Packed where the client is to have it.
    peak : int
        Resident memory of the process that made it, at most, in bytes.
    arithmetics : frozenset of (str, str)
        Addresses of the workers that made it, and what the last bits of each follow from.
    """

    value: Any
    peak: int = 0
    arithmetics: frozenset[tuple[str, str]] = frozenset()


@functools.cache
def _slots(in_flight: int) -> threading.BoundedSemaphore:
    """Of this worker process: as many of its threads as the budget allows go on at once."""
    return threading.BoundedSemaphore(in_flight)


def _done(value: Any, *before: Done) -> Done:
    here = (get_worker().address, arithmetic())
    return Done(
        value,
        max(peak_resident(), *(one.peak for one in before), 0),
        frozenset([here]).union(*(one.arithmetics for one in before)),
    )


def _unpack(*frames: bytes) -> Any:
    return unpacked(frames)


def _run(task: Callable[[Any], Any], in_flight: int, *item: bytes) -> Done:
    with _slots(in_flight), single_threaded():
        return _done(aligned(task)(unpacked(item)))


def _itself(frame: bytes) -> bytes:
    return frame


def _empty(task: Any) -> Done:
    return Done(task.accumulator)


def _merge(total: Done, part: Done, in_flight: int) -> Done:
    # What a task is given stays as it is: it may be given to it again, elsewhere.
    with _slots(in_flight), single_threaded():
        merged = copy.deepcopy(aligned(total.value))
        merged.merge(aligned(part.value))
        return _done(merged, total, part)


def _tell(total: Done, tell: Callable[[Any], Any] | None) -> Done:
    with single_threaded():
        return total if tell is None else _done(aligned(tell)(aligned(total.value)), total)


def _pack(done: Done, known: frozenset[bytes]) -> Done:
    return _done(packed(done.value, known), done)


def _run_and_pack(
    task: Callable[[Any], Any], known: frozenset[bytes], in_flight: int, *item: bytes
) -> Done:
    return _pack(_run(task, in_flight, *item), known)


def _total(*frames: bytes) -> Done:
    return Done(unpacked(frames))


def _told(error: BaseException) -> StreamclustError:
    """What a task ended with, in a line."""
    if isinstance(error, StreamclustError):
        return error
    if isinstance(error, KilledWorker):
        return ClusterError(
            f"{error.allowed_failures + 1} workers were lost with one task, the last of them "
            f"{error.last_worker.address}: their memory may be too little: give them more, or "
            "--memory less, and run the same command again"
        )
    return ClusterError(f"a task failed on the cluster: {error!r}")


class _Awaited:
    """A task on the scheduler, as `in_order` takes it."""

    def __init__(self, future: DaskFuture, result: Callable[[DaskFuture], Done]) -> None:
        self._future = future
        self._result = result

    def result(self) -> Done:
        return self._result(self._future)

    def cancel(self) -> None:
        # To cancel it would wait for a scheduler that may be lost.
        self._future.release()


class _Quiet:
    """Dask's logs of what is lost, which is told in a line here, are left out until `restore`."""

    def __init__(self) -> None:
        names = ("distributed", "distributed.client")
        self._before = [(log := logging.getLogger(name), log.level) for name in names]
        for logger, _ in self._before:
            logger.setLevel(logging.CRITICAL)
        # It comes when the client is collected, which may be later: this stays.
        logging.getLogger("asyncio").addFilter(_is_news)

    def restore(self) -> None:
        for logger, level in self._before:
            logger.setLevel(level)


def _is_news(record: logging.LogRecord) -> bool:
    """False of what dask's client tells itself when one of several futures is lost."""
    return not (record.exc_info and record.exc_info[0] is AllExit)


class DaskExecutor:
    """Runs tasks on the workers of a dask scheduler.

    Tasks carry the paths of arrays and small state, never rows: every worker must see the
    case and the results under the same paths, as on a cluster's shared file system. Their state
    is submitted, not scattered, and results are merged on the workers: the scheduler makes again
    what a worker takes with it, and what passes through the client does not grow with the rows.

    Parameters
    ----------
    scheduler : str
        Its address, e.g. ``tcp://10.0.0.1:8786``, or its file.
    timeout : float
        Seconds to wait for the scheduler.
    warn : callable
        Is told what a person should know of the workers.

    Raises
    ------
    ClusterError
        When the scheduler does not answer, has no workers, or a task fails on them.
    """

    def __init__(
        self,
        scheduler: str,
        timeout: float = 30,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.address = scheduler_address(scheduler)
        knock(self.address, timeout)
        self._peak = 0
        self._warn = warn
        self._own_arithmetic = arithmetic()
        self._others: set[str] = set()
        self._loggers = _Quiet()
        try:
            self.client = Client(self.address, timeout=timeout, set_as_default=False)
        except (OSError, TimeoutError) as error:
            self._loggers.restore()
            raise ClusterError(f"no dask scheduler answers at {self.address} ({error})") from error
        self._frames = Frames(lambda frame: self._submit(_itself, frame))
        self._workers = Workers(self.address, self._nthreads, self._identity, warn)
        threads: list[int] = []
        try:
            with self._in_a_line(), suppress(TimeoutError):
                self.client.wait_for_workers(1, timeout=timeout)
                threads = list(self._workers.threads.values())
            if not threads:
                raise ClusterError(
                    f"the dask scheduler at {self.address} has no workers: dask worker "
                    f"{self.address}"
                )
        except BaseException:
            self.close()
            raise
        self.n_workers = sum(threads)
        self.threads_a_process = max(threads)

    def capacity(self, in_flight: int | None) -> int:
        """Tasks that run at once: in each worker process, its threads or `in_flight`."""
        with self._in_a_line():
            threads = self._workers.threads.values()
            return max(1, sum(min(n, in_flight or n) for n in threads))

    def map(
        self, task: Callable[[Any], Any], items: Iterable[Any], in_flight: int | None = None
    ) -> Iterator[Any]:
        """Yield ``task(item)`` for each item, in order, at most `in_flight` in a process."""
        with self._in_a_line():
            carried, known = self._submit(_unpack, *self._frames.send(task)), self._frames.known
            names = self._submit(frozenset, list(known))
            slots = in_flight or self.threads_a_process
            for done in in_order(
                lambda item: _Awaited(
                    self._submit(_run_and_pack, carried, names, slots, *self._frames.send(item)),
                    self._result,
                ),
                items,
                self.capacity(in_flight) + 1,
            ):
                yield self._received(done, known)

    def reduce(
        self,
        task: Reduction,
        items: Iterable[T],
        in_flight: int | None = None,
        done: Callable[[T], None] = lambda item: None,
        tell: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Merge ``task(item)`` of each item, in order, on the workers; `done` is told each. Gives
        the total, or what `tell` makes of it there."""
        with self._in_a_line():
            carried = self._submit(_unpack, *self._frames.send(task))
            told = self._submit(_unpack, *self._frames.send(tell))
            total = self._submit(_empty, carried)
            items = list(items)
            for start in range(0, len(items), PARTS_A_TOTAL):
                if start:
                    total = self._submit(_total, *self._frames.send(self._fetched(total)))
                part = items[start : start + PARTS_A_TOTAL]
                total = self._merged(carried, part, total, in_flight, done)
            return self._fetched(self._submit(_tell, total, told))

    def _fetched(self, total: DaskFuture) -> Any:
        known = self._frames.known
        return self._received(self._result(self._submit(_pack, total, frozenset(known))), known)

    def _merged(
        self,
        carried: DaskFuture,
        items: list[T],
        total: DaskFuture,
        in_flight: int | None,
        done: Callable[[T], None],
    ) -> DaskFuture:
        slots = in_flight or self.threads_a_process
        window = self.capacity(in_flight) + 1
        ahead: deque[tuple[T, DaskFuture]] = deque()
        try:
            for item in items:
                if len(ahead) >= window:
                    self._tell_first(ahead, done)
                part = self._submit(_run, carried, slots, *self._frames.send(item))
                # One total after another, in the order of the rows: sums are rounded as here.
                total = self._submit(_merge, total, part, slots, priority=1)
                ahead.append((item, total))
                del part
            while ahead:
                self._tell_first(ahead, done)
            return total
        finally:
            for _, future in ahead:
                future.release()

    def _tell_first(self, ahead: deque[tuple[T, DaskFuture]], done: Callable[[T], None]) -> None:
        item, merged = ahead.popleft()
        self._await(merged)
        done(item)

    def _submit(self, function: Callable[..., Any], *arguments: Any, priority: int = 0) -> Any:
        return self.client.submit(function, *arguments, pure=False, priority=priority)

    def _await(self, future: DaskFuture) -> None:
        """Wait for a future as long as there is someone to make it."""
        while True:
            try:
                error = future.exception(timeout=BETWEEN_LOOKS)
                break
            except TimeoutError:
                self._workers.look()
        if error is not None:
            raise _told(error) from None
        if future.cancelled():
            raise CancelledError

    def _result(self, future: DaskFuture) -> Done:
        patience = PATIENCE
        while True:
            self._await(future)
            try:
                return future.result(timeout=patience)
            except TimeoutError:
                # It was lost on its way, and is made again; or it is large.
                self._workers.look()
                patience *= 2

    def _received(self, done: Done, known: dict[bytes, bytes]) -> Any:
        self._peak = max(self._peak, done.peak)
        for address, other in sorted(done.arithmetics):
            if other not in (self._own_arithmetic, *self._others):
                self._others.add(other)
                self._warn(
                    f"worker {address} computes with {other}, this process with "
                    f"{self._own_arithmetic}: last digits may not be those of one machine"
                )
        return self._frames.receive(done.value, known)

    def _nthreads(self) -> dict[str, int]:
        scheduler: Any = self.client.scheduler
        return self.client.sync(scheduler.ncores, workers=None, callback_timeout=ANSWERS_WITHIN)

    def _identity(self) -> dict[str, Any]:
        scheduler: Any = self.client.scheduler
        return self.client.sync(scheduler.identity, callback_timeout=ANSWERS_WITHIN)

    @contextmanager
    def _in_a_line(self) -> Iterator[None]:
        """Whatever goes wrong between client, scheduler and workers is told in a line."""
        try:
            yield
        except StreamclustError:
            raise
        except Exception as error:
            raise ClusterError(
                f"the dask scheduler at {self.address} was lost ({type(error).__name__}): start it "
                "and its workers, and run the same command again, which goes on from what is stored"
            ) from error

    def peak(self) -> int:
        """Peak resident memory of this process or of a worker, whichever is more, in bytes."""
        return max(self._peak, peak_resident())

    def close(self) -> None:
        """Leave the scheduler; it and its workers go on."""
        with suppress(Exception):
            # What was lost in the last pass is told, too.
            _ = self.client.status == "running" and self._workers.threads
        with suppress(Exception):
            self.client.close(timeout=BETWEEN_LOOKS)
        self._loggers.restore()
