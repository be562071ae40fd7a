"""A folder a name, of links to its images."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path, PurePosixPath

from streamclust.errors import ImageError, SettingsError
from streamclust.images import ImageStore, scan_need, stored_images
from streamclust.labelling.exports.base import NO_CLUSTER, Export, Exported, Write
from streamclust.labelling.stored_labels import RowBatch
from streamclust.memory import Need
from streamclust.sources import normalise_path
from streamclust.steps import Job

_LONGEST = 100
# What one of the usual file systems does not take in a name, and names that Windows keeps.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_KEPT = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Folders(Export):
    """A link is called as the row and the image."""

    ending = ""

    def need(self, n_rows: int) -> Need:
        return Need(fixed=scan_need(n_rows).fixed)

    @contextmanager
    def open(self, path: Path, rows: Exported) -> Iterator[Write]:
        classes, of_cluster = rows.clustering.classes()
        folders = [path / name for name in distinct_names([*classes, NO_CLUSTER])]

        def write(batch: RowBatch) -> None:
            for row, shown, label, _ in batch.rows():
                folder = folders[of_cluster[label] if label >= 0 else -1]
                links.add(shown, folder / f"{row:07d} {file_name(_base(shown).name)}")

        with Links(rows.job) as links:
            yield write


class Links:
    """Links to images; copies of those in a zip file, and where the file system has no links. When
    all are made, it says how many rows have no image.

    Raises
    ------
    SettingsError
        When the case has no images.
    """

    def __init__(self, job: Job) -> None:
        images = stored_images(job)
        if images is None:
            raise SettingsError("the case has no images to link to: folders cannot be made")
        self._store = ImageStore(images)
        self._events = job.events
        self._n_missing = 0
        self._linked = True

    def __enter__(self) -> "Links":
        return self

    def __exit__(self, error: object, *of_it: object) -> None:
        if self._n_missing and error is None:
            self._events.warn(f"{self._n_missing:,} rows have no image: they are in no folder")

    def add(self, path: str, place: Path) -> bool:
        """Make a link to the image of a path; tell whether there is one."""
        try:
            place.parent.mkdir(exist_ok=True)
            self._link(path, place)
        except ImageError:
            self._n_missing += 1
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


def _base(path: str) -> PurePosixPath:
    return PurePosixPath(normalise_path(path))


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
