"""What is known of the clusterings of sets: scores as tables, which is recommended, and why."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

from streamclust.choice.measurement import scores_of
from streamclust.choice.recommendation_rule import Choice, is_degenerate, recommend
from streamclust.memory import MIB
from streamclust.registries import ALGORITHMS
from streamclust.store import (
    BIC,
    COST,
    EVIDENCE,
    STABILITY,
    DescriptorSet,
    StoredClustering,
    Workspace,
    fingerprint,
    forget_recommendation,
    store_recommendation,
    stored_clusterings,
    stored_recommendation,
)

# Algorithm and number of clusters.
Key = tuple[str, int]

METRICS = (
    "set",
    "algorithm",
    "n_clusters",
    "calinski_harabasz",
    "davies_bouldin",
    "silhouette_simplified",
    "inertia",
    "explained",
    "smallest_cluster",
    "recommended",
    "silhouette",
    "silhouette_low",
    "silhouette_high",
    "gap",
    "gap_error",
    "stability",
    "bic",
    "largest_cluster",
    "effective_clusters",
    "noise",
    "separated",
    "groups",
    "consensus",
)
# What it took to fit and label the whole sweep that a clustering is of: no two runs are alike.
COSTS = ("set", "algorithm", "n_clusters", "seconds", "peak_mib")
CLUSTERS = ("set", "algorithm", "n_clusters", "cluster", "size", "share")

# Raised when the rule changes, so that stored recommendations are made anew.
VERSION = 2


def measured(workspace: Workspace, descriptor: str) -> list[dict[str, Any]]:
    """A set's clusterings with their scores, by algorithm and k; `name` is that in the store."""
    clusterings, lines = stored_clusterings(workspace, descriptor), []
    groups = DescriptorSet(workspace, descriptor).mixture_groups if clusterings else {}
    for clustering in clusterings:
        attributes = clustering.attributes
        scores = scores_of(attributes)
        if scores is not None:
            about = {"algorithm": clustering.algorithm, "n_clusters": clustering.n_clusters}
            known = _known({**attributes, "groups": groups.get("number")})
            lines.append({"set": descriptor, "name": clustering.name, **about, **known, **scores})
    return lines


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a clustering and its set beside scores; NaN where it is not."""
    evidence = attributes.get(EVIDENCE, {})
    known = {
        "separated": evidence.get("separated"),
        "groups": attributes["groups"],
        "consensus": evidence.get("consensus"),
        "gap": evidence.get("gap"),
        "gap_error": evidence.get("gap_error"),
        "stability": attributes.get(STABILITY, {}).get("value"),
        "bic": attributes.get(BIC),
    }
    return {name: math.nan if value is None else value for name, value in known.items()}


def stored_choice(workspace: Workspace, descriptor: str) -> tuple[str | None, Choice]:
    """The name of a set's recommended clustering (None: there is none), and why, as it was stored;
    where it was not, as it would be."""
    stored = stored_recommendation(workspace, descriptor)
    if stored is None or stored["version"] != VERSION:
        lines = measured(workspace, descriptor)
        choice = recommend(lines)
        return _name(lines, choice), choice
    return stored["clustering"], Choice.stored(stored["choice"])


def decide(workspace: Workspace, descriptor: str) -> None:
    """Store which of a set's clusterings is recommended, and why."""
    if not workspace.clusterings(descriptor):
        forget_recommendation(workspace, descriptor)
        return
    lines = measured(workspace, descriptor)
    choice = recommend(lines)
    mark = fingerprint("choice", VERSION, lines)
    about = {"version": VERSION, "choice": dataclasses.asdict(choice)}
    store_recommendation(workspace, descriptor, _name(lines, choice), mark, **about)


def decide_all(workspace: Workspace) -> None:
    """Store what is recommended of all sets, as what is known of their clusterings tells now: a run
    that was killed while it measured left what it had recommended before."""
    for descriptor in workspace.descriptors:
        decide(workspace, descriptor)


def decide_missing(workspace: Workspace) -> None:
    """Store what is recommended of all sets where that is not: a step that failed left it out."""
    for descriptor in workspace.descriptors:
        stored = stored_recommendation(workspace, descriptor)
        if stored is None or stored["version"] != VERSION:
            decide(workspace, descriptor)


def _name(lines: list[dict[str, Any]], choice: Choice) -> str | None:
    return None if choice.index is None else str(lines[choice.index]["name"])


def metrics_table(workspace: Workspace, descriptors: list[str]) -> list[dict[str, Any]]:
    """The lines of metrics.csv."""
    table = []
    for descriptor in descriptors:
        name, _ = stored_choice(workspace, descriptor)
        for line in measured(workspace, descriptor):
            line["recommended"] = line["name"] == name
            # What is not known is an empty cell.
            known = {column: value for column, value in line.items() if value == value}
            table.append({column: known.get(column) for column in METRICS})
    return table


def costs_table(workspace: Workspace, descriptors: list[str]) -> list[dict[str, Any]]:
    """The lines of costs.csv."""
    table = []
    for descriptor in descriptors:
        for clustering in stored_clusterings(workspace, descriptor):
            cost = clustering.known(COST)
            if cost is not None:
                took = (f"{number:.1f}" for number in (cost["seconds"], cost["peak"] / MIB))
                about = descriptor, clustering.algorithm, clustering.n_clusters
                table.append(dict(zip(COSTS, (*about, *took), strict=True)))
    return table


def clusters_table(workspace: Workspace, descriptors: list[str]) -> list[dict[str, Any]]:
    """The lines of clusters.csv."""
    table = []
    for descriptor in descriptors:
        for line in measured(workspace, descriptor):
            total = sum(line["sizes"])
            for cluster, size in enumerate(line["sizes"]):
                cells = {**line, "cluster": cluster, "size": size, "share": size / total}
                table.append({column: cells[column] for column in CLUSTERS})
    return table


def sound(workspace: Workspace, descriptor: str) -> set[Key]:
    """Algorithm and number of clusters of a set's clusterings that are measured, not refused."""
    return {
        (scores["algorithm"], int(scores["n_clusters"]))
        for scores in measured(workspace, descriptor)
        if not is_degenerate(scores)
    }


def in_common(
    unrefused: Mapping[str, Set[Key]], recommended: Iterable[str]
) -> tuple[str, list[int]] | None:
    """The algorithm of which all sets have sound clusterings with the same numbers of clusters,
    and these numbers.

    Of several algorithms, the commonest of the recommended ones; None where there is none.

    Parameters
    ----------
    unrefused : mapping of str to set of (str, int)
        `sound` of each set.
    recommended : iterable of str
        The algorithm of each set's recommended clustering.
    """
    shared = set.intersection(*map(set, unrefused.values())) if unrefused else set()
    names = [name for name in ALGORITHMS if any(name == algorithm for algorithm, _ in shared)]
    if not names:
        return None
    votes = Counter(recommended)
    best = max(names, key=lambda name: votes[name])
    return best, sorted(k for algorithm, k in shared if algorithm == best)


def of_same_number(
    workspace: Workspace, chosen: dict[str, StoredClustering], unrefused: Mapping[str, Set[Key]]
) -> dict[str, StoredClustering]:
    """A sound clustering of each set with one number of clusters that all have; none if there is
    none.

    They are of one algorithm where all sets have one `in_common`, else of that of the set's
    recommended clustering where it has that number. The number is that nearest to the median of
    the recommended ones, the smaller of two.
    """
    usable = {name: unrefused[name] for name in chosen}
    common = in_common(usable, [clustering.algorithm for clustering in chosen.values()])
    if common is not None:
        algorithm, ks = common
        usable = {name: {(algorithm, k) for k in ks} for name in chosen}
    by_number: dict[str, dict[int, StoredClustering]] = {}
    for descriptor, clustering in chosen.items():
        others = stored_clusterings(workspace, descriptor)
        others = [o for o in others if (o.algorithm, o.n_clusters) in usable[descriptor]]
        others.sort(key=lambda other: other.algorithm == clustering.algorithm)
        by_number[descriptor] = {other.n_clusters: other for other in others}
    numbers = set.intersection(*map(set, by_number.values())) if by_number else set()
    if not numbers:
        return {}
    median = float(np.median([clustering.n_clusters for clustering in chosen.values()]))
    k = min(sorted(numbers), key=lambda number: abs(number - median))
    return {descriptor: clusterings[k] for descriptor, clusterings in by_number.items()}
