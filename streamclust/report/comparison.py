"""The tables of ``streamclust compare`` for the page: sets, what is known of images, mixtures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streamclust.errors import SourceError
from streamclust.report.bounds import LINES
from streamclust.report.words import cell
from streamclust.sources.tables import csv_lines
from streamclust.steps.labelled import Labelled

_SETS = {
    "set": "set",
    "components": "components",
    "algorithm": "algorithm",
    "n_clusters": "clusters",
    "silhouette": "silhouette",
    "same_rows": "rows",
    "same_columns": "columns",
    "same_n_clusters": "clusters ",
    "same_silhouette_simplified": "silhouette, simplified",
    "same_davies_bouldin": "Davies-Bouldin",
    "same_calinski_harabasz": "Calinski-Harabasz",
}
_MIXING = {
    "mixture": "mixed set",
    "measure": "measure",
    "attribute": "attribute",
    "mixed": "of the mixture",
    "best_set": "best of its sets",
    "best": "of that",
    "gain": "gain",
}


_MEASURES = {
    "ami": "adjusted mutual information",
    "same_silhouette_simplified": "silhouette on the same k and columns",
    "same_gap": "gap on the same k and columns",
}


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes
    ----------
    caption : str
    header : list of str
    lines : list of list of str
        The first cell of each names it.
    """

    caption: str
    header: list[str]
    lines: list[list[str]] = field(default_factory=list)


def comparison_tables(folder: Path, chosen: Mapping[str, Labelled]) -> list[Table]:
    """What the files of the results folder tell, as they stand there; none without them.

    Parameters
    ----------
    folder : Path
    chosen : mapping of str to Labelled
        The recommended clustering of each set: of the known attributes these are told.
    """
    sets = _columns(
        _read(folder / "comparison.csv"),
        _SETS,
        "The sets: their recommended clusterings, and from “rows” on all sets with the same rows, "
        "columns and clusters, which are the only ones to compare",
    )
    mixing = _columns(
        _read(folder / "mixing.csv"),
        _MIXING,
        "Mixed sets against the best of the sets that they are mixed of; a gain above 0 favours "
        "the mixture",
    )
    known = _attributes(_read(folder / "attributes.csv"), chosen)
    return [table for table in (sets, known, mixing) if table.lines]


def _read(file: Path) -> list[dict[str, str]]:
    """The lines of a CSV by column; none where it is not there, or no such file any more."""
    if not file.exists():
        return []
    try:
        lines = csv_lines(file)
        header = next(lines, [])
        return [dict(zip(header, fields, strict=False)) for fields in lines]
    except SourceError:
        return []


def _columns(lines: list[dict[str, str]], wanted: dict[str, str], caption: str) -> Table:
    there = [name for name in wanted if any(line.get(name) for line in lines)]
    cells = [[_cell(line, name) for name in there] for line in lines[:LINES]]
    return Table(caption, [wanted[name] for name in there], cells)


def _cell(line: dict[str, str], name: str) -> str:
    text = line.get(name, "")
    return _MEASURES.get(text, text) if name == "measure" else cell(text)


def _attributes(lines: list[dict[str, str]], chosen: Mapping[str, Labelled]) -> Table:
    """Adjusted mutual information of each set's recommended clustering with each attribute."""
    told: dict[str, dict[str, str]] = {}
    for line in lines:
        own = chosen.get(line.get("set", ""))
        if own is None or not line.get("ami"):
            continue
        if (line.get("algorithm"), line.get("n_clusters")) == (own.algorithm, str(own.n_clusters)):
            told.setdefault(own.descriptor, {})[line.get("attribute", "")] = line["ami"]
    names = list(dict.fromkeys(name for own in told.values() for name in own))[:LINES]
    return Table(
        "Agreement of the recommended clusterings with what is known of the images (adjusted "
        "mutual information: 0 by chance, 1 where they are the same)",
        ["set", *map(cell, names)],
        [[one, *(cell(own.get(name, "")) for name in names)] for one, own in told.items()],
    )
