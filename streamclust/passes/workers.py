"""The workers of a scheduler, looked at from time to time: which were lost, and whether any is left
to go on."""

import time
from collections.abc import Callable
from typing import Any

from streamclust.errors import ClusterError

# Seconds that there may be no worker at work: as long as a nanny may take to start another.
WITHOUT_WORKERS = 30.0


class Workers:
    """Those of one scheduler.

    Parameters
    ----------
    scheduler : str
        Its address.
    threads : callable
        Gives the threads of each worker.
    identity : callable
        Gives all that a scheduler tells of itself and its workers, which is much.
    warn : callable
        Is told of each worker that was lost.
    """

    def __init__(
        self,
        scheduler: str,
        threads: Callable[[], dict[str, int]],
        identity: Callable[[], dict[str, Any]],
        warn: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._threads = threads
        self._identity = identity
        self._warn = warn
        self._known: set[str] = set()
        self._lost: list[str] = []
        self._none_since: float | None = None

    @property
    def threads(self) -> dict[str, int]:
        """Threads of each, by address."""
        threads = self._threads()
        self._tell_lost(set(threads))
        return threads

    def look(self) -> None:
        """Look whether any is at work.

        Raises
        ------
        ClusterError
            When none has been for too long.
        """
        workers = self._identity()["workers"]
        self._tell_lost(set(workers))
        if any(map(_is_at_work, workers.values())):
            self._none_since = None
        elif self._none_since is None:
            self._none_since = time.monotonic()
        elif time.monotonic() - self._none_since > WITHOUT_WORKERS:
            raise ClusterError(self._nobody(sorted(workers)))

    def _tell_lost(self, workers: set[str]) -> None:
        lost = sorted(self._known - workers)
        self._known = workers
        self._lost += lost
        if lost:
            self._warn(
                f"the scheduler lost {', '.join(lost)}: what was there is made again by the "
                f"{len(workers)} workers that it has now"
            )

    def _nobody(self, paused: list[str]) -> str:
        if paused:
            return (
                f"no worker of {self._scheduler} goes on: {', '.join(paused)} paused, as they do "
                "where their memory is nearly full: give them more, or --memory less"
            )
        lost = f"; it lost {', '.join(self._lost)}" if self._lost else ""
        return (
            f"the dask scheduler at {self._scheduler} has no workers left{lost}: start some, and "
            "run the same command again, which goes on from what is stored"
        )


def _is_at_work(worker: dict[str, Any]) -> bool:
    # One that paused takes no more tasks, but ends those that it has begun.
    executing = worker["metrics"].get("task_counts", {}).get("executing", 0)
    return bool(worker["status"] == "running" or executing)
