"""Image paths as short digests: what tells millions of them apart in little memory."""

import hashlib
from collections.abc import Iterable

import numpy as np

from streamclust.sources.case import normalise_path

BYTES = 8
# Of a path and its number in `PathNumbers`.
BYTES_A_PATH = BYTES + 4


def path_digest(path: str) -> bytes:
    """The digest of a path; the same however its folders are written."""
    text = normalise_path(path).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=BYTES).digest()


def path_digests(paths: Iterable[str]) -> np.ndarray:
    """Digests of paths, uint64 of shape (n_paths,), in their order."""
    found = bytearray()
    for path in paths:
        found += path_digest(path)
    return np.frombuffer(found, np.uint64)


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
        own = np.frombuffer(path_digest(path), np.uint64)[0]
        place = int(np.searchsorted(self._digests, own))
        if place == len(self._digests) or self._digests[place] != own:
            return None
        return int(self._numbers[place])
