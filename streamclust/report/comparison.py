"""The tables of ``streamclust compare`` for the page: sets, what is known of images, mixtures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamclust.errors import SourceError
from streamclust.report.bounds import LINES
from streamclust.report.words import Words
from streamclust.sources.tables import csv_lines
from streamclust.store.clusterings import StoredClustering

_SETS = (
    "set",
    "components",
    "algorithm",
    "n_clusters",
    "silhouette",
    "same_rows",
    "same_columns",
    "same_n_clusters",
    "same_silhouette_simplified",
    "same_davies_bouldin",
    "same_calinski_harabasz",
)
_MIXING = ("mixture", "measure", "attribute", "mixed", "best_set", "best", "gain")


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


def comparison_tables(
    folder: Path, chosen: Mapping[str, StoredClustering], words: Words
) -> list[Table]:
    """What the files of the results folder tell, as they stand there; none without them.

    Parameters
    ----------
    folder : Path
    chosen : mapping of str to StoredClustering
        The recommended clustering of each set: of the known attributes these are told.
    words : Words
    """
    sets = _columns(_read(folder / "comparison.csv"), _SETS, "compared", words)
    mixing = _columns(_read(folder / "mixing.csv"), _MIXING, "mixing", words)
    known = _attributes(_read(folder / "attributes.csv"), chosen, words)
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


def _columns(
    lines: list[dict[str, str]], wanted: Sequence[str], caption: str, words: Words
) -> Table:
    there = [name for name in wanted if any(line.get(name) for line in lines)]
    cells = [[_cell(line, name, words) for name in there] for line in lines[:LINES]]
    return Table(words.told(caption), [words.name(name) for name in there], cells)


def _cell(line: dict[str, str], name: str, words: Words) -> str:
    text = line.get(name, "")
    told = words.name(f"measure {text}").removeprefix("measure ") if name == "measure" else text
    return words.cell(told)


def _attributes(
    lines: list[dict[str, str]], chosen: Mapping[str, StoredClustering], words: Words
) -> Table:
    """Adjusted mutual information of each set's recommended clustering with each attribute."""
    told: dict[str, dict[str, str]] = {}
    for line in lines:
        own = chosen.get(line.get("set", ""))
        if own is None or not line.get("ami"):
            continue
        if (line.get("algorithm"), line.get("n_clusters")) == (own.algorithm, str(own.n_clusters)):
            told.setdefault(own.set_name, {})[line.get("attribute", "")] = line["ami"]
    names = list(dict.fromkeys(name for own in told.values() for name in own))[:LINES]
    return Table(
        words.told("known"),
        [words.name("set"), *map(words.cell, names)],
        [[one, *(words.cell(own.get(name, "")) for name in names)] for one, own in told.items()],
    )
