"""A folder a cluster, of links to its images."""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from streamclust.errors import ImageError, SettingsError
from streamclust.sources.case import normalise_path
from streamclust.sources.images import ImageStore
from streamclust.steps.job import Job
from streamclust.steps.placing import Chosen
from streamclust.steps.suspects import stored_images

if TYPE_CHECKING:
    from streamclust.steps.take_away import Batch

NO_CLUSTER = "in no cluster"
_LONGEST = 100
# What one of the usual file systems does not take in a name, and names that Windows keeps.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_KEPT = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def file_name(text: str) -> str:
    """A name that all usual file systems take: without separators and what else they refuse, not
    hidden, and not too long."""
    name = _REFUSED.sub("_", text).strip(" .")
    while len(name.encode()) > _LONGEST:
        name = name[:-1].rstrip(" .")
    return f"_{name}" if not name or _KEPT.fullmatch(name) else name


@contextmanager
def label_folders(job: Job, folder: Path, chosen: Chosen) -> Iterator[Callable[["Batch"], None]]:
    """Make a folder for each name of a clustering's clusters, with links to its images.

    A link is called as the row and the image; where the images are in a zip file, or the file
    system has no links, they are copied. The folder appears when it is whole.

    Raises
    ------
    SettingsError
        When the case has no images, or the folder is there and not empty.
    """
    target = folder.resolve()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise SettingsError(f"{target} is there and not empty: name another folder")
    if not target.parent.is_dir():
        raise SettingsError(f"{target.parent} is no folder: make it first, or name another")
    images = stored_images(job)
    if images is None:
        raise SettingsError("the case has no images to link to: folders cannot be made")
    staged = target.with_name(f".{target.name}.part")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        staged.mkdir()
        links = _Links(ImageStore(images), staged, chosen)
        yield links.add
        if links.n_missing:
            job.events.warn(f"{links.n_missing:,} rows have no image: they are in no folder")
        if target.exists():
            target.rmdir()
        os.replace(staged, target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


class _Links:
    def __init__(self, store: ImageStore, folder: Path, chosen: Chosen) -> None:
        self.store = store
        self.n_missing = 0
        self.linked = True
        classes, self.of_cluster = chosen.classes()
        self.folders = [folder / name for name in distinct_names([*classes, NO_CLUSTER])]

    def add(self, batch: "Batch") -> None:
        for row, (path, label) in enumerate(
            zip(batch.paths, batch.placed[0].label.tolist(), strict=True), batch.start
        ):
            folder = self.folders[self.of_cluster[label] if label >= 0 else -1]
            folder.mkdir(exist_ok=True)
            own = file_name(PurePosixPath(normalise_path(path)).name)
            try:
                self._link(path, folder / f"{row:07d} {own}")
            except ImageError:
                self.n_missing += 1

    def _link(self, path: str, place: Path) -> None:
        source = self.store.file_of(path)
        if source is not None and self.linked:
            try:
                place.symlink_to(source.resolve())
                return
            except OSError:
                # A file system, or a system, without links: the rest are copied, too.
                self.linked = False
        place.write_bytes(self.store.read(path))


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
