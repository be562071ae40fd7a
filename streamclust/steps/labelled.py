"""The stored clusterings of the sets, and which of them are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.models.degenerate import is_degenerate
from streamclust.steps.tables import choose, measured
from streamclust.workspace import Workspace


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


def sound(workspace: Workspace, descriptor: str) -> set[tuple[str, int]]:
    """Algorithm and number of clusters of a set's clusterings that are measured, not refused."""
    return {
        (scores["algorithm"], int(scores["n_clusters"]))
        for scores in measured(workspace, descriptor)
        if not is_degenerate(scores)
    }


def of_same_number(workspace: Workspace, chosen: dict[str, Labelled]) -> dict[str, Labelled]:
    """A clustering of each set with one number of clusters that all have; none if there is none.

    The number is that nearest to the median of the recommended ones, the smaller of two; the
    algorithm that of the set's recommended clustering where it has that number.
    """
    by_number: dict[str, dict[int, Labelled]] = {}
    for descriptor, own in chosen.items():
        others = labelled(workspace, descriptor)
        others.sort(key=lambda other: other.algorithm == own.algorithm)
        by_number[descriptor] = {other.n_clusters: other for other in others}
    common = set.intersection(*map(set, by_number.values())) - {0, 1} if by_number else set()
    if not common:
        return {}
    median = float(np.median([own.n_clusters for own in chosen.values()]))
    k = min(sorted(common), key=lambda number: abs(number - median))
    return {descriptor: numbers[k] for descriptor, numbers in by_number.items()}


def _stored(workspace: Workspace, descriptor: str, name: str) -> Labelled:
    group = workspace.root[f"descriptors/{descriptor}/clusterings/{name}"]
    algorithm, k = group.attrs["algorithm"], int(group.attrs["n_clusters"])
    return Labelled(descriptor, name, algorithm, k, group["labels"])
