"""The settings file that ``streamclust init`` writes: every default, with what it means."""

import inspect
import json
import re
from dataclasses import fields
from typing import Any

from streamclust.settings import Settings


def settings_template() -> str:
    """TOML of every setting; those that have no default are commented out."""
    meanings = setting_meanings()
    lines = ["# Settings of streamclust: streamclust run CASE --out OUT --config FILE"]
    for field in fields(Settings):
        lines += ["", *(f"# {line}" for line in meanings[field.name])]
        if field.default is None:
            lines.append(f"# {field.name} =")
        else:
            lines.append(f"{field.name} = {_toml(field.default)}")
    return "\n".join(lines) + "\n"


def setting_meanings() -> dict[str, list[str]]:
    """The lines of `Settings`' docstring, by setting: what is said there is said once."""
    doc = inspect.cleandoc(Settings.__doc__ or "")
    body = doc.partition("----------\n")[2]
    meanings: dict[str, list[str]] = {}
    names: list[str] = []
    for line in body.splitlines():
        if match := re.match(r"(\w[\w, ]*?)(?: : .*)?$", line):
            names = [name.strip() for name in match[1].split(",")]
            meanings |= {name: [] for name in names}
        elif line.startswith("    "):
            for name in names:
                meanings[name].append(line.strip().replace("``", ""))
    return meanings


def _toml(value: Any) -> str:
    return json.dumps(value)
