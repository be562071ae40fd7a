"""Tables that a step makes: typed, for whatever reads them later, and as CSV files for people."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from streamclust.store.outputs import Outputs, number_cell, safe_cell
from streamclust.store.workspace import StoredResult, Workspace, store_array

Line = dict[str, Any]
_CELLS, _KINDS, _WORDS = "cells", "kinds", "words"
_TEXT, _WHOLE, _NUMBER = "text", "whole", "number"


class StoredTables(StoredResult):
    """The tables of a step, published together and known by the names of their files.

    Each column holds text, whole numbers, or numbers of six digits as they are written. What is not
    known is None among text, and NaN among numbers.
    """

    @property
    def files(self) -> list[str]:
        """Of which there are tables; none where the step was not run."""
        return list(self.node.attrs["files"]) if self.exists else []

    def columns(self, file: str) -> list[str]:
        """Names of a table's columns."""
        return list(self.node[file].attrs[_KINDS])

    def lines(self, file: str) -> Iterator[Line]:
        """A table line by line; none where there is no such table."""
        table = self.workspace.get(f"{self.path}/{file}")
        if table is None:
            return
        kinds, words = table.attrs[_KINDS], table.attrs[_WORDS]
        numbers = table[_CELLS][...].T.tolist()
        cells = [_read(*column, words) for column in zip(numbers, kinds.values(), strict=True)]
        for line in zip(*cells, strict=True):
            yield dict(zip(kinds, line, strict=True))

    def publish(
        self, tables: Mapping[str, tuple[Sequence[str], Iterable[Mapping[str, Any]]]], mark: str
    ) -> None:
        """Store tables: of each file the columns and the lines, where NaN, None, an empty text and
        no cell at all are not known."""
        with self.staged(mark) as group:
            for file, (columns, lines) in tables.items():
                _stage(group.create_group(file), columns, list(lines))
            group.attrs["files"] = list(tables)

    def write(self, outputs: Outputs, safe: Collection[str] = ()) -> None:
        """Write the files that do not stand there yet.

        Parameters
        ----------
        outputs : Outputs
        safe : collection of str
            Columns of text from anywhere, which no spreadsheet may take for formulas.
        """
        mark = self.fingerprint
        for file in self.files:
            if not outputs.is_current(file, mark):
                lines = (_written(line, safe) for line in self.lines(file))
                outputs.table(file, self.columns(file), lines, mark)


def stored_tables(workspace: Workspace, step: str) -> StoredTables:
    """The tables of a step."""
    return StoredTables(workspace, f"tables/{step}")


def _stage(group: Any, columns: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> None:
    """Write a table as one array: in place of texts it has their numbers among the words."""
    cells = np.full((len(lines), len(columns)), math.nan)
    kinds, words = {}, dict[str, int]()
    for number, column in enumerate(columns):
        values = [line.get(column) for line in lines]
        kinds[column] = kind = _kind(values)
        if kind == _TEXT:
            values = [words.setdefault(value, len(words)) if value else None for value in values]
        elif kind == _NUMBER:
            values = [value and float(f"{value:.6g}") for value in values]
        cells[:, number] = values
    store_array(group, _CELLS, cells)
    group.attrs.update({_KINDS: kinds, _WORDS: list(words)})


def _kind(values: Sequence[Any]) -> str:
    if any(isinstance(value, str) for value in values):
        return _TEXT
    known = [value for value in values if value is not None and value == value]
    return _WHOLE if known and all(isinstance(value, Integral) for value in known) else _NUMBER


def _read(numbers: list[float], kind: str, words: Sequence[str]) -> list[Any]:
    if kind == _NUMBER:
        return numbers
    if kind == _WHOLE:
        return [number if math.isnan(number) else int(number) for number in numbers]
    return [None if math.isnan(number) else words[int(number)] for number in numbers]


def _written(line: Line, safe: Collection[str]) -> Line:
    cells = {
        column: number_cell(value) if isinstance(value, float) else value
        for column, value in line.items()
    }
    return cells | {column: safe_cell(cells[column] or "") for column in safe if column in cells}
