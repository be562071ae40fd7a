"""Tables of numbers in text: CSV, with commas, semicolons or tabs, or numbers parted by blanks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import check_layout, check_only_array
from streamclust.sources.members import NO_PATHS, rank_of_name
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".csv", ".tsv")
# Of a first line: of thousands of numbers.
_MOST_LINE = 2**20
_LINES_LOOKED_AT = 3
_PIECE_BYTES = 2**20
_SEARCH_BYTES = 2**20
_FIELD = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)"
_NUMBER = re.compile(_FIELD, re.IGNORECASE)
_SEPARATORS = (",", ";", "\t", " ")
# Lines of a text that is a list of paths have one number at most.
_LEAST_NUMBERS = 2


@dataclass(frozen=True)
class _Layout:
    """How a table is written.

    Attributes
    ----------
    separator : str
    names : tuple of str or None
        Of its header; None where the first line is a row.
    numbers : tuple of int
        Columns of numbers.
    paths : int or None
        The column of paths.
    n_columns : int
    """

    separator: str
    names: tuple[str, ...] | None
    numbers: tuple[int, ...]
    paths: int | None
    n_columns: int


def is_one(path: Path, head: bytes) -> bool:
    """Whether it is text whose lines hold several numbers each."""
    if b"\0" in head or not head.strip():
        return False
    try:
        layout = _layout(path)
    except (UnicodeDecodeError, SourceError):
        return False
    return layout is not None


@dataclass(eq=False)
class TextRows(SequentialSource):
    """Rows of a text."""

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype
    layout: _Layout
    order: Literal["C", "F"] = "C"
    working_bytes: int = 48 * 2**20

    def __post_init__(self) -> None:
        self.has_paths = self.layout.paths is not None

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """All rows, some lines at a time."""
        n_rows = max(1, _PIECE_BYTES // (8 * self.shape[1]))
        start = 0
        for table in _tables(self.path, self.layout, self.layout.numbers, n_rows, float):
            values = table.to_numpy(self.dtype)
            missing = np.isnan(values)
            if missing.any():
                self._check_cells(start, missing)
            yield start, values
            start += len(values)

    def _check_cells(self, start: int, missing: np.ndarray) -> None:
        """Refuse empty cells, which are read as NaN; nan that is written is one."""
        wanted = {start + row: column for row, column in np.argwhere(missing)[::-1].tolist()}
        lines = _lines(self.path)
        first = self.layout.names is not None
        for number, line in enumerate(islice(lines, first + start, first + max(wanted) + 1), start):
            if number in wanted:
                column = self.layout.numbers[wanted[number]]
                cells = _cells(line, self.layout.separator)
                if not cells[column].strip() if column < len(cells) else True:
                    raise SourceError(
                        f"{self.path}: line {number + first + 1} has no number in column "
                        f"{column + 1}: fill it, or write nan"
                    )

    def iter_paths(self) -> Iterator[str]:
        """The column of paths."""
        column = self.layout.paths
        assert column is not None
        for table in _tables(self.path, self.layout, (column,), 65_536, str):
            yield from table.iloc[:, 0].tolist()


def open_array(path: Path, member: str | None = None) -> TextRows:
    """Open a table of numbers, whose lines are counted once; values are float64.

    Raises
    ------
    SourceError
        When its lines hold no numbers.
    """
    check_only_array(path, member)
    try:
        layout = _layout(path)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: is not UTF-8 text ({error.reason})") from error
    if layout is None:
        raise SourceError(f"{path}: is text without columns of numbers")
    n_rows = sum(1 for line in _lines(path) if line.strip()) - (layout.names is not None)
    dtype = np.dtype(np.float64)
    shape = check_layout(path, (n_rows, len(layout.numbers)), dtype)
    return TextRows(path, shape, dtype, layout)


def _layout(path: Path) -> _Layout | None:
    """How a table is written, by its first lines; None where it is none of numbers."""
    lines = [line for line in islice(_lines(path), _LINES_LOOKED_AT) if line.strip()]
    if not lines:
        return None
    for separator in _SEPARATORS:
        rows = [_cells(line, separator) for line in lines]
        if len({len(row) for row in rows}) > 1 or len(rows[0]) < _LEAST_NUMBERS:
            continue
        is_header = len(rows) > 1 and _n_numbers(rows[0]) < _n_numbers(rows[1])
        body = rows[is_header:]
        numbers = [
            column
            for column in range(len(rows[0]))
            if all(_NUMBER.fullmatch(row[column].strip()) for row in body)
        ]
        names = tuple(cell.strip() for cell in rows[0]) if is_header else None
        texts = [column for column in range(len(rows[0])) if column not in numbers]
        if names is not None:
            # A running index, as data frames are written with.
            numbers = [one for one in numbers if names[one] not in ("", "index", "row", "id")]
            texts = [one for one in texts if rank_of_name(names[one]) < NO_PATHS] or texts
        # Tables of attributes and lists of paths have texts, and a number or two.
        if len(numbers) >= _LEAST_NUMBERS and len(texts) <= 1 and len(numbers) > 2 * len(texts):
            paths = texts[0] if texts else None
            return _Layout(separator, names, tuple(numbers), paths, len(rows[0]))
    return None


def _n_numbers(cells: list[str]) -> int:
    return sum(_NUMBER.fullmatch(cell.strip()) is not None for cell in cells)


def _cells(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    return [cell.strip().strip('"') for cell in line.rstrip("\r\n").split(separator)]


def _lines(path: Path) -> Iterator[str]:
    with open(path, encoding="utf-8-sig", newline="") as text:
        while line := text.readline(_MOST_LINE):
            if len(line) == _MOST_LINE:
                raise SourceError(f"{path}: a line has more than {_MOST_LINE} characters")
            yield line


def _tables(
    path: Path, layout: _Layout, columns: tuple[int, ...], n_rows: int, kind: type
) -> Iterator[Any]:
    """Columns of the lines, some at a time, as frames."""
    import pandas as pd

    separator = r"\s+" if layout.separator == " " else layout.separator
    try:
        with pd.read_csv(
            path,
            sep=separator,
            header=None,
            skiprows=int(layout.names is not None),
            names=range(layout.n_columns),
            usecols=list(columns),
            dtype=dict.fromkeys(columns, kind),
            chunksize=n_rows,
            skipinitialspace=True,
            keep_default_na=kind is float,
            encoding="utf-8-sig",
            float_precision="round_trip",
            engine="c",
            low_memory=False,
        ) as tables:
            yield from tables
    except (ValueError, OverflowError) as error:  # also of pandas' parser and of UTF-8
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{path}: cannot be read as a table of numbers ({reason})") from error
