"""A demonstration case out of nothing: drawn vehicles in the reference's layout.

`make_case` writes what the reference case consists of, pictures and descriptors, or descriptors
alone for any number of rows, and beside them the truth that a real case lacks.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from streamclust.errors import SettingsError

if TYPE_CHECKING:
    from streamclust.demo.writing import Progress

__all__ = ["make_case"]


def make_case(
    folder: str | Path,
    *,
    rows: int = 3000,
    images: bool = True,
    random_state: int = 0,
    progress: "Progress | None" = None,
) -> Path:
    """Make a case folder in the reference's layout, with its truth.

    The folder gets `descriptors/<set>.pickle` for four sets, `images_paths.csv`, `truth.csv`
    and, with images, `row_data/veriwild.zip`. About 2 % of the pictures are spoiled by glare,
    blur or darkness, or show no vehicle. A case that is there already is not made again, and an
    interrupted one is begun anew.

    Memory stays near 100 MiB for any number of rows without images. With images it is near
    150 MiB, and the list of the zip's members takes another 0.4 KiB a picture.

    Parameters
    ----------
    folder : str or pathlib.Path
        Where: a new or an empty folder, or one that holds this very demo.
    rows : int
        Number of pictures.
    images : bool
        Draw pictures and compute the descriptors from them; without, descriptors are drawn from
        a model of the same vehicles.
    random_state : int
        Seed of all draws; the same seed gives the same files.
    progress : callable, optional
        Called as `progress(done_rows, total_rows, what)` from the calling thread.

    Returns
    -------
    pathlib.Path
        The case folder.

    Raises
    ------
    SettingsError
        If the folder holds another demo or other files, or a number makes no sense.
    """
    from streamclust.demo import writing

    if rows < 1:
        raise SettingsError(f"a demo has at least 1 row, not {rows}")
    if random_state < 0:
        raise SettingsError(f"random_state is a whole number from 0, not {random_state}")
    target = Path(folder)
    recipe = writing.Recipe(int(rows), bool(images), int(random_state))
    if writing.is_complete(target, recipe, writing.files(images)):
        return target
    writing.begin(target, recipe)
    writing.write_case(target, recipe, progress or _ignore)
    writing.finish(target)
    return target


def _ignore(done_rows: int, total_rows: int, what: str) -> None:
    """Nobody watches."""
