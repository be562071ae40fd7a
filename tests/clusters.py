"""A dask scheduler and workers in processes of their own, any of which can be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


class Cluster:
    """A scheduler and workers, as the command line of dask starts them.

    Parameters
    ----------
    folder : Path
        For the scheduler's file and what workers leave.
    n_workers, n_threads : int
    *options : str
        Of the workers.

    Attributes
    ----------
    file : Path
        The scheduler's.
    workers : list of Popen
    """

    def __init__(self, folder: Path, n_workers: int, n_threads: int = 1, *options: str) -> None:
        self.folder, self.options, self.n_threads = folder, options, n_threads
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--no-dashboard")
        while not self.file.exists():
            time.sleep(0.02)
        self.workers: list[Any] = []
        for _ in range(n_workers):
            self.add()

    def add(self, **environment: str) -> None:
        """Start one more worker."""
        threads = ("--nthreads", str(self.n_threads), "--no-dashboard")
        nanny = () if "--memory-limit" in self.options else ("--no-nanny",)
        self.workers.append(self._start("worker", *threads, *nanny, *self.options, **environment))

    def _start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        places = (str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", ""))
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--scheduler-file", str(self.file)],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(places)} | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill_worker(self, number: int) -> None:
        """Without a word, as a machine goes down."""
        worker = self.workers.pop(number)
        worker.kill()
        worker.wait()

    def stop_scheduler(self) -> None:
        self.scheduler.kill()
        self.scheduler.wait()

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in (*self.workers, self.scheduler):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def cluster(folder: Path, n_workers: int, *options: Any) -> Iterator[Cluster]:
    made = Cluster(folder, n_workers, *options)
    try:
        yield made
    finally:
        made.close()
