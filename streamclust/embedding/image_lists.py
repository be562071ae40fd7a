"""Lists of images: below which folder they all are, and what they are called there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from streamclust.errors import SourceError
from streamclust.images import is_hidden, is_image_name
from streamclust.sources import normalise_path

_SHOWN = 5
# What a results folder has: its figures are no images to describe.
_RESULTS = "workspace.zarr"


def below_one_folder(file: Path, names: Sequence[str]) -> tuple[Path, list[str]]:
    """The folder that all images of a list are below, and their paths from there.

    Paths are from the folder of the list, or whole.

    Raises
    ------
    SourceError
        When they have no folder in common.
    """
    paths = [normalise_path(name) for name in names]
    if not any(os.path.isabs(path) or ".." in path.split("/") for path in paths):
        return file.parent, list(names)
    whole = [os.path.normpath(file.parent / path) for path in paths]
    try:
        place = os.path.commonpath([os.path.dirname(path) for path in whole])
    except ValueError:
        raise SourceError(f"{file}: its paths have no folder in common") from None
    return Path(place), [os.path.relpath(path, place) for path in whole]


def image_names(names: Iterable[str]) -> tuple[list[str], str]:
    """The images among files, sorted, and what is said of others. Figures of results that stand
    below are neither."""
    listed = list(names)
    inner = f"/{_RESULTS}/"
    results = {f"/{name}".split(inner)[0] + "/" for name in listed if inner in f"/{name}"}
    seen = [name for name in listed if not f"/{name}".startswith(tuple(results))]
    images = sorted(name for name in seen if is_image_name(name))
    others = Counter(
        PurePosixPath(name).suffix.lower() or PurePosixPath(name).name
        for name in seen
        if not is_image_name(name) and not any(map(is_hidden, name.split("/")))
    )
    if not others:
        return images, ""
    told = ", ".join(ending for ending, _ in others.most_common(_SHOWN))
    return images, f"{others.total():,} files of other kinds are passed over ({told})"
