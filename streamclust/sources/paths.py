"""Image paths as short digests, and which row of a case a line of a table is of.

Digests tell millions of paths apart in little memory; a line says its row by number or by path.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from os.path import splitext
from pathlib import Path

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.case_folder import normalise_path

DIGEST_BYTES = 8
# Of a path and its number in `PathNumbers`.
BYTES_A_PATH = DIGEST_BYTES + 4
ROW = "row"
# Matched by the last two parts of a path, without the ending, as VERI-Wild names its images.
TAIL = "id/image"
# Names of the columns that say which row a line is of.
KEYS = (ROW, "path", "paths", TAIL)
_EXAMPLES = 3


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
