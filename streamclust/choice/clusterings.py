"""The stored clusterings of the sets, and which of them are compared."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.choice.rule import is_degenerate
from streamclust.choice.tables import choose, measured
from streamclust.settings import ALGORITHMS
from streamclust.store.workspace import Workspace

# Algorithm and number of clusters.
Key = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Labelled:
    """A stored clustering.

    Attributes
    ----------
    descriptor, name : str
        Its set, and its name in the store.
    algorithm : str
    n_clusters : int
    labels : Zarr array of int32, shape (n_rows,)
        Below 0 for rows in no cluster.
    """

    descriptor: str
    name: str
    algorithm: str
    n_clusters: int
    labels: Any

    @property
    def path(self) -> str:
        return f"descriptors/{self.descriptor}/clusterings/{self.name}"


def labelled(workspace: Workspace, descriptor: str) -> list[Labelled]:
    """All clusterings of a set."""
    return [_stored(workspace, descriptor, name) for name in workspace.clusterings(descriptor)]


def recommended(workspace: Workspace, descriptors: Sequence[str]) -> dict[str, Labelled]:
    """The recommended clustering of each set that has one."""
    names = {descriptor: choose(workspace, descriptor)[0] for descriptor in descriptors}
    return {
        descriptor: _stored(workspace, descriptor, name)
        for descriptor, name in names.items()
        if name is not None
    }


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
    workspace: Workspace, chosen: dict[str, Labelled], unrefused: Mapping[str, Set[Key]]
) -> dict[str, Labelled]:
    """A sound clustering of each set with one number of clusters that all have; none if there is
    none.

    They are of one algorithm where all sets have one `in_common`, else of that of the set's
    recommended clustering where it has that number. The number is that nearest to the median of
    the recommended ones, the smaller of two.
    """
    usable = {name: unrefused[name] for name in chosen}
    common = in_common(usable, [own.algorithm for own in chosen.values()])
    if common is not None:
        algorithm, ks = common
        usable = {name: {(algorithm, k) for k in ks} for name in chosen}
    by_number: dict[str, dict[int, Labelled]] = {}
    for descriptor, own in chosen.items():
        others = labelled(workspace, descriptor)
        others = [o for o in others if (o.algorithm, o.n_clusters) in usable[descriptor]]
        others.sort(key=lambda other: other.algorithm == own.algorithm)
        by_number[descriptor] = {other.n_clusters: other for other in others}
    numbers = set.intersection(*map(set, by_number.values())) if by_number else set()
    if not numbers:
        return {}
    median = float(np.median([own.n_clusters for own in chosen.values()]))
    k = min(sorted(numbers), key=lambda number: abs(number - median))
    return {descriptor: own[k] for descriptor, own in by_number.items()}


def _stored(workspace: Workspace, descriptor: str, name: str) -> Labelled:
    group = workspace.root[f"descriptors/{descriptor}/clusterings/{name}"]
    algorithm, k = group.attrs["algorithm"], int(group.attrs["n_clusters"])
    return Labelled(descriptor, name, algorithm, k, group["labels"])
