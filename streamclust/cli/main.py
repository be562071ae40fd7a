"""The command line: errors in one line, and an exit code for each way to end."""

import os
import sys

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
        click.echo(f"error: {error}: the same command goes on once that is mended", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped: the same command goes on from here", err=True)
        sys.exit(130)
