"""Lists of paths that a program holds, as the files that commands read."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from streamclust.errors import SourceError

if TYPE_CHECKING:
    from streamclust.store import Outputs

HeldPaths = str | Path | Iterable[str]


@contextmanager
def list_file(
    paths: HeldPaths | None, outputs: "Outputs | None" = None, name: str = "images_paths.csv"
) -> Iterator[Path | None]:
    """The file of a list of paths.

    Parameters
    ----------
    paths : path, or iterable of str, optional
        Where it is the paths themselves, they are written.
    outputs : Outputs, optional
        The results folder to keep them in, under `name`, where they stay as they are if they are
        there already; without one the file is gone when the block ends.

    Raises
    ------
    SourceError
        For what is no path.
    """
    from streamclust.sources import write_list

    if paths is None or isinstance(paths, str | Path):
        yield None if paths is None else Path(paths)
        return
    held = list(paths)
    if outputs is None:
        with TemporaryDirectory(prefix="streamclust-") as folder:
            file = Path(folder) / name
            write_list(file, held)
            yield file
        return
    file = outputs.folder / name
    if not _is_list_of(file, held):
        with outputs.writing(name) as staged:
            write_list(staged, held)
    yield file


def _is_list_of(file: Path, paths: list[str]) -> bool:
    """Whether a file lists these paths: its time tells whether it was changed since."""
    from streamclust.sources import iter_paths

    if not file.is_file():
        return False
    try:
        return all(there == str(path) for there, path in zip_longest(iter_paths(file), paths))
    except SourceError:
        return False
