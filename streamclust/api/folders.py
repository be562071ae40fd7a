"""A results folder and a settings file: opened, told of, written."""

import builtins
from pathlib import Path
from typing import Any

from streamclust.errors import SettingsError
from streamclust.results import Case, PathLike
from streamclust.store.workspace import Workspace


def open(out: PathLike) -> Case:
    """Open a results folder.

    Raises
    ------
    WorkspaceError
        When it holds no results, or such of another format.
    """
    return Case(out)


def info(out: PathLike) -> dict[str, Any]:
    """What a results folder holds, as plain numbers and names.

    Returns
    -------
    dict
        ``folder``, ``format``, ``bytes``, ``paths`` and, by name, ``descriptors``: rows, columns,
        type, invalid rows, components, clusterings with their scores, the recommended one.
    """
    from streamclust.report.contents import inventory

    return inventory(Workspace(out))


def init(path: PathLike = "streamclust.toml") -> Path:
    """Write a TOML file with every setting, its default and what it means.

    Raises
    ------
    SettingsError
        When the file is there already.
    """
    from streamclust.settings import settings_template

    target = Path(path)
    try:
        with builtins.open(target, "x", encoding="utf-8") as file:
            file.write(settings_template())
    except FileExistsError:
        raise SettingsError(f"{target} is there already: name another file, or edit it") from None
    return target
