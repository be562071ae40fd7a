"""Files for people in the results folder: written whole, and never over what a person changed."""

import csv
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamclust.errors import SettingsError
from streamclust.sources import safe_cell, safe_value


class Outputs:
    """The files of one results folder.

    A file that streamclust wrote is replaced when it is written anew; one that has been edited
    since, or was there before, is kept beside it as ``<name>.kept-1<ending>``.

    Parameters
    ----------
    folder : Path
    warn : callable
        Told, in words, when a file was kept.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn
        self._record = folder / ".streamclust" / "written.json"

    @contextmanager
    def writing(self, name: str, mark: str | None = None) -> Iterator[Path]:
        """Give a path to write to; what is there when the block ends takes the name.

        `mark` tells what it was made from, for `is_current`.
        """
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = _staged(target)
        try:
            yield staged
            self._keep_foreign(target, name)
            digest = file_digest(staged)
            # Both are its own while the one replaces the other: a kill in between must not make
            # the new file look like a person's.
            self._note(name, [*self._known(name)["digests"], digest], None)
            os.replace(staged, target)
            self._note(name, [digest], mark)
        finally:
            staged.unlink(missing_ok=True)

    @contextmanager
    def elsewhere(self, path: str | Path, step: str, *, overwrite: bool = False) -> Iterator[Path]:
        """Give a path to write a file to that a person named, in any folder.

        Raises
        ------
        SettingsError
            At once, when a file is there that this step did not write so, unless `overwrite`; or
            when the path is that of a folder, or in none.
        """
        target = Path(path).resolve()
        self._check_place(target)
        if target.is_dir():
            raise SettingsError(f"{target} is a folder: name a file")
        if self._known(self._short(target))["digests"]:
            raise SettingsError(f"{target} is a table of these results: name another file")
        if target.exists() and not overwrite and not self.is_current(str(target), step):
            raise SettingsError(
                f"{target} is there, and not as this command wrote it: name another file, or "
                "--overwrite it"
            )
        staged, was_there = _staged(target), target.exists()
        try:
            yield staged
            if target.exists() and not (was_there or overwrite):
                raise SettingsError(f"{target} was made meanwhile: name another file")
            if not may_write(self.folder):
                os.replace(staged, target)
                return
            digest = file_digest(staged)
            self._note(str(target), [*self._known(str(target))["digests"], digest], step)
            os.replace(staged, target)
            self._note(str(target), [digest], step)
        finally:
            staged.unlink(missing_ok=True)

    @contextmanager
    def new_folder(self, path: str | Path) -> Iterator[Path]:
        """Give a folder to fill, which takes the name that a person gave when the block ends.

        Raises
        ------
        SettingsError
            At once, when it is there and not empty, or is in no folder.
        """
        target = Path(path).resolve()
        self._check_place(target)
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise SettingsError(f"{target} is there and not empty: name another folder")
        staged = _staged(target)
        _remove(staged)
        try:
            staged.mkdir()
            yield staged
            if target.exists():
                target.rmdir()
            os.replace(staged, target)
        finally:
            _remove(staged)

    def _check_place(self, target: Path) -> None:
        if not target.parent.is_dir():
            raise SettingsError(f"{target.parent} is no folder: make it first, or name another")
        inner = (self.folder / "workspace.zarr", self.folder / ".streamclust")
        if any(folder in (target, *target.parents) for folder in inner):
            raise SettingsError(f"{target} cannot be written: name a place elsewhere")

    def _short(self, target: Path) -> str:
        """The name by which a file of the results folder is known."""
        inside = target.is_relative_to(self.folder)
        return str(target.relative_to(self.folder)) if inside else ""

    def is_current(self, name: str, mark: str | None = None) -> bool:
        """Whether the file is there as it was written, from what `mark` tells."""
        known = self._known(name)
        return known["mark"] == mark and self._is_own(name)

    def remove(self, name: str) -> None:
        """Remove a file that is not true any more; one that a person changed is kept aside, and
        one that was never written here stays."""
        if not self._known(name)["digests"]:
            return
        self._keep_foreign(self.folder / name, name)
        (self.folder / name).unlink(missing_ok=True)
        _write_json(self._record, {k: v for k, v in self._written().items() if k != name})

    def table(
        self,
        name: str,
        columns: Sequence[str],
        lines: Iterable[Mapping[str, Any]],
        mark: str | None = None,
    ) -> None:
        """Write a CSV with a header."""
        with self.writing(name, mark) as staged:
            write_table(staged, columns, lines)

    def json(self, name: str, content: Any) -> None:
        """Write JSON, indented."""
        with self.writing(name) as staged:
            staged.write_text(f"{json.dumps(content, indent=1)}\n", encoding="utf-8")

    def _written(self) -> dict[str, Any]:
        try:
            return json.loads(self._record.read_text())
        except (OSError, ValueError):
            return {}

    def _known(self, name: str) -> dict[str, Any]:
        return self._written().get(name) or {"digests": [], "mark": None}

    def _note(self, name: str, digests: list[str], mark: str | None) -> None:
        _write_json(self._record, {**self._written(), name: {"digests": digests, "mark": mark}})

    def _is_own(self, name: str) -> bool:
        target = self.folder / name
        return target.exists() and file_digest(target) in self._known(name)["digests"]

    def _keep_foreign(self, target: Path, name: str) -> None:
        if not target.exists() or self._is_own(name):
            return
        number = 1
        while (kept := target.with_name(f"{target.stem}.kept-{number}{target.suffix}")).exists():
            number += 1
        os.replace(target, kept)
        self._warn(f"{name} had been changed since it was written: kept as {kept.name}")


def write_table(path: Path, columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV with a header; cells that a line has not are empty, and none is a formula."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writerow({column: safe_cell(column) for column in columns})
        writer.writerows(
            {column: safe_value(value) for column, value in line.items()} for line in lines
        )


def number_cell(value: float) -> str:
    """A number of six digits; nothing where it is not known."""
    return "" if math.isnan(value) else f"{value:.6g}"


def file_digest(path: Path) -> str:
    """What tells one content of a file from another."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def may_write(folder: Path) -> bool:
    """Whether a results folder can be changed: a snapshot, or one of others, may only be read."""
    hidden = folder / ".streamclust"
    return os.access(hidden if hidden.exists() else folder, os.W_OK)


def sweep(folder: Path) -> None:
    """Remove the files of a results folder that a killed run left half written."""
    pattern = _staged(folder / "*").name
    for orphan in (*folder.glob(pattern), *folder.glob(f"figures/**/{pattern}")):
        _remove(orphan)


def _remove(staged: Path) -> None:
    if staged.is_dir():
        shutil.rmtree(staged, ignore_errors=True)
    else:
        staged.unlink(missing_ok=True)


def _staged(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _write_json(path: Path, content: Any) -> None:
    staged = path.with_name(f"{path.name}.part")
    staged.write_text(json.dumps(content, indent=1))
    os.replace(staged, path)
