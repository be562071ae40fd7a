"""names.csv: what a person calls the clusters, as written by hand or saved by the report."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from streamclust.errors import SourceError
from streamclust.sources.tables import csv_lines
from streamclust.store.outputs import plain_cell

COLUMNS = ("set", "clustering", "cluster", "name", "outlier", "mark")
LONGEST = 200

_SEPARATORS = ",;\t"
_NEEDED = ("cluster", "name")
_TRUE, _FALSE = ("1", "true", "yes"), ("", "0", "false", "no")
# Control characters and separators of lines: none of them can be seen in a name.
_UNSEEN = ("Cc", "Zl", "Zp")


@dataclass(frozen=True)
class NameLine:
    """A line of names.csv.

    Attributes
    ----------
    number : int
        Of the line in the file, from 1 on.
    set, clustering : str
        Empty where they are not told.
    cluster : int
    name : str
        Empty for a cluster without one.
    outlier : bool
    mark : str
        Fingerprint of the clustering that was named; empty where it is not told.
    """

    number: int
    set: str
    clustering: str
    cluster: int
    name: str
    outlier: bool
    mark: str


def read_names(file: Path) -> list[NameLine]:
    """Read a table of names, with commas, semicolons or tabs; other columns are passed over.

    Raises
    ------
    SourceError
        When the file cannot be read, holds no line, lacks a column ``cluster`` or ``name``, or a
        line is not understood: the message names it.
    """
    lines = csv_lines(file, _SEPARATORS)
    header = [name.strip().lower() for name in next(lines, [])]
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise SourceError(
            f"{file}: has no column {' and no column '.join(missing)}: it takes "
            f"{','.join(COLUMNS)}; streamclust label OUT --template FILE writes one to fill in"
        )
    places = {name: header.index(name) for name in COLUMNS if name in header}
    read = [
        _line(file, number, {name: fields[at] for name, at in places.items() if at < len(fields)})
        for number, fields in enumerate(lines, 2)
        if any(field.strip() for field in fields)
    ]
    if not read:
        raise SourceError(f"{file}: holds no line: write one for each cluster to name")
    return read


def clean_name(text: str) -> str:
    """A name on one line: what cannot be seen becomes a space, and spaces one."""
    seen = (" " if unicodedata.category(char) in _UNSEEN else char for char in text)
    return " ".join("".join(seen).split())


def _line(file: Path, number: int, cells: dict[str, str]) -> NameLine:
    cluster = cells.get("cluster", "").strip()
    if not cluster.isdecimal():
        raise SourceError(f"{file}: line {number}: {cluster!r} is no number of a cluster")
    outlier = cells.get("outlier", "").strip().lower()
    if outlier not in (*_TRUE, *_FALSE):
        raise SourceError(f"{file}: line {number}: outlier is {outlier!r}: write 0 or 1")
    name = clean_name(plain_cell(cells.get("name", "")))
    if len(name) > LONGEST:
        raise SourceError(
            f"{file}: line {number}: a name of {len(name)} characters: write {LONGEST} at most"
        )
    return NameLine(
        number,
        plain_cell(cells.get("set", "").strip()),
        cells.get("clustering", "").strip(),
        int(cluster),
        name,
        outlier in _TRUE,
        cells.get("mark", "").strip(),
    )
