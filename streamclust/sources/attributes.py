"""Attributes of the images of a case: any CSV, or VERI-Wild's vehicle_info.txt as it comes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamclust.errors import SourceError
from streamclust.sources.paths import TAIL
from streamclust.sources.tables import csv_lines
from streamclust.sources.truth import (
    MOST_VALUES,
    Attribute,
    Truth,
    columns_to_read,
    lines_bytes,
    read_lines,
)

# A table that matches fewer of its lines, and of the rows of the case, is of another case.
LEAST_MATCHED = 0.5
# An attribute of which one value has a larger share of the known rows says nothing of clusters.
MOST_OF_ONE_VALUE = 0.98
_SEPARATORS = ",;\t"
# VERI-Wild's cameras have numbers, which would be taken for a measure.
_CAMERA = "camera id"


def read_attributes(
    file: Path,
    n_rows: int,
    paths: Iterable[Iterable[str]] | None = None,
    columns: Sequence[str] | None = None,
) -> Truth:
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
    columns : sequence of str, optional
        The attributes to read, also such as would be left out: by default all columns but those
        that tell rows apart, and those of which one value has more than 98 % of the known rows.

    Returns
    -------
    Truth
        A column ``outlier_kind`` is no attribute.

    Raises
    ------
    SettingsError
        When it has no column of a name in `columns`.
    SourceError
        If it cannot be read, or if it matches less than half of its lines and less than half of
        the rows: then it belongs to another case.
    """
    known = read_lines(file, _lines(file), n_rows, paths, columns)
    n_found, n_lines = len(known.rows), len(known.rows) + known.unmatched
    if max(n_found / n_lines, n_found / n_rows) < LEAST_MATCHED:
        raise SourceError(
            f"{file}: only {n_found:,} of its {n_lines:,} lines are of rows of this case, which "
            f"has {n_rows:,}: name the table of this case; not found: {', '.join(known.examples)}"
        )
    if columns is None:
        known = _undominated(known)
    if not known.attributes:
        left_out = known.skipped | known.dominated
        causes = "; ".join(f"{name}: {cause}" for name, cause in left_out.items())
        raise SourceError(
            f"{file}: has no column that is an attribute ({causes or 'it has no other'}): "
            "name a table with one whose values many rows share"
        )
    return known


def _undominated(known: Truth) -> Truth:
    """Without the attributes of which one value has nearly all known rows."""
    causes = {name: _dominance(attribute) for name, attribute in known.attributes.items()}
    kept = {name: own for name, own in known.attributes.items() if not causes[name]}
    dominated = {name: cause for name, cause in causes.items() if cause}
    return replace(known, attributes=kept, dominated=dominated)


def _dominance(attribute: Attribute) -> str:
    """Which value has nearly all known rows; empty where none has."""
    counts = np.bincount(attribute.codes[attribute.codes >= 0], minlength=len(attribute.values))
    most = int(counts.argmax())
    share = counts[most] / counts.sum()
    if share <= MOST_OF_ONE_VALUE:
        return ""
    return f"{share:.2%} of its known rows are {attribute.values[most]!r}"


def attributes_bytes(file: Path, n_rows: int, columns: Sequence[str] | None = None) -> int:
    """Memory that `read_attributes` takes at its peak, by the file's first line.

    Raises
    ------
    SettingsError, SourceError
        As `read_attributes`, for that line.
    """
    return lines_bytes(file, _lines(file), n_rows, columns)


def most_values(file: Path, columns: Sequence[str] | None = None) -> int:
    """Values of all attributes together, at most, by the file's first line.

    Raises
    ------
    SettingsError, SourceError
        As `read_attributes`, for that line.
    """
    return MOST_VALUES * len(columns_to_read(file, _lines(file), columns))


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
