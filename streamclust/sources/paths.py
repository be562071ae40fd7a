"""Lists of image paths, and tables of lines about them.

Short digests tell millions of paths apart in little memory; a line of a table says its row by
number or by path.
"""

import csv
import hashlib
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from os.path import splitext
from pathlib import Path

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.other_formats import no_text

DIGEST_BYTES = 8
# Of a path and its number in `PathNumbers`.
BYTES_A_PATH = DIGEST_BYTES + 4
ROW = "row"
# Matched by the last two parts of a path, without the ending, as VERI-Wild names its images.
TAIL = "id/image"
# Names of the columns that say which row a line is of.
KEYS = (ROW, "path", "paths", TAIL)
_EXAMPLES = 3

_PATH_COLUMNS = re.compile(r"(images?_?|files?_?)?(paths?|names?)|images?|files?", re.IGNORECASE)
_IMAGE_ENDING = re.compile(r"\.(jpe?g|png|bmp|gif|tiff?|webp|p[gpn]m)$", re.IGNORECASE)


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
    """Read image paths one after the other, as they stand in the file.

    The CSV has one column, with a header line or without, or several of which one
    is called ``paths`` or the like (or two, the first a running index without a name).

    Raises
    ------
    SourceError
        If the file cannot be read as such a CSV: the message names the line.
    """
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
    first = next(csv_lines(file), [])
    return _names(first) if _find_column(Path(file), first)[1] else []


def _iter_cells(file: Path, name: str | None) -> Iterator[tuple[str, str]]:
    """The path of each row, and its cell of the column `name`, or the path again."""
    lines = csv_lines(file)
    first = next(lines, [])
    column, is_header = _find_column(file, first)
    other = column if name is None else _place(file, _names(first) if is_header else [], name)
    if not is_header:
        yield first[column], first[other]
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
                f"put paths that contain commas in quotes"
            )
        if not row[column]:
            raise SourceError(f"{file}: line {number} has no path: each line must hold a path")
        yield row[column], row[other]


def _names(header: list[str]) -> list[str]:
    return [field.strip() for field in header]


def _place(file: Path, names: list[str], name: str) -> int:
    if name not in names:
        known = ", ".join(names) or "there is no header line"
        raise SourceError(f"{file}: has no column {name!r} ({known}): name one that it has")
    return names.index(name)


def _find_column(file: Path, first: list[str]) -> tuple[int, bool]:
    """Tell which column holds the paths, and whether the first line is a header."""
    if not first:
        raise SourceError(f"{file}: starts with an empty line: one line a path is needed")
    paths = [i for i, field in enumerate(first) if _looks_like_path(field)]
    others = [field.strip() for i, field in enumerate(first) if i not in paths]
    # Beside a running index only: a path with a comma that is not in quotes looks like two fields.
    if len(paths) == 1 and all(not field or field.isdigit() for field in others):
        return paths[0], False
    if not paths and len(first) == 1:
        return 0, True
    named = [i for i, field in enumerate(first) if _PATH_COLUMNS.fullmatch(field.strip())]
    if not paths and named:
        return named[0], True
    if not paths and len(first) == 2 and not first[0].strip():
        return 1, True
    columns = " ".join(", ".join(first).split())[:200]
    raise SourceError(f"{file}: no column is called 'paths' ({columns}): name the one that is")


def _looks_like_path(field: str) -> bool:
    return "/" in field or "\\" in field or _IMAGE_ENDING.search(field) is not None


def count_paths(file: str | Path) -> int:
    """Count the paths in a CSV, as `iter_paths` reads them."""
    return sum(1 for _ in iter_paths(file))


def doubtful_header(file: str | Path) -> str | None:
    """The first line of a list where it was taken for a header and may be a path as well.

    Raises
    ------
    SourceError
        As `iter_paths`.
    """
    first = next(csv_lines(file), [])
    is_header = _find_column(Path(file), first)[1]
    is_named = any(_PATH_COLUMNS.fullmatch(field.strip()) for field in first)
    return first[0] if is_header and len(first) == 1 and not is_named else None


def normalise_path(path: str) -> str:
    """Write a path with forward slashes and without a leading ``./``.

    >>> normalise_path(".\\\\veriwild\\\\1\\\\000001.jpg")
    'veriwild/1/000001.jpg'
    """
    path = path.replace("\\", "/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path


def path_digest(path: str) -> bytes:
    """The digest of a path; the same however its folders are written."""
    text = normalise_path(path).encode("utf-8", "surrogatepass")
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
    """Says which row of the case a line is of.

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
        self.unmatched = 0
        self.examples: list[str] = []
        self._key = key = path_tail if TAIL in keys else normalise_path
        self._digests = None if paths is None else _digests(paths, key)
        self._order = None if self._digests is None else np.argsort(self._digests, kind="stable")

    def row(self, keys: dict[str, str], number: int) -> int:
        """The row of line `number`, or -1 where its path is not in the case."""
        path = next((keys[name] for name in KEYS[1:] if keys.get(name)), "")
        if ROW in keys:
            row = self._numbered(keys[ROW], number)
            if path and self._digests is not None and self._digests[row] != self._digest(path):
                raise SourceError(
                    f"{self.file}: line {number} says that row {row} is {path}, which it is not in "
                    "this case: take the column 'row' out to match by path"
                )
            return row
        if self._digests is None or self._order is None:
            raise SourceError(
                f"{self.file}: has no column 'row', and the case has no paths to match by: add one"
            )
        digest = self._digest(path)
        place = int(np.searchsorted(self._digests, digest, sorter=self._order))
        row = int(self._order[place]) if path and place < self.n_rows else -1
        if row < 0 or self._digests[row] != digest:
            self.unmatched += 1
            if len(self.examples) < _EXAMPLES:
                self.examples.append(path)
            return -1
        if self._key is path_tail:
            self._check_single(place, path)
        return row

    def _check_single(self, place: int, path: str) -> None:
        """Refuse an end of a path that several rows have."""
        if self._digests is None or self._order is None:
            return
        rows = self._order[place : place + 2]
        if len(rows) == 2 and self._digests[rows[0]] == self._digests[rows[1]]:
            raise SourceError(
                f"{self.file}: rows {rows[0]} and {rows[1]} of this case both end in {path}: "
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


def _digests(paths: Iterable[Iterable[str]], key: Callable[[str], str]) -> np.ndarray:
    """Eight bytes for each path of the case, in place of a hundred."""
    digests = array("Q")
    for block in paths:
        digests.extend(int(_digest(key(path))) for path in block)
    return np.array(digests, np.uint64)


def _digest(text: str) -> np.uint64:
    encoded = text.encode(errors="surrogatepass")
    return np.uint64(int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest()))


def path_tail(path: str) -> str:
    """The last two parts of a path, without the ending.

    >>> path_tail("veriwild\\\\1\\\\00001\\\\000001.jpg")
    '00001/000001'
    """
    *folders, name = normalise_path(path).rsplit("/", 2)[-2:]
    return "/".join([*folders, splitext(name)[0]])
