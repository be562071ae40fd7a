"""Tables that a step makes: typed, for whatever reads them later, and as CSV files for people."""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from streamclust.store.outputs import Outputs, number_cell
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
        for numbers in table[_CELLS][...]:
            cells = zip(kinds.items(), numbers.tolist(), strict=True)
            yield {column: _read(number, kind, words) for (column, kind), number in cells}

    def publish(
        self, tables: Mapping[str, tuple[Sequence[str], Iterable[Mapping[str, Any]]]], mark: str
    ) -> None:
        """Store tables: of each file the columns and the lines, where NaN, None, an empty text and
        no cell at all are not known."""
        with self.staged(mark) as group:
            for file, (columns, lines) in tables.items():
                _stage(group.create_group(file), columns, lines)
            group.attrs["files"] = list(tables)

    def write(self, outputs: Outputs) -> None:
        """Write the files that do not stand there yet."""
        mark = self.fingerprint
        for file in self.files:
            if not outputs.is_current(file, mark):
                lines = (_written(line) for line in self.lines(file))
                outputs.table(file, self.columns(file), lines, mark)


def tables_of_sets(workspace: Workspace) -> list[StoredTables]:
    """The tables of all steps that tell of sets together."""
    return [stored_tables(workspace, step) for step in ("compare", "describe")]


def stored_tables(workspace: Workspace, step: str) -> StoredTables:
    """The tables of a step."""
    return StoredTables(workspace, f"tables/{step}")


def _stage(group: Any, columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> None:
    """Write a table as one array: in place of texts it has their numbers among the words."""
    cells = array("d")
    kinds, words = dict[str, str](), dict[str, int]()
    for line in lines:
        for column in columns:
            value = line.get(column)
            if value is None or value != value or value == "":
                cells.append(math.nan)
                continue
            if isinstance(value, str):
                cells.append(words.setdefault(value, len(words)))
                kind = _TEXT
            elif isinstance(value, Integral):
                cells.append(int(value))
                kind = _WHOLE
            else:
                cells.append(float(number_cell(value)))
                kind = _NUMBER
            if kinds.setdefault(column, kind) != kind:
                raise TypeError(f"{column}: {kinds[column]} and {kind} in one column")
    store_array(group, _CELLS, np.array(cells).reshape(-1, len(columns)))
    kinds = {column: kinds.get(column, _NUMBER) for column in columns}
    group.attrs.update({_KINDS: kinds, _WORDS: list(words)})


def _read(number: float, kind: str, words: Sequence[str]) -> Any:
    if math.isnan(number):
        return None if kind == _TEXT else number
    if kind == _NUMBER:
        return number
    return words[int(number)] if kind == _TEXT else int(number)


def _written(line: Line) -> Line:
    return {
        column: number_cell(value) if isinstance(value, float) else value
        for column, value in line.items()
    }
