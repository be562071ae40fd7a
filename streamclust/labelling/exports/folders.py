"""A folder a name, of links to its images."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path, PurePosixPath

from streamclust.errors import ImageError, SettingsError
from streamclust.labelling.exports.base import NO_CLUSTER, Export, Exported, Write
from streamclust.labelling.stored_labels import RowBatch
from streamclust.sources import normalise_path

_LONGEST = 100
# What one of the usual file systems does not take in a name, and names that Windows keeps.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_KEPT = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Folders(Export):
    """A link is called as the row and the image."""

    ending = ""

    @contextmanager
    def open(self, path: Path, rows: Exported) -> Iterator[Write]:
        classes, of_cluster = rows.clustering.classes()
        links = Links(rows)
        folders = [path / name for name in distinct_names([*classes, NO_CLUSTER])]

        def write(batch: RowBatch) -> None:
            rows_of_batch = zip(batch.paths, batch.assigned[0].label.tolist(), strict=True)
            for row, (shown, label) in enumerate(rows_of_batch, batch.start):
                folder = folders[of_cluster[label] if label >= 0 else -1]
                name = file_name(PurePosixPath(normalise_path(shown)).name)
                links.add(shown, folder / f"{row:07d} {name}")

        yield write


class Links:
    """Links to images; copies of those in an archive, and where the file system has no links.

    Raises
    ------
    SettingsError
        When the case has no images.
    """

    def __init__(self, rows: Exported) -> None:
        if rows.images is None:
            raise SettingsError("the case has no images to link to: folders cannot be made")
        self._rows = rows
        self._store = rows.images
        self._linked = True

    def add(self, path: str, place: Path) -> bool:
        """Make a link to the image of a path; tell whether there is one."""
        try:
            place.parent.mkdir(exist_ok=True)
            self._link(path, place)
        except ImageError:
            self._rows.n_without += 1
            return False
        return True

    def _link(self, path: str, place: Path) -> None:
        source = self._store.file_of(path)
        if source is not None and self._linked:
            try:
                place.symlink_to(source.resolve())
                return
            except OSError:
                # A file system, or a system, without links: the rest are copied, too.
                self._linked = False
        place.write_bytes(self._store.read(path))


def file_name(text: str) -> str:
    """A name that all usual file systems take: without separators and what else they refuse, not
    hidden, and not too long."""
    name = _REFUSED.sub("_", text).strip(" .")
    while len(name.encode()) > _LONGEST:
        name = name[:-1].rstrip(" .")
    return f"_{name}" if not name or _KEPT.fullmatch(name) else name


def distinct_names(names: Iterable[str]) -> list[str]:
    """Names of folders, which differ also where case does not count."""
    taken: set[str] = set()
    made = []
    for name in map(file_name, names):
        numbered = (f"{name} ({number})" for number in count(2))
        free = next(one for one in chain([name], numbered) if one.casefold() not in taken)
        taken.add(free.casefold())
        made.append(free)
    return made
