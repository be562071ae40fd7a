"""Lists of image paths, and tables of lines about them.

Short digests tell millions of paths apart in little memory; a line of a table says its row by
number or by path.
"""

import csv
import filecmp
import hashlib
import os
import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from os.path import splitext
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.cells import plain_cell, safe_cell
from streamclust.sources.members import NO_PATHS, TAIL, rank_of_name
from streamclust.sources.opening import holds_own_paths, own_paths
from streamclust.sources.other_formats import no_text

DIGEST_BYTES = 8
# Of a path and its number in `PathNumbers`.
BYTES_A_PATH = DIGEST_BYTES + 4
ROW = "row"
# Names of the columns that say which row a line is of.
KEYS = (ROW, "path", "paths", TAIL)
_EXAMPLES = 3

SEPARATORS = ",;\t"
_IMAGE_ENDING = re.compile(
    r"\.(jpe?g?|jfif|png|bmp|gif|tiff?|webp|p[gpbn]m|avif|hei[cf]|jp2|j2k|jpx|jxl)$", re.IGNORECASE
)
_DIGITS = re.compile(r"\d+")
# Lines at the beginning of a list that tell which of its columns holds the paths.
_LOOKED_AT = 50
_SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}


def _is_of_rows(file: str | Path) -> bool:
    """Whether paths come with rows of descriptors."""
    try:
        return holds_own_paths(Path(file))
    except OSError:
        return False  # which tells so when it is read


def csv_lines(file: str | Path, separators: str = ",") -> Iterator[list[str]]:
    """Read the lines of a CSV in UTF-8, with a byte order mark or without.

    Parameters
    ----------
    file : path
    separators : str
        What may stand between fields: the one that the first line has most of does.

    Yields
    ------
    list of str
        The fields of a line, as they stand in it; none for an empty line.

    Raises
    ------
    SourceError
        If the file cannot be read, or is no such text.
    """
    # A pointer would be a list of its own lines.
    if words := no_text(Path(file)):
        raise SourceError(f"{file}: {words}")
    try:
        with open(file, encoding="utf-8-sig", newline="") as text:
            first = text.readline() if len(separators) > 1 else ""
            text.seek(0)
            yield from csv.reader(text, delimiter=max(separators, key=first.count))
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{file}: is not UTF-8 text ({error.reason}): save it as UTF-8"
        ) from error
    except csv.Error as error:
        raise SourceError(f"{file}: is not a CSV ({error}): check its quotes") from error
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror or error}") from error


def iter_paths(file: str | Path) -> Iterator[str]:
    """Read image paths one after the other, as they stand in the file, but for an apostrophe that
    keeps spreadsheets from taking one for a formula.

    The table, whose fields are parted by commas, semicolons or tabs, has one column, with a
    header line or without, or several: of those called ``paths``, ``file``, ``image`` or the like
    the one whose values look most like paths (or the only one that does, or the second of two, the
    first a running index without a name).

    Raises
    ------
    SourceError
        If the file cannot be read as such a CSV: the message names the line.
    """
    if _is_of_rows(file):
        return own_paths(Path(file))
    return (path for path, _ in _iter_cells(Path(file), None))


def iter_column(file: str | Path, name: str) -> Iterator[tuple[str, str]]:
    """Read the path of each row together with its cell of column `name`.

    Raises
    ------
    SourceError
        As `iter_paths`, and if there is no such column.
    """
    return _iter_cells(Path(file), name)


def column_names(file: str | Path) -> list[str]:
    """Names of the columns of a list of paths; none where it has no header line.

    Raises
    ------
    SourceError
        As `iter_paths`.
    """
    if _is_of_rows(file):
        return []
    layout = list_layout(file)
    return _names(next(csv_lines(file, layout.separator))) if layout.is_header else []


class ListLayout(NamedTuple):
    """How a list of paths is written: what parts its fields, which of them holds the path, and
    whether the first line is a header."""

    separator: str
    column: int
    is_header: bool


def list_layout(file: str | Path) -> ListLayout:
    """Tell how a list of paths is written, by its first lines.

    Raises
    ------
    SourceError
        As `iter_paths`, for those lines.
    """
    if _is_of_rows(file):
        return ListLayout(SEPARATORS[0], 0, False)
    refused = None
    for separator in SEPARATORS:
        lines = list(islice(csv_lines(file, separator), _LOOKED_AT))
        if not lines or not any(field.strip() for field in lines[0]):
            raise SourceError(f"{file}: starts with an empty line: one line a path is needed")
        first, *rest = (line for line in lines if any(field.strip() for field in line))
        if len(first) == 1:
            continue
        rest = [line for line in rest if len(line) == len(first)]
        found = _find_column(first, rest)
        if found is not None:
            return ListLayout(separator, *found)
        # A semicolon or a tab may also be part of the only path of a line.
        if separator == "," or (rest and not any(map(_looks_like_path, first))):
            refused = refused or first
    if refused:
        columns = " ".join(", ".join(refused).split())[:200]
        raise SourceError(f"{file}: no column is called 'paths' ({columns}): name the one that is")
    paths = [line[0] for line in islice(csv_lines(file), _LOOKED_AT) if line]
    return ListLayout(",", 0, _is_header_of_one_column(paths))


def _iter_cells(file: Path, name: str | None) -> Iterator[tuple[str, str]]:
    """The path of each row, and its cell of the column `name`, or the path again."""
    separator, column, is_header = list_layout(file)
    lines = csv_lines(file, separator)
    first = next(lines)
    other = column if name is None else _place(file, _names(first) if is_header else [], name)
    if not is_header:
        yield plain_cell(first[column]), plain_cell(first[other])
    blank = 0
    for number, row in enumerate(lines, 2):
        if not any(field.strip() for field in row):
            blank = blank or number
            continue
        # Empty lines at the end mean nothing; one in between would shift all rows after it.
        if blank:
            raise SourceError(f"{file}: line {blank} is empty: each line must hold a path")
        if len(row) != len(first):
            raise SourceError(
                f"{file}: line {number} has {len(row)} columns where the first has {len(first)}: "
                f"put paths that contain {_SEPARATOR_NAMES[separator]} in quotes"
            )
        if not row[column]:
            raise SourceError(f"{file}: line {number} has no path: each line must hold a path")
        yield plain_cell(row[column]), plain_cell(row[other])


def _names(header: list[str]) -> list[str]:
    return [field.strip() for field in header]


def _place(file: Path, names: list[str], name: str) -> int:
    if name not in names:
        known = ", ".join(names) or "there is no header line"
        raise SourceError(f"{file}: has no column {name!r} ({known}): name one that it has")
    return names.index(name)


def _find_column(first: list[str], rest: list[list[str]]) -> tuple[int, bool] | None:
    """Tell which of several columns holds the paths, and whether the first line is a header; None
    where that cannot be told."""
    paths = [i for i, field in enumerate(first) if _looks_like_path(field)]
    others = [field.strip() for i, field in enumerate(first) if i not in paths]
    # Beside a running index only: a path with a comma that is not in quotes looks like two fields.
    if len(paths) == 1 and all(not field or field.isdigit() for field in others):
        return paths[0], False
    if paths:
        return None
    ranks = {i: rank_of_name(field) for i, field in enumerate(first)}
    named = [i for i, rank in ranks.items() if rank < NO_PATHS]
    values = [[line[i] for line in rest] for i in range(len(first))]
    if named:
        # Of a table with the columns file and path, either may be the number of an image.
        return min(named, key=lambda i: (-_likeness(values[i]), ranks[i], i)), True
    if len(first) == 2 and not first[0].strip():
        return 1, True
    likely = [i for i in range(len(first)) if _likeness(values[i]) > 0]
    return (likely[0], True) if len(likely) == 1 else None


def _likeness(values: list[str]) -> int:
    """How much the values of a column are like paths: folders and an ending, either, or nothing."""
    n_folders = sum("/" in value or "\\" in value for value in values)
    n_endings = sum(_IMAGE_ENDING.search(value) is not None for value in values)
    return (2 * n_folders > len(values)) + 2 * (2 * n_endings > len(values))


def _is_header_of_one_column(values: list[str]) -> bool:
    first, rest = values[0].strip(), values[1:]
    if rank_of_name(first) < NO_PATHS:
        return True
    if _looks_like_path(first):
        return False
    # Names of images without folders or ending, which differ in their numbers only.
    shapes = {_DIGITS.sub("0", value.strip()) for value in rest}
    return not (_DIGITS.search(first) and shapes == {_DIGITS.sub("0", first)})


def looks_like_image(name: str) -> bool:
    """Whether a name ends as those of images do."""
    return _IMAGE_ENDING.search(name) is not None


def _looks_like_path(field: str) -> bool:
    if field.strip().lower() == TAIL:
        return False
    return "/" in field or "\\" in field or _IMAGE_ENDING.search(field) is not None


def count_paths(file: str | Path) -> int:
    """Count the paths in a CSV, as `iter_paths` reads them."""
    return sum(1 for _ in iter_paths(file))


def count_mismatch(file: str | Path, n_paths: int, n_rows: int) -> str:
    """Why a list has more or fewer paths than there are rows, as far as it tells; or nothing.

    Eight bytes a path are held.
    """
    if _is_of_rows(file):
        return ""
    layout = list_layout(file)
    first = next(csv_lines(file, layout.separator))
    line = layout.separator.join(first)[:100]
    is_named = layout.is_header and rank_of_name(first[layout.column]) < NO_PATHS
    if layout.is_header and not is_named and n_paths == n_rows - 1:
        return f"its first line, {line!r}, was taken for a header: add one if it is a path"
    if not layout.is_header and n_paths == n_rows + 1:
        return f"its first line, {line!r}, was taken for a path: call the column 'paths'"
    n_different = len(np.unique(path_digests(iter_paths(file))))
    if n_different < n_paths:
        listed = f"{n_paths - n_different:,} of its lines repeat a path that stands above them"
        fits = n_different == n_rows
        return f"{listed}: without them there are as many as rows" if fits else listed
    if n_rows > n_paths and n_rows % n_paths == 0:
        return f"there are {n_rows // n_paths} rows a path: list each path as often"
    return ""


def normalise_path(path: str) -> str:
    """Write a path with forward slashes and without a leading ``./``.

    >>> normalise_path(".\\\\veriwild\\\\1\\\\000001.jpg")
    'veriwild/1/000001.jpg'
    """
    path = path.replace("\\", "/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path


def composed(text: str) -> str:
    """A text whose letters with marks are one character each: macOS writes them as two, so that
    names that look alike differ."""
    return unicodedata.normalize("NFC", text)


def path_digest(path: str) -> bytes:
    """The digest of a path; the same however its folders and its letters are written."""
    text = composed(normalise_path(path)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()


def path_digests(paths: Iterable[str]) -> np.ndarray:
    """Digests of paths, uint64 of shape (n_paths,), in their order."""
    digests = bytearray()
    for path in paths:
        digests += path_digest(path)
    return np.frombuffer(digests, np.uint64)


class PathNumbers:
    """A number for each of many paths, found by its digest; can be pickled.

    Parameters
    ----------
    digests : ndarray of uint64, shape (n_paths,)
        As `path_digests` gives them.
    numbers : ndarray of int32, shape (n_paths,)
        0 or above.
    """

    def __init__(self, digests: np.ndarray, numbers: np.ndarray) -> None:
        order = np.argsort(digests, kind="stable")
        self._digests, self._numbers = digests[order], numbers[order]

    def get(self, path: str) -> int | None:
        """The number of a path; None for another path."""
        digest = np.frombuffer(path_digest(path), np.uint64)[0]
        place = int(np.searchsorted(self._digests, digest))
        if place == len(self._digests) or self._digests[place] != digest:
            return None
        return int(self._numbers[place])


class RowFinder:
    """Says which rows of the case a line is of: one by its number, or all that have its path.

    Parameters
    ----------
    file : Path
        For messages.
    keys : sequence of str
        Those of `KEYS` that the lines have.
    n_rows : int
        Rows of the case.
    paths : iterable of blocks of str, or None
        The paths of the case in row order.
    """

    def __init__(
        self,
        file: Path,
        keys: Sequence[str],
        n_rows: int,
        paths: Iterable[Iterable[str]] | None,
    ) -> None:
        self.file = file
        self.n_rows = n_rows
        self.matched = self.unmatched = 0
        self.examples: list[str] = []
        self._key = key = path_tail if TAIL in keys else normalise_path
        self._digests: np.ndarray | None = None
        self._whole: np.ndarray | None = None
        if paths is not None:
            self._digests, self._whole = _digests(paths, key)
        self._order = None if self._digests is None else np.argsort(self._digests, kind="stable")

    def rows(self, keys: dict[str, str], number: int) -> list[int]:
        """The rows of line `number`; none where its path is not in the case."""
        path = next((keys[name] for name in KEYS[1:] if keys.get(name)), "")
        rows = [self._numbered(keys[ROW], number)] if ROW in keys else self._of_path(path)
        if ROW in keys:
            self._check_path(rows[0], path, number)
        self.matched += bool(rows)
        self.unmatched += not rows
        if not rows and len(self.examples) < _EXAMPLES:
            self.examples.append(path)
        return rows

    def sharing(self, row: int) -> int:
        """How many rows have the path of a row; 0 where there are no paths."""
        whole = self._digests if self._whole is None else self._whole
        return 0 if whole is None else int(np.count_nonzero(whole == whole[row]))

    def _check_path(self, row: int, path: str, number: int) -> None:
        if not path or self._digests is None:
            return
        if self._digests[row] not in (self._digest(path), self._digest(plain_cell(path))):
            raise SourceError(
                f"{self.file}: line {number} says that row {row} is {path}, which it is not in "
                "this case: take the column 'row' out to match by path"
            )

    def _of_path(self, path: str) -> list[int]:
        if self._digests is None or self._order is None:
            raise SourceError(
                f"{self.file}: has no column 'row', and the case has no paths to match by: add one"
            )
        # As it stands first: an apostrophe may be of the path itself.
        for text in dict.fromkeys([path, plain_cell(path)] if path else []):
            digest = self._digest(text)
            first, last = (
                int(np.searchsorted(self._digests, digest, side, sorter=self._order))
                for side in ("left", "right")
            )
            if first < last:
                rows = self._order[first:last]
                self._check_single(rows, text)
                return rows.tolist()
        return []

    def _check_single(self, rows: np.ndarray, path: str) -> None:
        """Refuse an end of different paths."""
        if self._whole is None:
            return
        others = rows[self._whole[rows] != self._whole[rows[0]]]
        if len(others):
            raise SourceError(
                f"{self.file}: rows {rows[0]} and {others[0]} of this case both end in {path}: "
                "name the rows by a column 'path'"
            )

    def _numbered(self, text: str, number: int) -> int:
        if not text.isascii() or not text.isdigit() or int(text) >= self.n_rows:
            raise SourceError(
                f"{self.file}: line {number} has row {text!r}, but the case has rows 0 to "
                f"{self.n_rows - 1}: name the table of this case"
            )
        return int(text)

    def _digest(self, path: str) -> np.uint64:
        return _digest(self._key(path))


def _digests(
    paths: Iterable[Iterable[str]], key: Callable[[str], str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Eight bytes for each path of the case, in place of a hundred; and as many for the whole path
    where the key is a part of it."""
    digests, whole = array("Q"), array("Q")
    for block in paths:
        for path in block:
            digests.append(int(_digest(key(path))))
            if key is path_tail:
                whole.append(int(_digest(normalise_path(path))))
    whole_paths = np.array(whole, np.uint64) if key is path_tail else None
    return np.array(digests, np.uint64), whole_paths


def _digest(text: str) -> np.uint64:
    encoded = composed(text).encode(errors="surrogatepass")
    return np.uint64(int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest()))


def path_tail(path: str) -> str:
    """The last two parts of a path, without the ending.

    >>> path_tail("veriwild\\\\1\\\\00001\\\\000001.jpg")
    '00001/000001'
    """
    *folders, name = normalise_path(path).rsplit("/", 2)[-2:]
    return "/".join([*folders, splitext(name)[0]])


def write_paths(folder: Path, paths: Iterable[str]) -> Path:
    """Write a list of paths into a folder, unless it is there as it would be written.

    Returns
    -------
    Path
        The list, ``images_paths.csv``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "images_paths.csv"
    staged = file.with_name(f".{file.name}.part")
    try:
        write_list(staged, paths)
        # The same list stays as it is, for its time tells whether it was changed.
        if not (file.is_file() and filecmp.cmp(file, staged, shallow=False)):
            staged.replace(file)
    finally:
        staged.unlink(missing_ok=True)
    return file.absolute()


def write_list(file: Path, paths: Iterable[str]) -> None:
    """Write a list of paths.

    Raises
    ------
    SourceError
        For what is no path, or cannot be written in UTF-8.
    """
    with open(file, "w", newline="", encoding="utf-8") as text:
        lines = csv.writer(text)
        lines.writerow(["paths"])
        for row, path in enumerate(paths):
            try:
                # Now: what cannot be encoded would be told when lines are written out, rows later.
                lines.writerow([safe_cell(os.fsdecode(os.fspath(path)).encode().decode())])
            except (TypeError, UnicodeEncodeError):
                raise SourceError(
                    f"paths: {path!a} of row {row} is no path: give a text for each row, or a file"
                ) from None
