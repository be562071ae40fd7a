"""The program in the process of the tests: to start one takes longer than most that it is told."""

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from streamclust.cli import main


def told(*command: object) -> tuple[int, str]:
    """Exit code of a command, and all that it says."""
    said, before = StringIO(), sys.argv
    sys.argv = ["streamclust", *map(str, command)]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    return code, said.getvalue()
