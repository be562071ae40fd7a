"""The settings file: read, and written with every default and what it means."""

import json
import tomllib
from pathlib import Path
from typing import Any

from streamclust.errors import SettingsError
from streamclust.settings.table import SETTINGS, Settings


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings that a TOML file names, of whichever commands.

    Raises
    ------
    SettingsError
        When the file cannot be read, is no TOML, or names something else.
    """
    try:
        with Path(path).open("rb") as file:
            read = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML: {error}") from None
    try:
        Settings().having(**read)
    except (SettingsError, TypeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    return read


def settings_template() -> str:
    """TOML of every setting; those that have no default are commented out."""
    from textwrap import wrap

    lines = ["# Settings of streamclust: streamclust run CASE --out OUT --config FILE"]
    for name, setting in SETTINGS.items():
        lines += ["", *(f"# {line}" for line in wrap(setting.meaning, 88))]
        if setting.values.choices:
            lines.append(f"# One of {', '.join(setting.values.choices)}.")
        known = setting.default is not None
        lines.append(f"{name} = {json.dumps(setting.default)}" if known else f"# {name} =")
    return "\n".join(lines) + "\n"
