"""Recognise a case: its descriptor files, the list of image paths, the images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamclust.errors import SourceError
from streamclust.sources.csv_files import csv_lines
from streamclust.sources.readers import READERS, ArraySource, reader_of

PATHS_NAME = "images_paths.csv"
IMAGE_FOLDERS = ("row_data", "raw_data")

_PATH_COLUMNS = re.compile(r"(images?_?|files?_?)?(paths?|names?)|images?|files?", re.IGNORECASE)
_IMAGE_ENDING = re.compile(r"\.(jpe?g|png|bmp|gif|tiff?|webp|p[gpn]m)$", re.IGNORECASE)

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
            f"put files ending in {', '.join(READERS)} there"
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


def iter_paths(file: str | Path) -> Iterator[str]:
    """Read image paths one after the other, as they stand in the file.

    The CSV has one column, with a header line or without, or several of which one
    is called ``paths`` or the like (or two, the first a running index without a name).

    Raises
    ------
    SourceError
        If the file cannot be read as such a CSV: the message names the line.
    """
    return (path for path, _ in _iter_cells(Path(file), None))


def iter_column(file: str | Path, name: str) -> Iterator[tuple[str, str]]:
    """Read the path of each row together with its cell of column `name`.

    Raises
    ------
    SourceError
        As `iter_paths`, and if there is no such column.
    """
    return _iter_cells(Path(file), name)


def column_names(file: str | Path) -> list[str]:
    """Names of the columns of a list of paths; none where it has no header line.

    Raises
    ------
    SourceError
        As `iter_paths`.
    """
    first = next(csv_lines(file), [])
    return _names(first) if _find_column(Path(file), first)[1] else []


def _iter_cells(file: Path, name: str | None) -> Iterator[tuple[str, str]]:
    """The path of each row, and its cell of the column `name`, or the path again."""
    lines = csv_lines(file)
    first = next(lines, [])
    column, is_header = _find_column(file, first)
    other = column if name is None else _place(file, _names(first) if is_header else [], name)
    if not is_header:
        yield first[column], first[other]
    blank = 0
    for number, row in enumerate(lines, 2):
        if not any(field.strip() for field in row):
            blank = blank or number
            continue
        # Empty lines at the end mean nothing; one in between would shift all rows after it.
        if blank:
            raise SourceError(f"{file}: line {blank} is empty: each line must hold a path")
        if len(row) != len(first):
            raise SourceError(
                f"{file}: line {number} has {len(row)} columns where the first has {len(first)}: "
                f"put paths that contain commas in quotes"
            )
        if not row[column]:
            raise SourceError(f"{file}: line {number} has no path: each line must hold a path")
        yield row[column], row[other]


def _names(header: list[str]) -> list[str]:
    return [field.strip() for field in header]


def _place(file: Path, names: list[str], name: str) -> int:
    if name not in names:
        known = ", ".join(names) or "there is no header line"
        raise SourceError(f"{file}: has no column {name!r} ({known}): name one that it has")
    return names.index(name)


def _find_column(file: Path, first: list[str]) -> tuple[int, bool]:
    """Tell which column holds the paths, and whether the first line is a header."""
    if not first:
        raise SourceError(f"{file}: starts with an empty line: one line a path is needed")
    paths = [i for i, field in enumerate(first) if _looks_like_path(field)]
    others = [field.strip() for i, field in enumerate(first) if i not in paths]
    # Beside a running index only: a path with a comma that is not in quotes looks like two fields.
    if len(paths) == 1 and all(not field or field.isdigit() for field in others):
        return paths[0], False
    if not paths and len(first) == 1:
        return 0, True
    named = [i for i, field in enumerate(first) if _PATH_COLUMNS.fullmatch(field.strip())]
    if not paths and named:
        return named[0], True
    if not paths and len(first) == 2 and not first[0].strip():
        return 1, True
    columns = " ".join(", ".join(first).split())[:200]
    raise SourceError(f"{file}: no column is called 'paths' ({columns}): name the one that is")


def _looks_like_path(field: str) -> bool:
    return "/" in field or "\\" in field or _IMAGE_ENDING.search(field) is not None


def count_paths(file: str | Path) -> int:
    """Count the paths in a CSV, as `iter_paths` reads them."""
    return sum(1 for _ in iter_paths(file))


def normalise_path(path: str) -> str:
    """Write a path with forward slashes and without a leading ``./``.

    >>> normalise_path(".\\\\veriwild\\\\1\\\\000001.jpg")
    'veriwild/1/000001.jpg'
    """
    path = path.replace("\\", "/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path


def check_rows(sources: Mapping[str, ArraySource], n_paths: int | None) -> int:
    """Check that all sets, and the paths if there are any, have as many rows.

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
        raise SourceError(
            f"the numbers of rows differ: {listed}: all must describe the same images in the "
            f"same order; leave out the set that does not"
        )
    if not counts:
        raise SourceError("no descriptors were chosen: choose at least one set")
    return next(iter(counts.values()))
