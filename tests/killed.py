"""The program in processes to be killed, forked from one that has imported the libraries.

A test kills many, most of them soon: to import the libraries in each took longer than what they do.
"""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from streamclust.cli import main

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "matplotlib.backends.backend_agg",
        "matplotlib.figure",
        "rich.progress",
        "scipy.linalg",
        "scipy.ndimage",
        "scipy.sparse.csgraph",
        "scipy.special",
        "sklearn.cluster",
        "sklearn.neighbors",
        "zarr",
        "streamclust.api",
        "streamclust.cli",
    ]
)


def files(folder: Path) -> int:
    """What is on disk, also while a run moves it about."""
    return sum(len(names) for _, _, names in os.walk(folder))


def killed(out: Path, n_more: int, *command: Any, by: int = signal.SIGKILL) -> int:
    """Exit code of a command that gets a signal once so many more files are there, if it comes so
    far."""
    process = _start(*command)
    # By what is on disk, not by the clock: the same moments, whatever the machine's load.
    enough = files(out) + n_more
    while files(out) < enough and process.is_alive():
        time.sleep(0.002)
    if process.is_alive():
        os.kill(process.pid, by)
    return _code(process)


def finished(*command: Any) -> int:
    """Exit code of a command that is left to end."""
    return _code(_start(*command))


class Started:
    """A command under way, and what it says.

    Parameters
    ----------
    *command
    """

    def __init__(self, *command: Any) -> None:
        with NamedTemporaryFile(delete=False) as file:
            self._said = Path(file.name)
        self._process = FORKS.Process(target=_told, args=([*map(str, command)], file.name))
        self._process.start()

    def ended(self, timeout: float) -> tuple[int | None, str]:
        """Its exit code, None where it goes on after so many seconds, and all that it said."""
        self._process.join(timeout)
        return self._process.exitcode, self._said.read_text()

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._said.unlink(missing_ok=True)


def _told(arguments: list[str], file: str) -> None:
    with open(file, "w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    _program(arguments)


def _start(*command: Any) -> Any:
    process = FORKS.Process(target=_program, args=([*map(str, command)],))
    process.start()
    return process


def _code(process: Any) -> int:
    process.join()
    return process.exitcode


def _program(arguments: list[str]) -> None:
    sys.argv[1:] = arguments
    main()
