"""Recognise a case: its descriptor files, the list of image paths, the images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamclust.errors import SourceError
from streamclust.registries import FORMATS
from streamclust.sources.base import ArraySource, reader_of
from streamclust.sources.paths import count_mismatch

PATHS_NAME = "images_paths.csv"
IMAGE_FOLDERS = ("row_data", "raw_data")

# A set's name is that of a group of the store, of a column of labels.csv and of figures, stands
# beside "combined" in evaluation.csv, and is listed on the command line with commas in between.
_SET_NAME = re.compile(r"(?![._])[^,/\\\x00-\x1f]+")
_TAKEN = {
    *("row", "path", "outlier", "outlier_score", "rank", "score", "kind", "sets"),
    *("combined", "zarr.json"),
}


@dataclass(frozen=True)
class CaseFolder:
    """The inputs of a run.

    Attributes
    ----------
    root : Path
        The case folder, or the folder of the files that were named.
    descriptors : dict of str to Path
        Descriptor files by the name of their set, sorted by name.
    paths_file : Path or None
        The CSV of image paths, one line a row of the descriptors.
    images : Path or None
        A zip file of the images or the top of their folder tree.
    """

    root: Path
    descriptors: dict[str, Path]
    paths_file: Path | None
    images: Path | None


def find_case(
    path: str | Path | Sequence[str | Path], descriptors: Sequence[str] | None = None
) -> CaseFolder:
    """Find the inputs in a case folder, or make a case of single descriptor files.

    Parameters
    ----------
    path : path or sequence of paths
        A folder with ``descriptors/*`` and, if there are any, ``images_paths.csv``
        and images in ``row_data`` or ``raw_data``; or one or more descriptor files,
        with the list of paths beside them or one folder up.
    descriptors : sequence of str, optional
        Names of the sets to use, all if not given. A name is that of the file
        without its ending.

    Raises
    ------
    SourceError
        If there are no descriptors, if two files have the same set name, or if a
        set that is asked for is not there.
    """
    if isinstance(path, str | Path):
        top = Path(path)
        if not top.exists():
            raise SourceError(f"{top}: does not exist: check the path")
        is_source = not top.is_dir() or reader_of(top) is not None
        files, root = ([top], top.parent) if is_source else (_folder_files(top), top)
    else:
        files = [Path(file) for file in path]
        if not files:
            raise SourceError("no descriptor files were named: name at least one")
        root = files[0].parent
    # Files that were named may stand in the descriptors folder of a case.
    is_case = (root / "descriptors").is_dir() or (root / PATHS_NAME).is_file()
    if not is_case and (root.parent / PATHS_NAME).is_file():
        root = root.parent
    paths_file = root / PATHS_NAME
    return CaseFolder(
        root=root,
        descriptors=_select(_by_name(files), descriptors, root),
        paths_file=paths_file if paths_file.is_file() else None,
        images=_find_images(root),
    )


def _folder_files(top: Path) -> list[Path]:
    folder = top / "descriptors" if (top / "descriptors").is_dir() else top
    seen = _visible(folder)
    files = [item for item in seen if reader_of(item) is not None]
    if not files:
        names = ", ".join(item.name for item in seen[:10]) or "nothing"
        raise SourceError(
            f"{folder}: holds no descriptors, only {names}{', …' if len(seen) > 10 else ''}: "
            f"put files ending in {', '.join(FORMATS)} there"
        )
    return files


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{folder}: cannot be read: {error.strerror or error}") from error


def _by_name(files: Sequence[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for file in files:
        if not _SET_NAME.fullmatch(file.stem) or file.stem in _TAKEN:
            raise SourceError(
                f"{file}: {file.stem!r} cannot name a set: rename the file, without commas, "
                f"leading dots or underscores, and not {', '.join(sorted(_TAKEN))}"
            )
        other = named.setdefault(file.stem, file)
        if other is not file:
            raise SourceError(
                f"{other} and {file} give the same set name '{file.stem}': rename or remove one"
            )
    return dict(sorted(named.items()))


def _select(named: dict[str, Path], wanted: Sequence[str] | None, root: Path) -> dict[str, Path]:
    if wanted is None:
        return named
    unknown = [name for name in wanted if name not in named]
    if unknown or not wanted:
        raise SourceError(
            f"{root}: has no descriptors named {', '.join(unknown) or 'by an empty list'}: "
            f"choose from {', '.join(named)}"
        )
    return {name: file for name, file in named.items() if name in wanted}


def _find_images(root: Path) -> Path | None:
    for name in IMAGE_FOLDERS:
        folder = root / name
        if not folder.is_dir():
            continue
        items = _visible(folder)
        zips = [item for item in items if item.suffix.lower() == ".zip"]
        if len(zips) > 1:
            names = ", ".join(item.name for item in zips)
            raise SourceError(f"{folder}: holds several zip files ({names}): leave one there")
        if items:
            return zips[0] if zips else folder
    return None


def check_rows(
    sources: Mapping[str, ArraySource], n_paths: int | None, paths_file: Path | None = None
) -> int:
    """Check that all sets, and the paths if there are any, have as many rows.

    Parameters
    ----------
    sources : mapping of str to ArraySource
    n_paths : int or None
    paths_file : Path, optional
        The list of paths, which may tell why it does not fit.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    SourceError
        If the counts differ; the message gives them all.
    """
    counts = {name: len(source) for name, source in sources.items()}
    if n_paths is not None:
        counts[PATHS_NAME] = n_paths
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        n_rows = {len(source) for source in sources.values()}
        if len(n_rows) == 1 and n_paths and paths_file is not None:
            cause = count_mismatch(paths_file, n_paths, n_rows.pop())
            listed += f"; {cause}" if cause else ""
        raise SourceError(
            f"the numbers of rows differ: {listed}: all must describe the same images in the "
            f"same order; leave out the set that does not"
        )
    if not counts:
        raise SourceError("no descriptors were chosen: choose at least one set")
    return next(iter(counts.values()))
