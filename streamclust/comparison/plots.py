"""The pictures of the comparison, made from its tables: agreement, attributes, yield, flows."""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamclust.comparison.comparable_clusterings import Key, in_common, sound
from streamclust.comparison.compare_sets import (
    AGREEMENT_FILE,
    ATTRIBUTES_FILE,
    COMPARISON_FILE,
    CONTINGENCY_FILE,
    YIELD_FILE,
    compared_tables,
)
from streamclust.errors import SettingsError
from streamclust.figures import COMPARISON, FIGURE_BYTES, figure_file
from streamclust.memory import Need
from streamclust.passes import Passes
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import Line, Outputs, StoredTables, fingerprint

# Pairs of sets of which the flows are drawn: those whose recommended clusterings have the largest
# adjusted mutual information.
MOST_PAIRS = 10
# Clusters of a set up to which flows can be followed; beyond, a table is drawn.
MOST_IN_FLOWS = 30
_LONGEST_STEM = 200  # bytes; file systems allow 255
_AGREEMENT, _ATTRIBUTES, _YIELD = (
    figure_file(COMPARISON, kind) for kind in ("agreement", "attributes", "yield")
)

# Numbers of clusters that are listed one by one.
_LISTED = 4

Pair = tuple[str, str]


class AttributeMeans(NamedTuple):
    """How well clusters agree with attributes, by attribute and set, and which clusterings do.

    Attributes
    ----------
    values : dict of str to dict of str to float
        The mean adjusted mutual information of clusters and attribute; of groups of rows, called
        ``within a … *``, the mean share in their group's largest cluster, above chance. At most 1.
    algorithm : str or None
    n_clusters : list of int
        The clusterings of each set that the means are over; None and none where the sets have no
        sound ones in common, and the recommended ones are told of.
    """

    values: dict[str, dict[str, float]]
    algorithm: str | None
    n_clusters: list[int]

    def clusters_in_words(self) -> str:
        """The clusters that are told of, in words."""
        if self.algorithm is None:
            return "the recommended clusters (k behind the set)"
        several = len(self.n_clusters) > 1
        over = f"{'mean over ' * several}{_numbers(self.n_clusters)}"
        return f"clusters ({self.algorithm}, {over})"


def draw_comparison(job: Job) -> None:
    """Draw what the tables of a comparison say, unless that is done.

    Raises
    ------
    SettingsError
        When there are no tables.
    MemoryBudgetError
        When it does not fit the budget.
    """
    stored = compared_tables(job.workspace)
    if not stored.exists:
        folder = job.workspace.folder
        raise SettingsError(f"no {COMPARISON_FILE} in {folder}: run streamclust compare first")
    sets = {line["set"]: line for line in stored.lines(COMPARISON_FILE) if line["algorithm"]}
    agreement = _agreement(stored.lines(AGREEMENT_FILE), sets)
    parts = {name: job.set(name).parts for name in sets}
    pairs = {_pair_file(pair, list(sets)): pair for pair in _closest(agreement, parts)}
    unrefused = {name: sound(job.workspace, name) for name in sets}
    means = attribute_means(list(stored.lines(ATTRIBUTES_FILE)), sets, unrefused)
    yields = _yields(stored.lines(YIELD_FILE), sets)
    job.run([DrawComparison(stored, sets, agreement, pairs, means, yields)])


@dataclass(frozen=True, eq=False)
class DrawComparison(Step):
    """Draw the tables of a comparison.

    Figures that they say nothing of any more, as of attributes when none are known, are removed.
    """

    name = "draw comparison"
    stored: StoredTables
    sets: dict[str, Line]
    agreement: dict[Pair, Line]
    pairs: dict[str, Pair]
    means: AttributeMeans
    yields: list[Line]

    def needs(self, on: CaseShapes) -> list[Need]:
        """The largest figure; the tables are small beside it."""
        return [Need(fixed=FIGURE_BYTES)]

    def fingerprint(self, job: Job) -> str:
        made_of = self.stored.fingerprint, self.means.algorithm, self.means.n_clusters
        return fingerprint(self.name, 6, *made_of)

    def restore(self, job: Job, mark: str) -> bool:
        wanted = [*([_AGREEMENT] if self.pairs else []), *([_YIELD] if self.yields else [])]
        wanted += [*([_ATTRIBUTES] if self.means.values else []), *self.pairs]
        for stale in _drawn(job.workspace.folder) - set(wanted):
            job.outputs.remove(stale)
        return all(job.outputs.is_current(file, mark) for file in wanted)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        sets, pairs = self.sets, self.pairs
        if pairs:
            _draw_agreement(job.outputs, sets, self.agreement, mark)
        if self.means.values:
            _draw_attributes(job.outputs, sets, _named(sets, self.agreement), self.means, mark)
        if self.yields:
            _draw_yields(job.outputs, self.yields, mark)
        shared = _shared(self.stored.lines(CONTINGENCY_FILE), sets, pairs.values())
        _draw_pairs(job.outputs, pairs, shared, mark)
        if len(pairs) < (n_pairs := math.comb(len(sets), 2)):
            job.events.note(
                f"flows are drawn of the {len(pairs)} of {n_pairs} pairs of sets that agree most; "
                "streamclust compare OUT --descriptors A,B draws those of two (and compares no "
                "others)"
            )


def _drawn(folder: Path) -> set[str]:
    """Figures of a comparison that are there."""
    files = folder.glob(figure_file(COMPARISON, "*"))
    return {str(file.relative_to(folder)) for file in files}


def _pair_file(pair: Pair, names: Sequence[str]) -> str:
    """The figure of a pair; names that would not tell it from others are put as a digest."""
    stem = "-".join(pair)
    others = ["-".join((a, b)) for a in names for b in names if a != b]
    if others.count(stem) > 1 or len(stem.encode()) > _LONGEST_STEM:
        stem = fingerprint(*pair)
    return figure_file(COMPARISON, stem)


def _agreement(lines: Iterable[Line], sets: dict[str, Line]) -> dict[Pair, Line]:
    """Lines of agreement.csv by sets of the labels and the space, of recommended clusterings."""
    return {
        (line["labels"], line["space"]): line
        for line in lines
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
            known[a, b] = -math.inf if math.isnan(line["ami"]) else line["ami"]
    shared = {(a, b): bool(parts[a] & parts[b]) for a, b in known}
    kept = set(sorted(known, key=lambda pair: (shared[pair], -known[pair]))[:MOST_PAIRS])
    return [pair for pair in known if pair in kept]


def _yields(lines: Iterable[Line], sets: dict[str, Line]) -> list[Line]:
    """Lines of yield.csv of the algorithm that each set is recommended with."""
    return [
        line
        for line in lines
        if line["set"] in sets and line["algorithm"] == sets[line["set"]]["algorithm"]
    ]


def _named(sets: dict[str, Line], agreement: dict[Pair, Line]) -> list[str]:
    """The names of the sets, with the rows in clusters where some of the valid ones are noise."""
    labelled = {name: agreement[name, name]["rows"] for name in sets}
    return [
        name if labelled[name] == line["rows"] else f"{name} ({labelled[name]:,} rows)"
        for name, line in sets.items()
    ]


def _draw_agreement(
    outputs: Outputs, sets: dict[str, Line], agreement: dict[Pair, Line], mark: str
) -> None:
    from streamclust.figures import agreement_heatmap

    names = list(sets)
    ami, ari = (
        np.array([[agreement[a, b][column] for b in names] for a in names])
        for column in ("ami", "ari")
    )
    n_clusters = [line["n_clusters"] for line in sets.values()]
    title = "Agreement of the sets' recommended clusterings"
    with outputs.writing(_AGREEMENT, mark) as path:
        agreement_heatmap(path, _named(sets, agreement), ami, ari, n_clusters, title)


def _draw_attributes(
    outputs: Outputs,
    sets: dict[str, Line],
    names: list[str],
    means: AttributeMeans,
    mark: str,
) -> None:
    from streamclust.figures import attribute_heatmap

    attributes = list(means.values)
    values = np.array([[means.values[a].get(name, math.nan) for a in attributes] for name in sets])
    words = (
        f"Adjusted mutual information of {means.clusters_in_words()} and attribute: 0 as by chance."
    )
    if means.algorithm is None:
        ks = [line["n_clusters"] for line in sets.values()]
        names = [f"{name}, k = {k}" for name, k in zip(names, ks, strict=True)]
    else:
        names = list(sets)
    if any(name.endswith("*") for name in attributes):
        words += " *: rows in their group's largest cluster, above chance."
    with outputs.writing(_ATTRIBUTES, mark) as path:
        title = "What the clusters of each set carry"
        attribute_heatmap(path, names, attributes, values, title, words)


def _draw_yields(outputs: Outputs, yields: list[Line], mark: str) -> None:
    from streamclust.figures import yield_curves

    with outputs.writing(_YIELD, mark) as path:
        yield_curves(path, yields, "Labelling yield: rows named right by naming clusters")


def _draw_pairs(
    outputs: Outputs, pairs: dict[str, Pair], tables: dict[Pair, np.ndarray], mark: str
) -> None:
    from streamclust.figures import contingency_flow, contingency_heatmap

    for file, pair in pairs.items():
        few = max(tables[pair].shape) <= MOST_IN_FLOWS
        draw = contingency_flow if few else contingency_heatmap
        with outputs.writing(file, mark) as path:
            draw(path, tables[pair], pair, f"Clusters of {pair[0]} in those of {pair[1]}")


def _shared(
    lines: Iterable[Line], sets: dict[str, Line], pairs: Iterable[Pair]
) -> dict[Pair, np.ndarray]:
    """Rows that the clusters of each pair share, (clusters, clusters)."""
    k = {name: line["n_clusters"] for name, line in sets.items()}
    tables = {(a, b): np.zeros((k[a], k[b]), np.int64) for a, b in pairs}
    for line in lines:
        pair = line["set"], line["with"]
        if line["kind"] == "set" and pair in tables:
            tables[pair][line["cluster"], int(line["value"])] = line["rows"]
    return tables


def attribute_means(
    lines: Sequence[Line], sets: Mapping[str, Line], unrefused: Mapping[str, Set[Key]]
) -> AttributeMeans:
    """How well the clusters of each set agree with each attribute.

    The mean is over the numbers of clusters that all sets have sound clusterings of, of one
    algorithm (`choice.in_common`): recommended ones of different numbers agree the more with an
    attribute the nearer their number is to that of its values, whatever the set.

    Parameters
    ----------
    lines : sequence of dict
        Of ``attributes.csv``.
    sets : mapping of str to dict
        The lines of ``comparison.csv`` of the sets that are shown.
    unrefused : mapping of str to set of (str, int)
        `comparable_clusterings.sound` of each of them.
    """
    compared: dict[str, set[Key]] = {name: set() for name in sets}
    for line in lines:
        compared.get(line["set"], set()).add(_key(line))
    usable = {name: keys & unrefused[name] for name, keys in compared.items()}
    common = in_common(usable, [line["algorithm"] for line in sets.values()])
    if common is None:
        wanted = {name: {_key(line)} for name, line in sets.items()}
    else:
        wanted = {name: {(common[0], k) for k in common[1]} for name in sets}
    values: dict[str, dict[str, list[float]]] = {}
    for line in lines:
        if _key(line) in wanted.get(line["set"], ()):
            attribute, value = _value(line)
            values.setdefault(attribute, {}).setdefault(line["set"], []).append(value)
    means = {
        attribute: {name: float(np.mean(of_set)) for name, of_set in by_set.items()}
        for attribute, by_set in values.items()
    }
    return AttributeMeans(means, *(common or (None, [])))


def _key(line: Line) -> Key:
    return line["algorithm"], line["n_clusters"]


def _value(line: Line) -> tuple[str, float]:
    """The attribute, and how well the clusters agree with it."""
    if math.isnan(line["consistency"]):
        return line["attribute"], line["ami"]
    chance = line["consistency_by_chance"]
    above = line["consistency"] - chance
    return f"within a {line['attribute']} *", above / (1 - chance) if chance < 1 else math.nan


def _numbers(n_clusters: Sequence[int]) -> str:
    """``[2, 3, 4, 5, 6]`` as ``k = 2…6``."""
    first, last, n = n_clusters[0], n_clusters[-1], len(n_clusters)
    if n == last - first + 1 and n > 2:
        return f"k = {first}…{last}"
    if n <= _LISTED:
        return f"k = {', '.join(map(str, n_clusters))}"
    return f"{n} k of {first}…{last}"
