"""The settings of a command: those that made what it goes on from, a file's, and those it is given.

A command that works on results goes on with the settings of the last one that made them, which
run.json tells: ``reduce`` after ``run --scaling l2`` scales to unit length, too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamclust.errors import SettingsError
from streamclust.settings import SETTINGS, Settings, check_heeded, read_settings

# The commands that make what settings are of, each with the step that tells that it has.
_MADE_BY = {
    "reduction": {"run": "reduce", "ingest": "ingest", "reduce": "reduce"},
    "clustering": {"run": "cluster", "cluster": "cluster"},
    "outliers": {"run": "outliers", "outliers": "outliers"},
}
# What a command goes on from; the seed and the storage are those of the first.
GOES_ON_FROM = {
    "reduce": ("reduction",),
    "cluster": ("clustering",),
    "measure": ("clustering",),
    "mix": ("clustering", "reduction"),
    **dict.fromkeys(("outliers", "compare", "describe", "assign"), ("outliers",)),
    **dict.fromkeys(("layout", "report", "export"), ("reduction",)),
}


def settings_of(
    command: str,
    given: Mapping[str, Any],
    folder: Path | None = None,
    goes_on_from: Sequence[str] | None = None,
) -> tuple[Settings, str]:
    """The settings that a command runs with, and what a person should know of them.

    Parameters
    ----------
    command : str
    given : mapping
        Settings by name, None where they are not given, and ``config``, a settings file.
    folder : Path, optional
        The results that the command goes on from.
    goes_on_from : sequence of str, optional
        Which of them; by default what `GOES_ON_FROM` tells.

    Returns
    -------
    Settings
    str
        Those that it goes on with though they are not the defaults, and whose they are.

    Raises
    ------
    SettingsError
        When one is given that the command does not heed, or one cannot be used.
    """
    named = {name: value for name, value in given.items() if value is not None}
    config = named.pop("config", None)
    check_heeded(command, list(named))
    if config is not None:
        named = read_settings(config) | named
    kinds = GOES_ON_FROM.get(command, ()) if goes_on_from is None else goes_on_from
    last = {} if folder is None else _last_settings(kinds, folder)
    then = {name: value for name, (value, _) in last.items() if name not in named}
    try:
        settings = Settings().having(**then)
    except (SettingsError, TypeError) as error:
        raise SettingsError(f"{folder}/run.json: {error}") from None
    return settings.having(**named), _in_words(command, settings, last, set(then))


def _last_settings(kinds: Sequence[str], folder: Path) -> dict[str, tuple[Any, str]]:
    """Settings by name, each with the command that it was of."""
    from streamclust.store import records

    found: dict[str, tuple[Any, str]] = {}
    told = records(folder) if kinds else []
    for kind in kinds:
        for name, setting in SETTINGS.items():
            if setting.of in (kind, "seed", "storage") and name not in found:
                found |= _of_last(told, kind, name)
    return found


def _of_last(told: list[dict[str, Any]], kind: str, name: str) -> dict[str, tuple[Any, str]]:
    """A setting as the last command had it that heeds it and made results of a kind."""
    from streamclust.store import steps_of

    makers = {by: step for by, step in _MADE_BY[kind].items() if by in SETTINGS[name].commands}
    for record in told:
        by, settings = str(record.get("command")), record.get("settings")
        if isinstance(settings, dict) and name in settings and makers.get(by) in steps_of(record):
            return {name: (settings[name], by)}
    return {}


def _in_words(
    command: str, settings: Settings, last: dict[str, tuple[Any, str]], kept: set[str]
) -> str:
    by_command: dict[str, list[str]] = {}
    for name in SETTINGS:
        value = getattr(settings, name)
        if name in kept and command in SETTINGS[name].commands and value != SETTINGS[name].default:
            shown = ",".join(map(str, value)) if isinstance(value, tuple | list) else value
            by_command.setdefault(last[name][1], []).append(f"{name} {shown}")
    return "; ".join(f"{', '.join(told)}, as in the last {by}" for by, told in by_command.items())
