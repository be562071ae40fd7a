"""Tables of numbers in text: CSV, with commas, semicolons or tabs, or numbers parted by blanks."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.base import check_layout, check_only_array
from streamclust.sources.members import NO_PATHS, descriptor_columns, note_of_unread, rank_of_name
from streamclust.sources.paths import looks_like_image
from streamclust.sources.sequential import SequentialSource

ENDINGS = (".csv", ".tsv")
# Of a first line: of thousands of numbers.
_MOST_LINE = 2**20
_LINES_LOOKED_AT = 20
_PIECE_BYTES = 8 * 2**20
_TEXTS_AT_ONCE = 65_536
_FIELD = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)"
_NUMBER = re.compile(_FIELD, re.IGNORECASE)
_WHOLE = re.compile(r"[-+]?\d+")
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
    except (SourceError, csv.Error):
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
    working_bytes: int = 80 * 2**20

    def __post_init__(self) -> None:
        layout = self.layout
        self.has_paths = layout.paths is not None
        if layout.names is not None:
            read = {*layout.numbers, layout.paths}
            others = (name for at, name in enumerate(layout.names) if at not in read and name)
            self.note = note_of_unread(self.path, others)

    def pieces(self, row: int) -> Iterator[tuple[int, np.ndarray]]:
        """All rows, some lines at a time."""
        n_rows = max(1, _PIECE_BYTES // (8 * self.shape[1]))
        start = 0
        kinds: dict[int, type] = dict.fromkeys(range(self.layout.n_columns), str)
        kinds.update(dict.fromkeys(self.layout.numbers, float))
        # Of one type for all, which is read faster, where there are no texts.
        of_all = float if len(self.layout.numbers) == self.layout.n_columns else kinds
        for table in _tables(self.path, self.layout, n_rows, dtype=of_all):
            values = table[[*self.layout.numbers]].to_numpy(self.dtype)
            # An empty cell is read as nan is.
            if np.isnan(values).any():
                _check_lines(self.path, self.layout, start, start + len(values))
            yield start, values
            start += len(values)

    def iter_paths(self) -> Iterator[str]:
        """The column of paths."""
        column = self.layout.paths
        assert column is not None
        texts = {"dtype": str, "usecols": [column], "keep_default_na": False}
        for table in _tables(self.path, self.layout, _TEXTS_AT_ONCE, **texts):
            yield from table.iloc[:, 0].tolist()


def open_array(path: Path, member: str | None = None) -> TextRows:
    """Open a table of numbers, whose lines are counted once; values are float64.

    Raises
    ------
    SourceError
        When its lines hold no numbers.
    """
    check_only_array(path, member)
    layout = _layout(path)
    if layout is None:
        raise SourceError(f"{path}: is text without columns of numbers")
    n_rows = _n_lines(path) - (layout.names is not None)
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
        is_header = len(rows) > 1 and _is_header(*rows[:2])
        body = rows[is_header:]
        numbers = [
            column
            for column in range(len(rows[0]))
            if _is_numeric([row[column].strip() for row in body])
        ]
        names = tuple(cell.strip() for cell in rows[0]) if is_header else None
        texts = [column for column in range(len(rows[0])) if column not in numbers]
        if names is not None:
            chosen = descriptor_columns(_kinds(names, numbers, body))
            numbers = [one for one in numbers if names[one] in chosen]
            called = [one for one in texts if rank_of_name(names[one]) < NO_PATHS]
            # The index of a frame has no name.
            likely = called or [one for one in texts if not names[one] or _has_paths(one, body)]
        else:
            likely = texts
        # Tables of attributes and lists of paths have texts, and a number or two.
        if len(numbers) >= _LEAST_NUMBERS and len(likely) <= 1 and len(numbers) > 2 * len(texts):
            paths = likely[0] if likely else None
            return _Layout(separator, names, tuple(numbers), paths, len(rows[0]))
    return None


def _is_numeric(cells: list[str]) -> bool:
    """Whether a column is of numbers, some of which may be missing."""
    held = [cell for cell in cells if cell]
    return bool(held) and all(_NUMBER.fullmatch(cell) for cell in held)


def _kinds(names: Sequence[str], columns: list[int], rows: list[list[str]]) -> dict[str, str]:
    """Which columns are of whole numbers; those that begin with 0 alone are as the others are."""
    cells = {names[one]: [row[one].strip() for row in rows] for one in columns}
    whole = {name for name, held in cells.items() if all(map(_WHOLE.fullmatch, held))}
    if len(whole) < len(cells):
        whole = {name for name in whole if any(int(cell) for cell in cells[name])}
    return {name: "i" if name in whole else "f" for name in cells}


def _has_paths(column: int, rows: list[list[str]]) -> bool:
    return all("/" in row[column] or looks_like_image(row[column]) for row in rows)


def _is_header(first: list[str], second: list[str]) -> bool:
    """Whether the first line has names: fewer numbers, a path's, or as frames number columns."""
    numbers = [cell for cell in first if _NUMBER.fullmatch(cell)]
    return (
        len(numbers) < _n_numbers(second)
        or any(rank_of_name(cell) < NO_PATHS for cell in first)
        or numbers == [str(number) for number in range(len(numbers))]
    )


def _n_numbers(cells: list[str]) -> int:
    return sum(_NUMBER.fullmatch(cell.strip()) is not None for cell in cells)


def _cells(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=separator))]


def _check_lines(path: Path, layout: _Layout, start: int, stop: int | None) -> None:
    """Refuse rows from `start` to `stop` of which a cell is no number.

    Raises
    ------
    SourceError
        For the first of them.
    """
    first = layout.names is not None
    lines = ((number, line) for number, line in enumerate(_lines(path), 1) if line.strip())
    end = None if stop is None else first + stop
    for number, line in islice(lines, first + start, end):
        cells = _cells(line, layout.separator)
        if len(cells) != layout.n_columns:
            raise SourceError(
                f"{path}: line {number} has {len(cells)} columns, and the first {layout.n_columns}"
            )
        for column in layout.numbers:
            if not _NUMBER.fullmatch(cells[column]):
                told = repr(cells[column][:40]) + " is no number" if cells[column] else "is empty"
                raise SourceError(f"{path}: line {number}, column {column + 1}: {told}")


def _lines(path: Path) -> Iterator[str]:
    with open(path, encoding="utf-8-sig", newline="") as text:
        try:
            while line := text.readline(_MOST_LINE):
                if len(line) == _MOST_LINE:
                    raise SourceError(f"{path}: a line has more than {_MOST_LINE} characters")
                yield line
        except UnicodeDecodeError as error:
            raise SourceError(f"{path}: is not UTF-8 text ({error.reason})") from error


def _n_lines(path: Path) -> int:
    """The lines of a file that are not empty; as bytes, which are faster counted than texts."""
    with open(path, "rb") as file:
        return sum(1 for line in iter(lambda: file.readline(_MOST_LINE), b"") if line.strip())


def _tables(path: Path, layout: _Layout, n_rows: int, **options: Any) -> Iterator[Any]:
    """The lines, some at a time, as frames."""
    import pandas as pd

    separator = r"\s+" if layout.separator == " " else layout.separator
    try:
        with pd.read_csv(
            path,
            sep=separator,
            header=None,
            skiprows=int(layout.names is not None),
            chunksize=n_rows,
            skipinitialspace=True,
            engine="c",
            low_memory=False,
            **options,
            # Later versions read numbers to the last bit, and warn of being told to.
            **({"float_precision": "round_trip"} if pd.__version__ < "3" else {}),
        ) as tables:
            yield from tables
    except (ValueError, OverflowError) as error:  # also of pandas' parser and of UTF-8
        if not isinstance(error, UnicodeDecodeError):
            _check_lines(path, layout, 0, None)
        reason = " ".join(str(error).split())[:200]
        raise SourceError(f"{path}: cannot be read as a table of numbers ({reason})") from error
