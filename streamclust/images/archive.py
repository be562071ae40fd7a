"""Images by the paths of the case's list, from folders or archives, of which the latter must stay
what they were while they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from streamclust.errors import MISSING, ImageError, SourceError
from streamclust.events import Events
from streamclust.images.image_place import ImagePlace
from streamclust.sources import PathNumbers, fingerprint, image_archives
from streamclust.steps import Job
from streamclust.store import has_images, image_places, place_of_paths, sampled_paths

T = TypeVar("T")


@dataclass(frozen=True)
class Images:
    """Where images are: zip or tar files, folders of such files, or folders of images.

    Attributes
    ----------
    places : tuple of Path
        One at least.
    place_of : PathNumbers, optional
        The place of each path that is known to be of one, where it alone is looked for: without
        its first part a path may lead to the image of another one elsewhere. Others are looked
        for in all places in turn.
    sampled : callable, optional
        Some paths of each list, and the number of its place: where none of them is found as it
        is, images are found by the longest common ending.
    """

    places: tuple[Path, ...]
    place_of: PathNumbers | None = field(default=None, compare=False, repr=False)
    sampled: Callable[[], list[tuple[int, list[str]]]] | None = field(
        default=None, compare=False, repr=False
    )

    @property
    def name(self) -> str:
        """What the places are called, for messages."""
        return ", ".join(place.name for place in self.places)

    def __str__(self) -> str:
        return ", ".join(map(str, self.places))


def stored_images(job: Job) -> Images | None:
    """Where the images of the stored rows are; None where any of them are no more."""
    if not has_images(job.workspace):
        return None
    return Images(
        tuple(image_places(job.workspace)),
        place_of_paths(job.workspace),
        partial(sampled_paths, job.workspace),
    )


class ImageStore:
    """Read images by path; safe to use from several threads, and can be pickled.

    A path of the list and a place in the store need not begin alike: a path is looked
    for as it is, without its first part, and both below the folders that all images
    of a place are in.

    Parameters
    ----------
    images : path or Images
        A zip or tar file, a folder of such files, or the top of a folder tree; of several, that
        which a path is of, or the first that has its image.

    Raises
    ------
    SourceError
        If one is none of these.
    """

    def __init__(self, images: str | Path | Images) -> None:
        places = images.places if isinstance(images, Images) else (Path(images),)
        self._places = [ImagePlace(place) for place in places]
        self._place_of = images.place_of if isinstance(images, Images) else None
        self._notes: list[str] = []
        if isinstance(images, Images) and images.sampled is not None:
            for number, paths in images.sampled():
                self._notes += self._places[number].match(paths)

    def tell(self, events: Events) -> None:
        """Say how images are found whose paths begin otherwise."""
        for words in self._notes:
            events.note(words)

    def names(self) -> Iterator[str]:
        """Paths of all files in the store, with forward slashes, as the store has them."""
        for place in self._places:
            yield from place.names()

    def read(self, path: str) -> bytes:
        """Read the image file of a path as it stands in the case's list.

        Raises
        ------
        ImageError
            If there is no such image, or it cannot be read, or it has more than `MOST_BYTES`.
        SourceError
            If an archive itself cannot be read any more.
        """
        return self._first(ImagePlace.read, path)

    def file_of(self, path: str) -> Path | None:
        """The file of a path as it stands in the case's list; None in an archive.

        Raises
        ------
        ImageError
            If there is no such image.
        """
        return self._first(ImagePlace.file_of, path)

    def name_of(self, path: str) -> str:
        """What an image is called below its folder, or in its archive; of several places, a file
        in a folder is named whole.

        Raises
        ------
        ImageError
            If there is no such image.
        """
        file = self.file_of(path) if len(self._places) > 1 else None
        return self._first(ImagePlace.name_of, path) if file is None else str(file.resolve())

    def _first(self, ask: Callable[[ImagePlace, str], T], path: str) -> T:
        number = None if self._place_of is None else self._place_of.get(path)
        if number is not None:
            return ask(self._places[number], path)
        *earlier, last = self._places
        for place in earlier:
            try:
                return ask(place, path)
            except ImageError as error:
                if error.kind != MISSING:
                    raise
        return ask(last, path)


class ArchiveMarks:
    """The state of the archives among places of images: the index of one that is replaced would
    find damaged images, others, or none.

    Raises
    ------
    SourceError
        If one cannot be read.
    """

    def __init__(self, images: Images) -> None:
        files = [
            file
            for place in images.places
            for file in (image_archives(place) if place.is_dir() else [place])
        ]
        self._before = {file: fingerprint(file) for file in files if file.is_file()}

    def check(self) -> None:
        """Go on where all are what they were.

        Raises
        ------
        SourceError
            If one is another now, or gone.
        """
        for file, mark in self._before.items():
            if not file.is_file() or fingerprint(file) != mark:
                raise SourceError(f"{file}: changed while it was read: run the command again")
