"""Recognise a case: its descriptor files, the list of image paths, the images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from streamclust.errors import SourceError
from streamclust.sources.base import (
    ArraySource,
    FileState,
    by_number,
    check_unchanged,
    is_pattern,
    place_of,
)
from streamclust.sources.memory import held_sets
from streamclust.sources.opening import open_source
from streamclust.sources.other_formats import check_is_no_address, in_one_line
from streamclust.sources.paths import count_mismatch, count_paths, looks_like_image
from streamclust.sources.readers import format_of, known_endings
from streamclust.sources.row_files import holds_a_row

PATHS_NAME = "images_paths.csv"
IMAGE_FOLDERS = ("row_data", "raw_data")
ARCHIVES = (".zip", ".tar")
_PACKED_TAR = re.compile(r".\.(tar\.\w{1,4}|t[gbx]z2?|tzst)", re.IGNORECASE)

# A set's name is that of a group of the store, of a column of labels.csv and of figures, stands
# beside "combined" in evaluation.csv, and is listed on the command line with commas in between.
# Bytes that are no UTF-8 come as halves of surrogate pairs, which can be written nowhere.
_SET_NAME = re.compile(r"(?![._])[^,/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# Of the 255 that a file system takes, as a figure's name goes on behind that of the set.
_LONGEST_NAME = 200
_TAKEN = {
    *("row", "path", "outlier", "outlier_score", "rank", "score", "kind", "sets"),
    *("combined", "zarr.json"),
}
# Files that are likely to hold arrays, in formats that are not read.
_OF_ARRAYS = {".faiss", ".index", ".ann", ".annoy", ".tfrecord", ".lance", ".npz", ".joblib"}
# Names like that of the list of paths, of which only the letters count.
_LIKE_PATHS = re.compile(
    r"(images?|imgs?|files?|rows?)?(paths?|names?|lists?)(copy)?"
    r"(csv|tsv|txt|lst|json|parquet|xlsx?)+(gz|zip|bz|xz|bak|old|part)?"
)
_SHOWN = 10

T = TypeVar("T")
CaseLike = str | Path | Sequence[str | Path] | Any


@dataclass(frozen=True)
class CaseInputs:
    """What a command is given: descriptors, and where else their paths and images are.

    Attributes
    ----------
    case : path, sequence of paths, array, or mapping of str to array
    paths : path, optional
        The list of paths, in place of what stands beside the descriptors.
    images : path, optional
        A folder or archive of images.
    """

    case: CaseLike
    paths: str | Path | None = None
    images: str | Path | None = None


@dataclass(frozen=True)
class CaseFolder:
    """The inputs of a run.

    Attributes
    ----------
    root : Path
        The case folder, or the folder of the files that were named.
    descriptors : dict of str to Path or ArraySource
        Descriptor files, or arrays that are held, by the name of their set, sorted by name.
    paths_file : Path or None
        The CSV of image paths, one line a row of the descriptors.
    images : Path or None
        A zip or tar file of the images, a folder of such files, or the top of their folder tree.
    paths_state : FileState or None
        What the CSV was like when the case was found.
    notes : tuple of str
        What is to be said of files that are passed over.
    """

    root: Path
    descriptors: Mapping[str, Path | ArraySource]
    paths_file: Path | None
    images: Path | None
    paths_state: FileState | None = None
    notes: tuple[str, ...] = ()

    def check_paths_unchanged(self) -> None:
        """Refuse paths that were read of a list that is not as it was when the case was found.

        Raises
        ------
        SourceError
            For it.
        """
        if self.paths_file is not None:
            check_unchanged(self.paths_file, self.paths_state)


def find_case(given: CaseLike | CaseInputs, descriptors: Sequence[str] | None = None) -> CaseFolder:
    """Find the inputs in a case folder, or make a case of single descriptor files.

    Parameters
    ----------
    given : path, sequence of paths, array, mapping of str to array, or CaseInputs
        A folder with ``descriptors/*`` and, if there are any, ``images_paths.csv``
        and images in ``row_data`` or ``raw_data``; or one or more descriptor files,
        with the list of paths beside them or one folder up; or arrays that a program holds.
    descriptors : sequence of str, optional
        Names of the sets to use, all if not given. A name is that of the file
        without its ending.

    Raises
    ------
    SourceError
        If there are no descriptors, if two files have the same set name, or if a
        set that is asked for is not there.
    """
    inputs = given if isinstance(given, CaseInputs) else CaseInputs(given)
    path, paths_file = inputs.case, _named_list(inputs.paths)
    images = None if inputs.images is None else _named_images(Path(inputs.images))
    held = held_sets(path)
    if held is not None:
        for name in held:
            _check_name(name, Path(name))
        chosen = _select(dict(sorted(held.items())), descriptors, Path("arrays"))
        state = None if paths_file is None else FileState.of(paths_file)
        return CaseFolder(Path("arrays"), chosen, paths_file, images, state)
    is_named = True
    if not isinstance(path, str | Path | Sequence):
        raise SourceError(f"{type(path).__name__}: is no case: name files, or give an array")
    for one in [path] if isinstance(path, str | Path) else path:
        check_is_no_address(one)
    if isinstance(path, str | Path):
        top = Path(path)
        place, _ = place_of(top)
        if not (place.exists() or is_pattern(top)):
            raise SourceError(f"{top}: does not exist: check the path")
        is_named = not top.is_dir() or format_of(top) is not None or _is_one_set(top)
        files, root = ([top], place.parent) if is_named else (_folder_files(top), top)
    else:
        files = [Path(file) for file in path]
        if not files:
            raise SourceError("no descriptor files were named: name at least one")
        root = place_of(files[0])[0].parent
    # Files that were named may stand in the descriptors folder of a case.
    is_case = (root / "descriptors").is_dir() or (root / PATHS_NAME).is_file()
    if not is_case and (root.parent / PATHS_NAME).is_file():
        root = root.parent
    if paths_file is None and (root / PATHS_NAME).is_file():
        paths_file = root / PATHS_NAME
    return CaseFolder(
        root=root,
        descriptors=_select(_by_name(files), descriptors, root),
        paths_file=paths_file,
        images=images or _find_images(root),
        paths_state=None if paths_file is None else FileState.of(paths_file),
        notes=(*_other_lists(root, paths_file), *([] if is_named else _unread(root, files))),
    )


def _is_one_set(top: Path) -> bool:
    """Whether a folder is no case, but a set of ``.npy`` files of a row each.

    Raises
    ------
    SourceError
        When its files may as well be the shards of one set as a set each.
    """
    if (top / "descriptors").is_dir() or (top / PATHS_NAME).is_file():
        return False
    endings = known_endings(of_text=False)
    files = by_number(item for item in _visible(top) if item.name.lower().endswith(endings))
    if len(files) < 2 or len({re.sub(r"\d+", "", file.name) for file in files}) > 1:
        return bool(files) and holds_a_row(files[0]) and holds_a_row(files[-1])
    if holds_a_row(files[0]) and holds_a_row(files[-1]):
        return True
    first, last = (open_source(file).shape[1] for file in (files[0], files[-1]))
    if first != last:
        return False
    raise SourceError(
        f"{top}: {len(files)} files of {first} columns whose names differ in numbers alone: "
        f"'{top / ('*' + files[0].suffix)}' names them as one set, and a folder called descriptors "
        "in it, or their names one by one, as a set each"
    )


def _named_list(given: str | Path | None) -> Path | None:
    """The list of paths that is named, absolute: it is read again later."""
    if given is None:
        return None
    check_is_no_address(given)
    path = Path(given).absolute()
    if not (place_of(path)[0].exists() or is_pattern(path)):
        raise SourceError(f"{path}: does not exist: check --paths")
    return path


def _named_images(path: Path) -> Path:
    check_is_no_address(path)
    if not path.exists():
        raise SourceError(f"{path}: does not exist: check --images")
    _check_is_not_packed(path)
    return path.absolute()


def _folder_files(top: Path) -> list[Path]:
    folder = top / "descriptors" if (top / "descriptors").is_dir() else top
    seen = _visible(folder)
    files = [item for item in seen if _is_set(item, is_among_sets=folder != top)]
    if not files:
        only = f", only {_listed([item.name for item in seen])}" if seen else ""
        raise SourceError(
            f"{folder}: holds no descriptors{only}: put files of them there, .npy, .parquet, "
            ".pickle or others of docs/sources.md"
        )
    return files


def _is_set(item: Path, *, is_among_sets: bool) -> bool:
    """Whether a file or folder holds descriptors: by its ending first, where anything may lie."""
    endings = known_endings(of_text=False)
    if not is_among_sets and not item.name.lower().endswith(endings):
        return False
    try:
        if format_of(item) is not None:
            return True
        # Of shards, or of files of a row each.
        inside = (file for file in item.rglob("*") if not file.name.startswith("."))
        first = next((file for file in inside if file.is_file()), None) if is_among_sets else None
        return first is not None and format_of(first) is not None
    except OSError:
        return True  # which says so when it is opened


def _unread(root: Path, files: Sequence[Path]) -> Iterator[str]:
    """What is said of files beside the sets, which might be sets too."""
    folder = root / "descriptors"
    items = [item for item in _visible(root) if _looks_like_arrays(item)]
    if folder.is_dir():
        items += _visible(folder)
    read = set(files)
    if names := [item.relative_to(root).as_posix() for item in items if item not in read]:
        yield (
            f"{_listed(names)}: not read: sets are files of descriptors, .npy, .parquet, .pickle "
            "or others of docs/sources.md, in the descriptors folder where there is one"
        )


def _looks_like_arrays(item: Path) -> bool:
    endings = {ending.lower() for ending in item.suffixes}
    of_sets = item.name.lower().endswith(known_endings(of_text=False))
    return of_sets or (item.is_file() and bool(endings & _OF_ARRAYS))


def _other_lists(root: Path, paths_file: Path | None) -> Iterator[str]:
    """What is said of lists that may be meant for the list of paths, where that is missing."""
    if paths_file is not None:
        return
    # Files that were named may stand in the descriptors folder of a case.
    folders = [root, root.parent] if root.name == "descriptors" else [root]
    items = [item for folder in folders if os.access(folder, os.R_OK) for item in _visible(folder)]
    found = [item for item in items if _is_like_a_list(item.name) and item.is_file()]
    if names := [item.name for item in found]:
        yield f"{_listed(names)}: not read: the list of paths is called {PATHS_NAME}"


def _is_like_a_list(name: str) -> bool:
    return _LIKE_PATHS.fullmatch(re.sub(r"[^a-z]", "", name.lower())) is not None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(in_one_line, names[:_SHOWN])) + ", …" * (len(names) > _SHOWN)


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{folder}: cannot be read: {error.strerror or error}") from error


def _by_name(files: Sequence[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for file in files:
        name = set_name(file)
        _check_name(name, file)
        other = named.setdefault(name, file)
        if other is not file:
            raise SourceError(
                f"{other} and {file} give the same set name '{name}': rename or remove one"
            )
    return dict(sorted(named.items()))


def _check_name(name: str, file: Path) -> None:
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise SourceError(
            f"{in_one_line(file.name)}: is too long to name a set, of which figures are "
            f"called: rename the file, to {_LONGEST_NAME} bytes at most"
        )
    if not _SET_NAME.fullmatch(name) or name in _TAKEN:
        raise SourceError(
            f"{in_one_line(file)}: '{in_one_line(name)}' cannot name a set: rename the "
            "file, in UTF-8 without commas, control characters, leading dots or underscores, "
            f"and not {', '.join(sorted(_TAKEN))}"
        )


def set_name(path: Path) -> str:
    """The name of a set: that of its file without ending, of the array in a file, or what the
    names of a pattern begin with.

    >>> set_name(Path("osnet.npy.gz")), set_name(Path("img_emb_*.npy"))
    ('osnet', 'img_emb')
    """
    if is_pattern(path):
        beginning = re.split(r"[*?[]", path.name)[0].rstrip("-_. 0123456789")
        folder = re.split(r"[*?[]", path.parent.name)[0]
        return beginning or folder or "descriptors"
    _, member = place_of(path)
    if member is not None:
        return member.rpartition("/")[2]
    name = path.name
    while ending := next((e for e in known_endings() if name.lower().endswith(e)), ""):
        name = name[: -len(ending)]
    return path.stem if name == path.name else name


def _select(named: Mapping[str, T], wanted: Sequence[str] | None, root: Path) -> dict[str, T]:
    if wanted is None:
        return dict(named)
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
        archives = [item for item in items if item.suffix.lower() in ARCHIVES]
        if len(archives) == 1:
            return archives[0]
        if archives and not image_archives(folder):
            names = _listed([item.name for item in archives])
            raise SourceError(
                f"{folder}: holds several archives ({names}) beside images or folders: leave the "
                "ones or the others there"
            )
        if items:
            if all(_is_packed_tar(item) for item in items):
                _check_is_not_packed(items[0])
            return folder
    return None


def image_archives(folder: Path) -> list[Path]:
    """The zip and tar files of a folder, by name, where there are no images and no folders beside
    them: shards of one set of images, with what else tools write there."""
    items = _visible(folder)
    if any(item.is_dir() or looks_like_image(item.name) for item in items):
        return []
    return [item for item in items if item.suffix.lower() in ARCHIVES]


def _is_packed_tar(path: Path) -> bool:
    return _PACKED_TAR.search(path.name) is not None and path.is_file()


def _check_is_not_packed(path: Path) -> None:
    if _is_packed_tar(path):
        raise SourceError(
            f"{path}: is a packed tar file, of which no image can be read alone: unpack it to "
            "a .tar (gunzip, bunzip2, unxz, unzstd), or to a folder"
        )


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
        counts[PATHS_NAME if paths_file is None else paths_file.name] = n_paths
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        n_rows = {len(source) for source in sources.values()}
        if len(n_rows) == 1 and n_paths and paths_file is not None:
            cause = count_mismatch(paths_file, n_paths, n_rows.pop())
            listed += f"; {cause}" if cause else ""
        raise SourceError(
            f"the numbers of rows differ: {listed}: all must describe the same images in the "
            "same order; leave out the set that does not"
        )
    if not counts:
        raise SourceError("no descriptors were chosen: choose at least one set")
    return next(iter(counts.values()))


def open_sets(
    case: CaseFolder, names: Sequence[str] | None = None
) -> tuple[CaseFolder, dict[str, ArraySource], int]:
    """Open the sets of a case, and the list of its paths.

    Returns
    -------
    case : CaseFolder
        With the file that the rows' paths come with, where it has no list of them.
    sources : dict of str to ArraySource
    n_rows : int

    Raises
    ------
    SourceError
        When a file cannot be used, the numbers of rows differ, or two sets come with other paths.
    """
    chosen = case.descriptors if names is None else {n: case.descriptors[n] for n in names}
    sources = {name: _opened(path, case) for name, path in chosen.items()}
    if case.paths_file is None:
        case = _with_own_paths(case, sources)
    case = replace(case, notes=(*case.notes, *(s.note for s in sources.values() if s.note)))
    n_paths = None if case.paths_file is None else count_paths(case.paths_file)
    return case, sources, check_rows(sources, n_paths, case.paths_file)


def _opened(path: Path | ArraySource, case: CaseFolder) -> ArraySource:
    if isinstance(path, ArraySource):
        return path
    try:
        return open_source(path)
    except SourceError as error:
        others = [name for name, other in case.descriptors.items() if other != path]
        if not others:
            raise
        raise SourceError(f"{error}; or leave it out: --descriptors {','.join(others)}") from error


def _with_own_paths(case: CaseFolder, sources: Mapping[str, ArraySource]) -> CaseFolder:
    """The case with the paths that the rows of its sets come with."""
    listed = [source for source in sources.values() if source.has_paths]
    if not listed:
        return case
    first, *others = listed
    for other in others:
        pairs = zip_longest(first.iter_paths(), other.iter_paths())
        row = next((row for row, (path, own) in enumerate(pairs) if path != own), None)
        if row is not None:
            raise SourceError(
                f"{other.path}: row {row} is of another path than in {first.path}: all must "
                "describe the same images in the same order; name the list with --paths"
            )
    return replace(case, paths_file=first.path, paths_state=first.state)
