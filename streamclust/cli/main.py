"""The command line: errors in one line, and an exit code for each way to end."""

import errno
import os
import sys
from typing import NoReturn

import click

from streamclust._version import __version__
from streamclust.cli import commands as every
from streamclust.cli.interrupts import interrupts
from streamclust.errors import StreamclustError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="streamclust")
def commands() -> None:
    """Cluster image descriptors that do not fit in memory.

    streamclust run CASE --out OUT does everything; the other commands are its steps. A step
    whose settings and inputs have not changed is skipped; other settings add results.
    """


for command in vars(every).values():
    if isinstance(command, click.Command):
        commands.add_command(command)


def main() -> None:
    """Run a command; what streamclust raises on purpose becomes one line and exit code 2."""
    _open_standard_streams()
    interrupts.listen()
    try:
        commands(standalone_mode=False)
    except StreamclustError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe, such as head, has had enough; Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        words = f"{error.strerror}: {error.filename}" if error.filename else str(error)
        # numpy gives no number, only how many bytes were requested and written.
        cut_short = error.errno is None and "requested and" in words
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or cut_short:
            words = f"no space is left on the disk ({words})"
        click.echo(f"error: {words}: the same command goes on once that is mended", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        _stopped()
    except Exception:
        # A library that is being imported makes another error of Ctrl-C.
        if not interrupts.is_pending:
            raise
        _stopped()


def _stopped() -> NoReturn:
    click.echo("stopped: the same command goes on from here", err=True)
    sys.exit(130)


def _open_standard_streams() -> None:
    """Give those that a daemon or ``2>&-`` closed a place to write to.

    A file of the run would get their number otherwise, and what libraries print in it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, so this very one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))  # noqa: SIM115
