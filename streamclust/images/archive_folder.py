"""Several zip and tar files in one folder, such as the shards of a WebDataset, as one archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import UNSUPPORTED, ImageError
from streamclust.images.members import MemberIndex, common_start, name_hash
from streamclust.sources import opened

_NONE = np.empty(0, np.int64)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """One array of several, which are let go."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


class ArchiveFolder:
    """The members of several archives by name, or by the archive's name and theirs.

    A name that several archives have is no name of a member: that one must be called
    ``shard-000000/0001.jpg``. 20 bytes a member are held; can be pickled.

    Parameters
    ----------
    folder : Path
    archives : sequence of Path
    scan : callable
        Opens one.

    Attributes
    ----------
    prefix : tuple of str
        The folders that all images of all archives are in.
    """

    def __init__(
        self, folder: Path, archives: Sequence[Path], scan: Callable[[Path], MemberIndex]
    ) -> None:
        self.path = folder
        indices = [scan(file) for file in archives]
        stems = Counter(file.stem for file in archives)
        self._called = [file.stem if stems[file.stem] == 1 else file.name for file in archives]
        self._numbers = {file.name: number for number, file in enumerate(archives)}
        self._numbers |= {name: number for number, name in enumerate(self._called)}
        prefixes = [list(index.prefix) for index in indices if len(index)]
        prefix: list[str] = reduce(common_start, prefixes) if prefixes else []
        self.prefix = tuple(prefix)
        counts = [len(index) for index in indices]
        hashes, places = [one.hashes for one in indices], [one.places for one in indices]
        # What opens a member of an archive does not need its list of them; nor is any held twice.
        self._indices = [replace(one, hashes=_NONE, places=_NONE) for one in indices]
        del indices
        self._hashes = _joined(hashes)
        order = np.argsort(self._hashes, kind="stable")
        self._hashes = self._hashes[order]
        self._places = _joined(places)[order]
        self._owners = np.repeat(np.arange(len(counts), dtype=np.int32), counts)[order]

    def __len__(self) -> int:
        return len(self._hashes)

    def names(self) -> Iterator[str]:
        """Names of the members, archive by archive; with that of the archive where several have
        one."""
        for number, name, is_shared in self._members():
            yield f"{self._called[number]}/{name}" if is_shared else name

    def full_names(self) -> Iterator[str]:
        """Names of the members behind that of their archive, without its ending and with it."""
        for number, name, _ in self._members():
            for called in {self._called[number], self._indices[number].path.name}:
                yield f"{called}/{name}"

    def _members(self) -> Iterator[tuple[int, str, bool]]:
        """Archive, name, and whether several have the name."""
        same = np.zeros(len(self), bool)
        same[1:] = self._hashes[1:] == self._hashes[:-1]
        same[:-1] |= same[1:]
        order = np.lexsort((self._places, self._owners))
        ends = np.searchsorted(self._owners[order], np.arange(len(self._indices)), "right")
        start = 0
        for number, (index, end) in enumerate(zip(self._indices, ends.tolist(), strict=True)):
            with opened(index.path) as file:
                for at in order[start:end]:
                    yield number, index.member(file, int(self._places[at])).name, bool(same[at])
            start = end

    def find(self, name: str) -> str | None:
        """The name of a member as it stands in its archive, behind that of the archive where it is
        needed; None if there is none."""
        return self._ask(name, lambda index, file, member: member.name)

    def read(self, name: str, most: int) -> bytes | None:
        """As `MemberIndex.read`; an ImageError also where several archives have the name."""
        return self._ask(name, lambda index, file, member: index.content(file, member, most))

    def _ask(self, name: str, ask: Callable[[MemberIndex, Any, Any], Any]) -> Any:
        numbers = self._with(name)
        if len(numbers) > 1:
            called = [self._called[number] for number in numbers]
            raise ImageError(
                f"{self.path}: {name!r} is in {len(called)} of its archives, as in {called[0]} and "
                f"{called[1]}: list it as {called[0]}/{name}",
                UNSUPPORTED,
            )
        first, _, rest = name.partition("/")
        known = self._numbers.get(first)
        if numbers:
            return self._in(numbers[0], name, ask)
        if known is None or not rest:
            return None
        answer = self._in(known, rest, ask)
        if answer is None and self.prefix:
            answer = self._in(known, "/".join((*self.prefix, rest)), ask)
        return f"{first}/{answer}" if isinstance(answer, str) else answer

    def _with(self, name: str) -> list[int]:
        """The archives that have a member of a name."""
        owners = np.unique(self._owners[self._of(name)]).tolist()
        if len(owners) < 2:
            return owners
        return [one for one in owners if self._in(one, name, lambda index, file, member: True)]

    def _of(self, name: str) -> slice:
        key = name_hash(name)
        return slice(*(int(np.searchsorted(self._hashes, key, s)) for s in ("left", "right")))

    def _in(self, number: int, name: str, ask: Callable[[MemberIndex, Any, Any], Any]) -> Any:
        """What is asked of a member of one archive; None where it has none of the name."""
        same = self._of(name)
        places = self._places[same][self._owners[same] == number]
        if not len(places):
            return None
        index = self._indices[number]
        with opened(index.path) as file:
            hashes = np.full(len(places), name_hash(name))
            within = replace(index, hashes=hashes, places=places)
            member = within.found(file, name)
            return None if member is None else ask(within, file, member)
