"""run.json: what was run on what, how long each step took, and how much memory."""

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from streamclust._version import __version__
from streamclust.events import Event, Message, StepFinished
from streamclust.settings import Settings
from streamclust.store.outputs import Outputs
from streamclust.store.workspace import Workspace

_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "zarr",
    "dask",
    "dask-ml",
    "pynndescent",
    "matplotlib",
    "click",
)


class RunRecord:
    """An observer that gathers what run.json says of one run."""

    def __init__(self, command: str, settings: Settings) -> None:
        self.command = command
        self.settings = settings
        self.started = datetime.now(UTC)
        self.steps: list[dict[str, Any]] = []
        self.messages: list[dict[str, str]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepFinished):
            self.steps.append(_without_none(vars(event)))
        elif isinstance(event, Message):
            self.messages.append({"level": event.level, "text": event.text})

    def save(self, workspace: Workspace, outputs: Outputs, extra: dict[str, Any]) -> None:
        """Write run.json; the records of earlier runs stay in it, under ``earlier``."""
        earlier = _read(workspace.folder / "run.json")
        before = _list(earlier, "earlier")
        earlier.pop("earlier", None)
        outputs.json(
            "run.json",
            {
                "command": self.command,
                "started": self.started.isoformat(timespec="seconds"),
                "seconds": round((datetime.now(UTC) - self.started).total_seconds(), 3),
                "streamclust": __version__,
                "python": platform.python_version(),
                "versions": {name: _version(name) for name in _PACKAGES},
                "settings": self.settings.as_dict(),
                "inputs": _inputs(workspace),
                "steps": self.steps,
                "messages": self.messages,
                **extra,
                "earlier": [*before, earlier] if earlier else before,
            },
        )


def records(folder: Path) -> list[dict[str, Any]]:
    """What run.json tells of each command, the last one first; nothing where it does not."""
    latest = _read(folder / "run.json")
    told = (latest, *reversed(_list(latest, "earlier")))
    return [record for record in told if isinstance(record, dict) and record]


def steps_of(record: dict[str, Any]) -> list[Any]:
    """The steps that a record of run.json tells of, by name, whatever a person made of it."""
    steps = (one for one in _list(record, "steps") if isinstance(one, dict))
    return [one["step"] for one in steps if "step" in one]


def _list(record: dict[str, Any], name: str) -> list[Any]:
    known = record.get(name)
    return known if isinstance(known, list) else []


def settings_of_last(folder: Path, commands: Sequence[str], step: str) -> dict[str, Any]:
    """The settings of the last command of these that run.json tells of, and that came to the end of
    a step; none where it does not."""
    for record in records(folder):
        settings = record.get("settings")
        restore = record.get("command") in commands and step in steps_of(record)
        if restore and isinstance(settings, dict):
            return settings
    return {}


def _inputs(workspace: Workspace) -> dict[str, Any]:
    root = workspace.root
    return {
        name: {
            **root[f"descriptors/{name}"].attrs["source"],
            "n_invalid": root[f"descriptors/{name}"].attrs["n_invalid"],
        }
        for name in workspace.descriptors
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
