"""Attributes of the images of a case: any CSV, or VERI-Wild's vehicle_info.txt as it comes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from streamclust.errors import SourceError
from streamclust.sources.row_finder import TAIL
from streamclust.sources.tables import csv_lines
from streamclust.sources.truth import MOST_VALUES, Truth, lines_bytes, read_lines

# A table that matches fewer of its lines, and of the rows of the case, is of another case.
LEAST_MATCHED = 0.5
_SEPARATORS = ",;\t"
# VERI-Wild's cameras have numbers, which would be taken for a measure.
_CAMERA = "camera id"


def read_attributes(file: Path, n_rows: int, paths: Iterable[Iterable[str]] | None = None) -> Truth:
    """Read what is known of the images: a table as for `read_truth`.

    Fields are parted by commas, semicolons or tabs, whichever its first line has most of. Lines
    are matched by row, by path, or by ``id/image``, which is how VERI-Wild names its images.

    Parameters
    ----------
    file : Path
    n_rows : int
        Rows of the case.
    paths : iterable of blocks of str, optional
        The paths of the case in row order.

    Returns
    -------
    Truth
        A column ``outlier_kind`` is no attribute.

    Raises
    ------
    SourceError
        If it cannot be read, or if it matches less than half of its lines and less than half of
        the rows: then it belongs to another case.
    """
    known = read_lines(file, _lines(file), n_rows, paths)
    n_found, n_lines = len(known.rows), len(known.rows) + known.unmatched
    if max(n_found / n_lines, n_found / n_rows) < LEAST_MATCHED:
        raise SourceError(
            f"{file}: only {n_found:,} of its {n_lines:,} lines are of rows of this case, which "
            f"has {n_rows:,}: name the table of this case; not found: {', '.join(known.examples)}"
        )
    if not known.attributes:
        causes = "; ".join(f"{name}: {cause}" for name, cause in known.skipped.items())
        raise SourceError(
            f"{file}: has no column that is an attribute ({causes or 'it has no other'}): "
            "name a table with one whose values many rows share"
        )
    return known


def attributes_bytes(file: Path, n_rows: int) -> int:
    """Memory that `read_attributes` takes at its peak, by the file's first line.

    Raises
    ------
    SourceError
        As `read_attributes`, for that line.
    """
    return lines_bytes(file, _lines(file), n_rows)


def most_values(file: Path) -> int:
    """Values of all attributes together, at most, by the file's first line."""
    return MOST_VALUES * len(next(_lines(file), []))


def _lines(file: Path) -> Iterator[list[str]]:
    """The lines of a table, split, with the names of cameras for their numbers."""
    lines = csv_lines(file, _SEPARATORS)
    header = next(lines, [])
    yield header
    names = [name.strip().lower() for name in header]
    camera = names.index(_CAMERA) if TAIL in names and _CAMERA in names else None
    for line in lines:
        if camera is not None and len(line) > camera and line[camera].strip():
            line[camera] = f"camera {line[camera].strip()}"
        yield line
