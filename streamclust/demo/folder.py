"""The folder of a demo: whose it is, and files that appear only when they are whole."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from streamclust.errors import SettingsError

Progress = Callable[[int, int, str], None]

MARKER = ".streamclust-demo.json"
UNFINISHED = ".part"
VERSION = 1


@dataclass(frozen=True)
class Recipe:
    """What makes a demo what it is; two demos of one recipe are the same to the byte."""

    rows: int
    images: bool
    random_state: int
    version: int = VERSION


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to, and rename the file when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + UNFINISHED)
    yield unfinished
    unfinished.replace(path)


def is_complete(folder: Path, recipe: Recipe, files: list[str]) -> bool:
    """Say whether this very demo is there whole.

    Raises
    ------
    SettingsError
        If the folder holds another demo, or anything that is not a demo's.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file: name a folder for the demo")
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    marker = folder / MARKER
    begun = folder / (MARKER + UNFINISHED)
    if not marker.exists() and not begun.exists():
        raise SettingsError(
            f"{folder} holds files that the demo did not make: name a new or an empty folder"
        )
    found = _read(marker if marker.exists() else begun)
    if found != asdict(recipe):
        raise SettingsError(
            f"{folder} holds another demo ({_spelled(found)}), not the one asked for "
            f"({_spelled(asdict(recipe))}): remove it, or name another folder"
        )
    return marker.exists() and all((folder / file).is_file() for file in files)


def begin(folder: Path, recipe: Recipe) -> None:
    """Mark the folder as a demo in the making, so that a broken run can be taken up again."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).unlink(missing_ok=True)
    text = json.dumps(asdict(recipe), indent=2) + "\n"
    (folder / (MARKER + UNFINISHED)).write_text(text, encoding="utf-8")


def finish(folder: Path) -> None:
    """Mark the demo as whole."""
    (folder / (MARKER + UNFINISHED)).replace(folder / MARKER)


def _read(marker: Path) -> dict[str, object]:
    """What a marker says; a damaged one says nothing, and so matches no recipe."""
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _spelled(settings: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "unreadable marker"
