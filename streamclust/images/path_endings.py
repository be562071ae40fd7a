"""Lists whose paths begin otherwise than images do, as those of another machine: one beginning is
put in place of another, so that most are found by the longest common ending."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePosixPath

import numpy as np

from streamclust.images.members import is_image_name, name_hash, without_ending
from streamclust.sources import normalise_path

Parts = tuple[str, ...]

# Folders with files of one ending that are told apart; of more, none is the likely one.
_MOST_FOLDERS = 8
# Beginnings that are tried, the likeliest first.
_MOST_TRIED = 32
# Where both beginnings name folders, so many of the paths must be found.
_LEAST_SHARE = 0.1
# Paths of other beginnings that do not matter where nothing but a beginning is left out or added.
_STRAY_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Beginning:
    """What paths of a list begin with in place of what images do.

    Attributes
    ----------
    dropped, added : tuple of str
        Folders of the list, and of the images.
    n_found, n_asked : int
        Paths that are found so, of those that were looked at.
    shared : ndarray of int64
        Hashes of endings, in order, that other images have as well: which one is meant cannot be
        told.
    """

    dropped: Parts
    added: Parts
    n_found: int
    n_asked: int
    shared: np.ndarray

    def ending(self, parts: Parts) -> Parts:
        """What a path goes on with; nothing where it begins otherwise."""
        n = len(self.dropped)
        return parts[n:] if parts[:n] == self.dropped else ()

    def is_shared(self, ending: Parts) -> bool:
        key = name_hash("/".join(ending))
        at = int(np.searchsorted(self.shared, key))
        return at < len(self.shared) and int(self.shared[at]) == key

    @property
    def in_words(self) -> str:
        words = "paths are looked for"
        if self.dropped:
            n = len([part for part in self.dropped if part != "/"])
            which = f"first {n} parts" if n > 1 else "first part"
            words += f" without their {which} ({PurePosixPath(*self.dropped)})"
        if self.added:
            words += f"{' and' if self.dropped else ''} below {PurePosixPath(*self.added)}"
        return f"{words}: {self.n_found:,} of {self.n_asked:,} looked at are there"


def parts_of(path: str) -> Parts:
    """The folders and the name of a path, however they are parted; the root is one of them."""
    return PurePosixPath(normalise_path(path)).parts


def find_beginning(
    names: Callable[[], Iterable[str]],
    aliases: Callable[[], Iterable[str]],
    holds: Callable[[Parts], bool],
    paths: Sequence[str],
) -> Beginning | str | None:
    """Find how paths must begin for most of them to be found.

    What is left out begins all paths, or nearly all: no two of them may become one. A name without
    folders is enough only where no other image is called so.

    Parameters
    ----------
    names, aliases : callable
        The names of all images, gone through twice, and what else they may be called.
    holds : callable
        Tells whether an image is called so.
    paths : sequence of str
        Some of a list.

    Returns
    -------
    Beginning, str or None
        Words where it cannot be told; None where nothing is found.
    """
    asked = [parts for path in dict.fromkeys(paths) if (parts := parts_of(path))]
    as_keys = not any(is_image_name(parts[-1]) for parts in asked)

    def parted(listed: Iterable[str]) -> Iterator[Parts]:
        for name in listed:
            yield tuple((without_ending(name) if as_keys else name).split("/"))

    endings = _Endings(asked)
    for parts in parted(chain(names(), aliases())):
        endings.see(parts)
    options = [(parts, list(endings.beginnings(parts))) for parts in asked]
    n_like = sum(bool(found) for _, found in options)
    counted = Counter(pair for _, found in options for pair in found)
    tried = [_tried(pair, asked, n_like, holds) for pair, _ in counted.most_common(_MOST_TRIED)]
    good = sorted(
        (one for one in tried if one is not None),
        key=lambda one: (-one.n_found, len(one.dropped), len(one.added), one.added),
    )
    if not good:
        return None
    best, *others = good
    if best.added:
        for other in others:
            # An archive's own name before what is in it is no other folder.
            is_alias = other.added[-len(best.added) :] == best.added
            if (other.n_found, other.dropped, is_alias) == (best.n_found, best.dropped, False):
                one, two = (PurePosixPath(*each.added) for each in (best, other))
                return (
                    f"paths end as images of several folders do ({one}, {two}): which are meant "
                    "cannot be told; name the folder that they are below"
                )
    shared = _shared(parted(names()), best.added, holds)
    return Beginning(best.dropped, best.added, best.n_found, best.n_asked, shared)


def _tried(
    pair: tuple[Parts, Parts], asked: Sequence[Parts], n_like: int, holds: Callable[[Parts], bool]
) -> Beginning | None:
    """How many paths are found with a beginning; None where it might lead to other images."""
    dropped, added = pair
    if not dropped and not added:
        return None
    ends = [parts[len(dropped) :] for parts in asked if parts[: len(dropped)] == dropped]
    found = [end for end in ends if holds((*added, *end))]
    is_name_alone = any(len(end) == 1 for end in found)
    if is_name_alone or (dropped and added):
        is_good = len(ends) == len(asked) and len(found) >= _LEAST_SHARE * len(asked)
    else:
        is_good = len(ends) >= (1 - _STRAY_SHARE) * n_like
    if not found or not is_good or (is_name_alone and 2 * len(found) < len(asked)):
        return None
    return Beginning(dropped, added, len(found), len(asked), np.empty(0, np.int64))


def _shared(names: Iterable[Parts], added: Parts, holds: Callable[[Parts], bool]) -> np.ndarray:
    """Endings of images below `added` that others have as well."""
    hashes = array("q")
    for parts in names:
        if added and parts[: len(added)] == added:
            continue
        # A whole name is not mistaken for a longer one of the same ending, unless it has no folder.
        firsts = range(len(parts)) if added else range(max(1, len(parts) - 1), len(parts))
        for first in firsts:
            if holds((*added, *parts[first:])):
                hashes.append(name_hash("/".join(parts[first:])))
    return np.unique(np.asarray(hashes, "i8"))


@dataclass
class _Node:
    """An ending of some paths, with what images of this ending begin with."""

    longer: dict[str, _Node] = field(default_factory=dict)
    beginnings: set[Parts] = field(default_factory=set)


class _Endings:
    """The endings of paths, the last part first."""

    def __init__(self, paths: Iterable[Parts]) -> None:
        self._root = _Node()
        for parts in paths:
            node = self._root
            for part in reversed(parts):
                node = node.longer.setdefault(part, _Node())

    def see(self, name: Parts) -> None:
        """Keep what an image begins with where it ends as paths do."""
        node = self._root
        for n_left in range(len(name) - 1, -1, -1):
            deeper = node.longer.get(name[n_left])
            if deeper is None:
                return
            node = deeper
            # One more than are told apart shows that there are too many.
            if len(node.beginnings) <= _MOST_FOLDERS:
                node.beginnings.add(name[:n_left])

    def beginnings(self, path: Parts) -> Iterator[tuple[Parts, Parts]]:
        """What a path begins with before its longest ending that an image has, each with what such
        an image begins with."""
        node, best, n_left = self._root, self._root, len(path)
        for left in range(len(path) - 1, -1, -1):
            node = node.longer[path[left]]
            if not node.beginnings:
                break
            best, n_left = node, left
        if len(best.beginnings) <= _MOST_FOLDERS:
            for beginning in sorted(best.beginnings):
                yield path[:n_left], beginning
