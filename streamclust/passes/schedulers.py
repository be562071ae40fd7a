"""How a dask scheduler is named: by its address, by its file, or by the environment."""

import json
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from streamclust.errors import ClusterError

# dask's own name for it: its workers and clients go by it, too.
VARIABLE = "DASK_SCHEDULER_ADDRESS"


def named_scheduler(given: str | None) -> str | None:
    """The scheduler that passes run on: the one given, else the environment's, if any."""
    return given or os.environ.get(VARIABLE) or None


def scheduler_address(named: str) -> str:
    """The address of a scheduler.

    Parameters
    ----------
    named : str
        ``tcp://host:port``, the same without ``tcp://``, or a file that ``dask scheduler
        --scheduler-file`` writes.

    Raises
    ------
    ClusterError
        When it is neither.
    """
    is_file = named.endswith(".json") or Path(named).is_file()
    address = _address_in(Path(named)) if is_file else named
    if "://" not in address:
        address = f"tcp://{address}"
    target = urlsplit(address)
    try:
        is_whole = bool(target.hostname and target.port)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ClusterError(
            f"{named!r} is no scheduler's address: write tcp://host:port, or the file of dask "
            "scheduler --scheduler-file"
        )
    return address


def _address_in(file: Path) -> str:
    try:
        return str(json.loads(file.read_text())["address"])
    except OSError as error:
        raise ClusterError(
            f"{file} cannot be read ({error.strerror}): dask scheduler --scheduler-file {file} "
            "writes it"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise ClusterError(f"{file} is no file of dask scheduler --scheduler-file") from None


def knock(address: str, timeout: float) -> None:
    """Refuse an address where nobody listens: a `Client` tries it for a minute, then complains
    from its destructor.

    Raises
    ------
    ClusterError
        When nobody does.
    """
    target = urlsplit(address)
    try:
        socket.create_connection((target.hostname, target.port), timeout).close()
    except OSError as error:
        raise ClusterError(
            f"no dask scheduler at {address} ({error}): start one with dask scheduler"
        ) from error
