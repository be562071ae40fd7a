"""The executor of a cluster: the same tasks through a dask scheduler."""

import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from streamclust.errors import ClusterError, StreamclustError
from streamclust.passes.window import in_order


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


def _run(task: Callable[[Any], Any], item: Any) -> Any:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return task(item)


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
        self.n_workers = sum(self.client.nthreads().values())

    def map(
        self, task: Callable[[Any], Any], items: Iterable[Any], in_flight: int | None = None
    ) -> Iterator[Any]:
        """Yield ``task(item)`` for each item, in order; `in_flight` counts a worker's tasks."""
        # Scattered once: a task may carry megabytes of centres, and items are many.
        carried = self.client.scatter([task], broadcast=True, hash=False)[0]
        window = max(in_flight or 0, self.n_workers) + 1
        try:
            yield from in_order(
                lambda item: self.client.submit(_run, carried, item, pure=False), items, window
            )
        except StreamclustError:
            raise
        except Exception as error:
            raise ClusterError(f"a task failed on the cluster: {error!r}") from error

    def close(self) -> None:
        """Leave the scheduler; it and its workers go on."""
        self.client.close()
