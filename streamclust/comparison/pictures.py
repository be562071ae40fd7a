"""The pictures of the comparison, made from its tables: agreement, attributes, yield, flows."""

import csv
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.choice.clusterings import sound
from streamclust.comparison.attribute_means import Carried, Line, carried, number
from streamclust.comparison.step import (
    AGREEMENT_FILE,
    ATTRIBUTES_FILE,
    COMPARISON_FILE,
    CONTINGENCY_FILE,
    YIELD_FILE,
)
from streamclust.errors import SettingsError
from streamclust.figures.files import FIGURE_BYTES
from streamclust.memory import Need
from streamclust.store.descriptors import parts_of
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs
from streamclust.store.workspace import fingerprint

STEP = "draw comparison"
# Pairs of sets of which the flows are drawn: those whose recommended clusterings have the largest
# adjusted mutual information.
MOST_PAIRS = 10
# Clusters of a set up to which flows can be followed; beyond, a table is drawn.
MOST_IN_FLOWS = 30
_LONGEST_STEM = 200  # bytes; file systems allow 255
_FOLDER = "figures/comparison-"
_AGREEMENT, _ATTRIBUTES, _YIELD = (
    f"{_FOLDER}{kind}.png" for kind in ("agreement", "attributes", "yield")
)
_TABLES = (COMPARISON_FILE, AGREEMENT_FILE, ATTRIBUTES_FILE, CONTINGENCY_FILE)

Pair = tuple[str, str]


def draw_comparison(job: Job, outputs: Outputs) -> None:
    """Draw what the tables of `streamclust.comparison.step` say, unless that is done.

    Figures that they say nothing of any more, as of attributes when none are known, are removed.

    Raises
    ------
    SettingsError
        When there is a table too few.
    MemoryBudgetError
        When it does not fit the budget.
    """
    folder = outputs.folder
    missing = [name for name in _TABLES if not (folder / name).exists()]
    if missing:
        raise SettingsError(f"no {missing[0]} in {folder}: run streamclust compare first")
    sets = {line["set"]: line for line in _lines(folder / COMPARISON_FILE) if line["algorithm"]}
    agreement = _agreement(folder, sets)
    parts = {name: parts_of(job.workspace, name) for name in sets}
    pairs = {_pair_file(pair, list(sets)): pair for pair in _closest(agreement, parts)}
    unrefused = {name: sound(job.workspace, name) for name in sets}
    told = carried(list(_lines(folder / ATTRIBUTES_FILE)), sets, unrefused)
    digests = [_digest(folder / name) for name in (*_TABLES, YIELD_FILE)]
    mark = fingerprint(STEP, 5, digests, told.algorithm, told.n_clusters)
    yields = _yields(folder, sets)
    wanted = [*([_AGREEMENT] if pairs else []), *([_ATTRIBUTES] if told.values else [])]
    wanted += [*([_YIELD] if yields else []), *pairs]
    for stale in _drawn(folder) - set(wanted):
        outputs.remove(stale)
    if all(outputs.is_current(file, mark) for file in wanted):
        job.skip(STEP, None)
        return
    with job.step(STEP, None, draw_comparison_needs(), 0):
        if pairs:
            _draw_agreement(outputs, sets, agreement, mark)
        if told.values:
            _draw_attributes(outputs, sets, _named(sets, agreement), told, mark)
        if yields:
            _draw_yields(outputs, yields, mark)
        _draw_pairs(outputs, pairs, _shared(folder, sets, pairs.values()), mark)
    if len(pairs) < (n_pairs := math.comb(len(sets), 2)):
        job.events.note(
            f"flows are drawn of the {len(pairs)} of {n_pairs} pairs of sets that agree most; "
            "streamclust compare OUT --descriptors A,B draws those of two (and compares no others)"
        )


def draw_comparison_needs() -> list[Need]:
    """Memory of the largest figure; the tables are small beside it."""
    return [Need(STEP, fixed=FIGURE_BYTES)]


def _digest(path: Path) -> str | None:
    if not path.exists():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def _lines(path: Path) -> Iterator[Line]:
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def _drawn(folder: Path) -> set[str]:
    """Figures of a comparison that are there."""
    stem = Path(_FOLDER)
    return {
        f"{stem.parent}/{path.name}" for path in (folder / stem.parent).glob(f"{stem.name}*.png")
    }


def _pair_file(pair: Pair, names: Sequence[str]) -> str:
    """The figure of a pair; names that would not tell it from others are put as a digest."""
    stem = "-".join(pair)
    others = ["-".join((a, b)) for a in names for b in names if a != b]
    if others.count(stem) > 1 or len(stem.encode()) > _LONGEST_STEM:
        stem = fingerprint(*pair)
    return f"{_FOLDER}{stem}.png"


def _agreement(folder: Path, sets: dict[str, Line]) -> dict[Pair, Line]:
    """Lines of agreement.csv by sets of the labels and the space, of recommended clusterings."""
    return {
        (line["labels"], line["space"]): line
        for line in _lines(folder / AGREEMENT_FILE)
        if line["clusterings"] == "recommended" and {line["labels"], line["space"]} <= set(sets)
    }


def _closest(agreement: dict[Pair, Line], parts: dict[str, set[str]]) -> list[Pair]:
    """The pairs of different sets that agree most, in the order of the sets.

    Pairs that have a part in common, as a mixed set and one that it is mixed of, come last: they
    agree by their making.
    """
    known: dict[Pair, float] = {}
    for (a, b), line in agreement.items():
        if a != b and (b, a) not in known:
            ami = number(line["ami"])
            known[a, b] = -math.inf if math.isnan(ami) else ami
    shared = {(a, b): bool(parts[a] & parts[b]) for a, b in known}
    kept = set(sorted(known, key=lambda pair: (shared[pair], -known[pair]))[:MOST_PAIRS])
    return [pair for pair in known if pair in kept]


def _yields(folder: Path, sets: dict[str, Line]) -> list[dict[str, Any]]:
    """Lines of yield.csv of the algorithm that each set is recommended with."""
    return [
        {
            **line,
            "names": int(line["names"]),
            **{column: number(line[column]) for column in ("yield", "low", "high", "baseline")},
        }
        for line in _lines(folder / YIELD_FILE)
        if line["set"] in sets and line["algorithm"] == sets[line["set"]]["algorithm"]
    ]


def _named(sets: dict[str, Line], agreement: dict[Pair, Line]) -> list[str]:
    """The names of the sets, with the rows in clusters where some of the valid ones are noise."""
    labelled = {name: int(agreement[name, name]["rows"]) for name in sets}
    return [
        name if labelled[name] == int(own["rows"]) else f"{name} ({labelled[name]:,} rows)"
        for name, own in sets.items()
    ]


def _draw_agreement(
    outputs: Outputs, sets: dict[str, Line], agreement: dict[Pair, Line], mark: str
) -> None:
    from streamclust.figures.heatmap import agreement_heatmap

    names = list(sets)
    ami, ari = (
        np.array([[number(agreement[a, b][column]) for b in names] for a in names])
        for column in ("ami", "ari")
    )
    n_clusters = [int(own["n_clusters"]) for own in sets.values()]
    title = "Agreement of the sets' recommended clusterings"
    with outputs.writing(_AGREEMENT, mark) as path:
        agreement_heatmap(path, _named(sets, agreement), ami, ari, n_clusters, title)


def _draw_attributes(
    outputs: Outputs,
    sets: dict[str, Line],
    names: list[str],
    told: Carried,
    mark: str,
) -> None:
    from streamclust.figures.heatmap import attribute_heatmap

    attributes = list(told.values)
    values = np.array([[told.values[a].get(name, math.nan) for a in attributes] for name in sets])
    words = f"Adjusted mutual information of {told.of_clusters()} and attribute: 0 as by chance."
    if told.algorithm is None:
        ks = [own["n_clusters"] for own in sets.values()]
        names = [f"{name}, k = {k}" for name, k in zip(names, ks, strict=True)]
    else:
        names = list(sets)
    if any(name.endswith("*") for name in attributes):
        words += " *: rows in their group's largest cluster, above chance."
    with outputs.writing(_ATTRIBUTES, mark) as path:
        title = "What the clusters of each set carry"
        attribute_heatmap(path, names, attributes, values, title, words)


def _draw_yields(outputs: Outputs, yields: list[dict[str, Any]], mark: str) -> None:
    from streamclust.figures.curves import yield_curves

    with outputs.writing(_YIELD, mark) as path:
        yield_curves(path, yields, "Labelling yield: rows named right by naming clusters")


def _draw_pairs(
    outputs: Outputs, pairs: dict[str, Pair], tables: dict[Pair, np.ndarray], mark: str
) -> None:
    from streamclust.figures.contingency import contingency_flow, contingency_heatmap

    for file, pair in pairs.items():
        few = max(tables[pair].shape) <= MOST_IN_FLOWS
        draw = contingency_flow if few else contingency_heatmap
        with outputs.writing(file, mark) as path:
            draw(path, tables[pair], pair, f"Clusters of {pair[0]} in those of {pair[1]}")


def _shared(folder: Path, sets: dict[str, Line], pairs: Iterable[Pair]) -> dict[Pair, np.ndarray]:
    """Rows that the clusters of each pair share, (clusters, clusters)."""
    k = {name: int(own["n_clusters"]) for name, own in sets.items()}
    tables = {(a, b): np.zeros((k[a], k[b]), np.int64) for a, b in pairs}
    for line in _lines(folder / CONTINGENCY_FILE):
        pair = line["set"], line["with"]
        if line["kind"] == "set" and pair in tables:
            tables[pair][int(line["cluster"]), int(line["value"])] = int(line["rows"])
    return tables
