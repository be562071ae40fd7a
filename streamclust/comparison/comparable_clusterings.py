"""Which clusterings of several sets are comparable."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set

import numpy as np

from streamclust.choice import is_degenerate, measured
from streamclust.registries import ALGORITHMS
from streamclust.store import (
    StoredClustering,
    Workspace,
    stored_clusterings,
)

# Algorithm and number of clusters.
Key = tuple[str, int]


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
