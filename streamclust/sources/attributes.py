"""What is known of rows, read line by line into small codes: attributes of their images, from any
CSV or VERI-Wild's vehicle_info.txt as it comes, and truth tables."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from streamclust.errors import SettingsError, SourceError
from streamclust.sources.cells import plain_cell
from streamclust.sources.paths import KEYS, SEPARATORS, TAIL, RowFinder, csv_lines

OUTLIER_KIND = "outlier_kind"
# A column with more values than this, or than half as many as rows, tells rows apart rather than
# kinds; one of numbers is a measure or an identity with far fewer.
MOST_VALUES = 1000
MOST_NUMBERS = 50
MOST_A_ROW = 0.5
# While a table is read: a code, in an array that grows by a sixteenth; the names of a column's
# values; row numbers, their order, and the digests of paths; a column that is put in order.
_BYTES_A_VALUE = 4.25
_BYTES_A_COLUMN = 200 * MOST_VALUES
_BYTES_A_ROW = 80

# A table that matches fewer of its lines, and of the rows of the case, is of another case.
LEAST_MATCHED = 0.5
# An attribute of which one value has a larger share of the known rows says nothing of clusters.
MOST_OF_ONE_VALUE = 0.98
# VERI-Wild's cameras have numbers, which would be taken for a measure.
_CAMERA = "camera id"


@dataclass(frozen=True, eq=False)
class Attribute:
    """One column of a truth table.

    Attributes
    ----------
    codes : ndarray of int32, shape (n_rows,)
        Which of `values`; -1 where it is not known.
    values : list of str
        Sorted.
    """

    codes: np.ndarray
    values: list[str]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of the rows of a case.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_rows,)
        Which rows of the case, ascending.
    outlier_kind : Attribute or None
        -1 for ordinary rows; None without such a column.
    attributes : dict of str to Attribute
    skipped : dict of str to str
        Columns that are no attributes, and why.
    dominated : dict of str to str
        Those that would say nothing, as one value has nearly all rows: `read_attributes`.
    matched, unmatched : int
        Lines of rows of the case, which may be several where rows share a path; and lines whose
        path is not in it.
    examples : list of str
        The first three such paths.
    """

    rows: np.ndarray
    outlier_kind: Attribute | None
    attributes: dict[str, Attribute]
    skipped: dict[str, str] = field(default_factory=dict)
    dominated: dict[str, str] = field(default_factory=dict)
    matched: int = 0
    unmatched: int = 0
    examples: list[str] = field(default_factory=list)


def read_attributes(
    file: Path,
    n_rows: int,
    paths: Iterable[Iterable[str]] | None = None,
    columns: Sequence[str] | None = None,
) -> Truth:
    """Read what is known of the images: a table as for `read_truth`.

    Fields are parted by commas, semicolons or tabs, whichever its first line has most of. Lines
    are matched by row, by path, or by ``id/image``, which is how VERI-Wild names its images.

    Parameters
    ----------
    file : Path
    n_rows : int
        Rows of the case.
    paths : iterable of blocks of str, optional
        The paths of the case in row order.
    columns : sequence of str, optional
        The attributes to read, also such as would be left out: by default all columns but those
        that tell rows apart, and those of which one value has more than 98 % of the known rows.

    Returns
    -------
    Truth
        A column ``outlier_kind`` is no attribute.

    Raises
    ------
    SettingsError
        When it has no column of a name in `columns`.
    SourceError
        If it cannot be read, or if it matches less than half of its lines and less than half of
        the rows: then it belongs to another case.
    """
    known = read_lines(file, _lines(file), n_rows, paths, columns)
    n_lines = known.matched + known.unmatched
    if max(known.matched / n_lines, len(known.rows) / n_rows) < LEAST_MATCHED:
        raise SourceError(
            f"{file}: only {known.matched:,} of its {n_lines:,} lines are of rows of this case, "
            f"which has {n_rows:,}: name the table of this case; not found: "
            f"{', '.join(known.examples)}"
        )
    if columns is None:
        known = _undominated(known)
    if not known.attributes:
        left_out = known.skipped | known.dominated
        causes = "; ".join(f"{name}: {cause}" for name, cause in left_out.items())
        raise SourceError(
            f"{file}: has no column that is an attribute ({causes or 'it has no other'}): "
            "name a table with one whose values many rows share"
        )
    return known


def _undominated(known: Truth) -> Truth:
    """Without the attributes of which one value has nearly all known rows."""
    causes = {name: _dominance(attribute) for name, attribute in known.attributes.items()}
    kept = {name: own for name, own in known.attributes.items() if not causes[name]}
    dominated = {name: cause for name, cause in causes.items() if cause}
    return replace(known, attributes=kept, dominated=dominated)


def _dominance(attribute: Attribute) -> str:
    """Which value has nearly all known rows; empty where none has."""
    counts = np.bincount(attribute.codes[attribute.codes >= 0], minlength=len(attribute.values))
    most = int(counts.argmax())
    share = counts[most] / counts.sum()
    if share <= MOST_OF_ONE_VALUE:
        return ""
    return f"{share:.2%} of its known rows are {attribute.values[most]!r}"


def attributes_bytes(file: Path, n_rows: int, columns: Sequence[str] | None = None) -> int:
    """Memory that `read_attributes` takes at its peak, by the file's first line.

    Raises
    ------
    SettingsError, SourceError
        As `read_attributes`, for that line.
    """
    return lines_bytes(file, _lines(file), n_rows, columns)


def most_values(file: Path, columns: Sequence[str] | None = None) -> int:
    """Values of all attributes together, at most, by the file's first line.

    Raises
    ------
    SettingsError, SourceError
        As `read_attributes`, for that line.
    """
    return MOST_VALUES * len(columns_to_read(file, _lines(file), columns))


def _lines(file: Path) -> Iterator[list[str]]:
    """The lines of a table, split, with the names of cameras for their numbers."""
    lines = csv_lines(file, SEPARATORS)
    header = next(lines, [])
    yield header
    names = [name.strip().lower() for name in header]
    camera = names.index(_CAMERA) if TAIL in names and _CAMERA in names else None
    for line in lines:
        if camera is not None and len(line) > camera and line[camera].strip():
            line[camera] = f"camera {line[camera].strip()}"
        yield line


def read_truth(file: Path, n_rows: int, paths: Iterable[Iterable[str]] | None = None) -> Truth:
    """Read a CSV that says what rows show; its fields may be parted by semicolons or tabs.

    Lines are matched by the column ``row``, or by ``path`` or ``paths`` without it, or by the last
    two parts of the path without its ending, if ``id/image`` is the name of the column. A line
    is of all rows with its path. The column ``outlier_kind`` is empty for ordinary rows; every
    other one is an attribute, empty where it is not known, unless it has a single value, or so
    many that it tells rows apart.

    Parameters
    ----------
    file : Path
    n_rows : int
        Rows of the case.
    paths : iterable of blocks of str, optional
        The paths of the case in row order; slashes may be of either kind.

    Raises
    ------
    SourceError
        If it cannot be read, has no column to match by, or does not belong to the case.
    """
    return read_lines(file, csv_lines(file, SEPARATORS), n_rows, paths)


def truth_bytes(file: Path, n_rows: int) -> int:
    """Memory that `read_truth` takes at its peak, by the file's first line.

    Raises
    ------
    SourceError
        As `read_truth`, for that line.
    """
    return lines_bytes(file, csv_lines(file, SEPARATORS), n_rows)


def lines_bytes(
    file: Path, lines: Iterator[list[str]], n_rows: int, named: Sequence[str] | None = None
) -> int:
    """Memory that `read_lines` takes at its peak, by the first of the lines."""
    n_columns = len(columns_to_read(file, lines, named))
    a_row = _BYTES_A_ROW + n_columns * _BYTES_A_VALUE
    return int(n_rows * a_row) + n_columns * _BYTES_A_COLUMN


def _header(file: Path, lines: Iterator[list[str]]) -> tuple[list[str], list[str]]:
    """The names of all columns, and of those to match by."""
    header = [plain_cell(name.strip()) for name in next(lines, [])]
    if len(set(header)) < len(header):
        raise SourceError(f"{file}: two columns have one name: rename one")
    keys = [name for name in header if name.lower() in KEYS]
    if not keys:
        raise SourceError(
            f"{file}: has no column 'row' or 'path' ({', '.join(header)[:200] or 'it is empty'}): "
            "name the one that says which rows its lines are of"
        )
    return header, keys


def columns_to_read(
    file: Path, lines: Iterator[list[str]], named: Sequence[str] | None = None
) -> list[str]:
    """The columns that `read_lines` reads, by the first of the lines."""
    return _columns(file, *_header(file, lines), named)


def _columns(
    file: Path, header: list[str], keys: list[str], named: Sequence[str] | None
) -> list[str]:
    """The columns to read, in their order."""
    others = [name for name in header if name not in keys]
    if named is None:
        return others
    there = [name for name in others if name != OUTLIER_KIND]
    missing = [repr(name) for name in named if name not in there]
    if missing:
        raise SettingsError(
            f"{file}: has no column {', '.join(missing)} of attributes: "
            f"there are {', '.join(there) or 'none'}"
        )
    return [name for name in there if name in named]


def read_lines(
    file: Path,
    lines: Iterator[list[str]],
    n_rows: int,
    paths: Iterable[Iterable[str]] | None,
    named: Sequence[str] | None = None,
) -> Truth:
    """Read a table of lines that are split already, the first of them the header: `read_truth`.

    Of columns that are `named` no other is read, and each is an attribute that can be held.

    Raises
    ------
    SettingsError
        When there is no such column.
    """
    header, keys = _header(file, lines)
    places = [(name.lower(), header.index(name)) for name in keys]
    finder = RowFinder(file, [name for name, _ in places], n_rows, paths)
    columns = {name: _Column() for name in _columns(file, header, keys, named)}
    cells = [(header.index(name), column) for name, column in columns.items()]
    rows = array("q")
    for number, line in enumerate(lines, 2):
        if not any(line):
            continue
        if len(line) != len(header):
            raise SourceError(
                f"{file}: line {number} has {len(line)} columns where the first has "
                f"{len(header)}: put values that contain the separator in quotes"
            )
        for row in finder.rows({key: line[place].strip() for key, place in places}, number):
            rows.append(row)
            for place, column in cells:
                column.add(plain_cell(line[place].strip()))
    return _truth(file, np.array(rows, np.int64), columns, finder, named is not None)


def _truth(
    file: Path,
    rows: np.ndarray,
    columns: "dict[str, _Column]",
    finder: RowFinder,
    are_named: bool,
) -> Truth:
    if not len(rows):
        raise SourceError(
            f"{file}: none of its lines is of a row of this case "
            f"({finder.unmatched:,} paths are not in it): name the table of this case"
            + (f"; not found: {', '.join(finder.examples)}" if finder.examples else "")
        )
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    twice = np.flatnonzero(rows[1:] == rows[:-1])
    if len(twice):
        row = int(rows[twice[0]])
        shared = finder.sharing(row)
        way_out = (
            f"leave one line for the {shared:,} rows that have its path, or add a column 'row'"
            if shared > 1
            else "leave one"
        )
        n_twice = len(np.unique(rows[twice]))
        others = f" (as have {n_twice - 1:,} others)" if n_twice > 1 else ""
        raise SourceError(f"{file}: row {row} has two lines{others}: {way_out}")
    kind = columns.pop(OUTLIER_KIND, None)
    attributes, skipped = {}, {}
    for name in list(columns):
        # Given back before the next one is put in order.
        column = columns.pop(name)
        cause = column.unusable() or ("" if are_named else column.apart())
        if cause:
            skipped[name] = cause
        else:
            attributes[name] = column.attribute(order)
    outliers = None if kind is None or kind.is_full else kind.attribute(order)
    return Truth(
        *(rows, outliers, attributes, skipped),
        matched=finder.matched,
        unmatched=finder.unmatched,
        examples=finder.examples,
    )


class _Column:
    """Values as codes, as long as they are few."""

    def __init__(self) -> None:
        self.codes = array("i")
        self.values: dict[str, int] = {}
        self.is_full = False

    def add(self, value: str) -> None:
        if self.is_full:
            return
        self.codes.append(self.values.setdefault(value, len(self.values)) if value else -1)
        if len(self.values) > MOST_VALUES:
            self.is_full, self.codes = True, array("i")

    def unusable(self) -> str:
        """Why it cannot be an attribute; empty where it can."""
        if self.is_full:
            return f"more than {MOST_VALUES:,} values"
        return "fewer than two values" if len(self.values) < 2 else ""

    def apart(self) -> str:
        """Why it tells rows apart rather than kinds; empty where it does not."""
        known = sum(code >= 0 for code in self.codes)
        if len(self.values) > MOST_A_ROW * known:
            return "nearly every row has a value of its own"
        if len(self.values) > MOST_NUMBERS and all(map(_is_number, self.values)):
            return f"more than {MOST_NUMBERS} different numbers"
        return ""

    def attribute(self, order: np.ndarray) -> Attribute:
        values = sorted(self.values)
        # The last place is that of code -1.
        recoded = np.array([*map(values.index, self.values), -1], np.int32)
        return Attribute(recoded[np.array(self.codes, np.int32)[order]], values)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
