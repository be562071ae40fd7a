"""Rows of a case as they are made, a batch at a time: what a killed command leaves is gone on from.

They stand beside what the case will be, in files that are appended to::

    CASE/.embedding/state.json     what they are of
    CASE/.embedding/0, 1, …        float32 rows of each set
    CASE/.embedding/reasons        a line an image: why it has no row, or nothing
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from streamclust.errors import SettingsError, WorkspaceError

FOLDER = ".embedding"
_REASONS, _STATE = "reasons", "state.json"
_COPIED_BYTES = 8 * 2**20


class UnfinishedRows:
    """The rows that are there, and those that are added; nobody else adds any meanwhile.

    Parameters
    ----------
    case : Path
        A folder that is there.
    record : dict
        What they are of, as JSON can write it.
    widths : mapping of str to int
        Numbers of a row, by the names of the sets.
    batch : int
        Rows that are added at a time, but for the last ones.

    Attributes
    ----------
    n_rows : int
        Those that were there.

    Raises
    ------
    SettingsError
        When rows of something else are there, which may be the work of hours.
    WorkspaceError
        When another command is at it.
    """

    def __init__(
        self, case: Path, record: dict[str, Any], widths: Mapping[str, int], batch: int
    ) -> None:
        self.folder, self.widths, self._batch = case / FOLDER, widths, batch
        self._case, self._text = case, json.dumps(record)

    def __enter__(self) -> UnfinishedRows:
        with ExitStack() as stack:
            self._hold(stack)
            self._claim()
            names = enumerate(self.widths)
            self._files = {name: self._appended(stack, str(number)) for number, name in names}
            self._told = self._appended(stack, _REASONS)
            self._to_whole_batches()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def remove(self) -> None:
        """Remove all of them, where they are in the case, or of no use."""
        self._stack.close()
        shutil.rmtree(self.folder)

    def _hold(self, stack: ExitStack) -> None:
        import filelock

        try:
            self.folder.mkdir(exist_ok=True)
            lock = filelock.FileLock(self.folder / "lock", timeout=0)
            stack.enter_context(lock)
        except filelock.Timeout:
            raise WorkspaceError(
                f"{self._case} is being made by another command: wait for it, or name another --out"
            ) from None
        except OSError as error:
            raise SettingsError(f"{self._case}: cannot be written: {error.strerror}") from None

    def _claim(self) -> None:
        state = self.folder / _STATE
        if not state.is_file():
            staged = state.with_suffix(".part")
            staged.write_text(self._text, encoding="utf-8")
            os.replace(staged, state)
        elif state.read_text(encoding="utf-8") != self._text:
            raise SettingsError(
                f"{self._case} holds the first rows of other images, or by other models: give that "
                f"command again, name another --out, or remove {self.folder}"
            )

    def _appended(self, stack: ExitStack, name: str) -> BinaryIO:
        return stack.enter_context((self.folder / name).open("ab"))

    def _to_whole_batches(self) -> None:
        """Take away what a killed command left of a batch."""
        reasons = self.reasons()
        whole = [os.path.getsize(f.name) // (4 * self.widths[n]) for n, f in self._files.items()]
        self.n_rows = min([len(reasons), *whole])
        if self.n_rows < max([len(reasons), *whole]):
            self.n_rows -= self.n_rows % self._batch
        for name, file in self._files.items():
            file.truncate(self.n_rows * 4 * self.widths[name])
        lines = [json.dumps(reason) + "\n" for reason in reasons[: self.n_rows]]
        (self.folder / _REASONS).write_text("".join(lines), encoding="utf-8")

    def reasons(self) -> list[str]:
        """Why each image so far has no row; empty for those that have one."""
        lines = (self.folder / _REASONS).read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def add(self, reasons: Sequence[str], rows: Mapping[str, np.ndarray]) -> None:
        """Append a batch, the reasons last."""
        for name, values in rows.items():
            self._files[name].write(values.tobytes())
        self._told.write("".join(json.dumps(reason) + "\n" for reason in reasons).encode())
        for file in (*self._files.values(), self._told):
            file.flush()

    def blocks(self, name: str) -> Iterator[np.ndarray]:
        """The rows of a set, some at a time."""
        width = self.widths[name]
        count = max(1, _COPIED_BYTES // (4 * width)) * width
        with open(self._files[name].name, "rb") as file:
            while len(values := np.fromfile(file, np.float32, count)):
                yield values.reshape(-1, width)
