"""The program in processes to be killed, forked from one that has imported the libraries.

A test kills many, most of them soon: to import the libraries in each took longer than what they do.
"""

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from dots import dots_for_figures

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


# What changes what is on disk. Of a whole folder that goes, names are told without their place.
CHANGES = ("open", "os.rename", "os.mkdir", "os.link")
REMOVALS = ("os.remove", "os.rmdir")


class Death:
    """An audit hook that kills its own process, before it changes a folder once more, or reads an
    image in it.

    By what it does on disk, not by the clock: the same moments, whatever the machine's load. And
    nobody has to look, again and again, at what is there.

    Parameters
    ----------
    folder : Path
    n_changes : int
        How many come before.
    by : int
        The signal.
    """

    def __init__(self, folder: Path, n_changes: int, by: int = signal.SIGKILL) -> None:
        self.folder, self.n_left, self.by = str(folder), n_changes, by

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._is_change(event, arguments):
            if self.n_left == 0:
                os.kill(os.getpid(), self.by)
            self.n_left -= 1

    def _is_change(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event in REMOVALS:
            return True
        if event not in CHANGES or not str(arguments[0]).startswith(self.folder):
            return False
        # Images that are read are told, too: nothing else is while rows are appended.
        is_image = str(arguments[0]).endswith(".png")
        return event != "open" or is_image or bool(arguments[2] & os.O_CREAT)


def killed(out: Path, n_changes: int, *command: Any, by: int = signal.SIGKILL) -> int:
    """Exit code of a command that gets a signal after so many changes of its results, if it makes
    as many."""
    return _code(command, Death(out, n_changes, by))


def finished(*command: Any) -> int:
    """Exit code of a command that is left to end."""
    return _code(command)


def _code(command: tuple[Any, ...], death: Death | None = None) -> Any:
    process = FORKS.Process(target=_program, args=([*map(str, command)], death))
    process.start()
    process.join()
    return process.exitcode


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


def _program(arguments: list[str], death: Death | None = None) -> None:
    sys.argv[1:] = arguments
    if death is not None:
        sys.addaudithook(death)
    with dots_for_figures():  # No test of these looks at one.
        main()
