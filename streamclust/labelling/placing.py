"""Rows placed in a stored clustering: label, distance to the mean, confidence."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from streamclust.choice.tables import choose
from streamclust.clustering.base import Clustering
from streamclust.clustering.confidence import Confidence
from streamclust.errors import SettingsError
from streamclust.labelling.name_matching import Naming
from streamclust.labelling.names import naming_of
from streamclust.labelling.row_files import CODE, FLOAT, INT, Column
from streamclust.passes.blocks import Rows, Span
from streamclust.passes.verbs import Passes
from streamclust.store.job import Job
from streamclust.store.workspace import Workspace

# What belongs to a clustering but is not needed to label rows.
_OF_ROWS = ("labels", "sizes", "means")


class Placed(NamedTuple):
    """Where rows belong, (n_rows,) each.

    Attributes
    ----------
    label : ndarray of int32
        -1 for noise and rows that are not valid.
    distance, confidence : ndarray of float32
        See `streamclust.clustering.confidence.Confidence`; NaN where the label is -1.
    """

    label: np.ndarray
    distance: np.ndarray
    confidence: np.ndarray

    @classmethod
    def nowhere(cls, n_rows: int) -> "Placed":
        """Rows that are in no cluster."""
        nothing = np.full(n_rows, np.nan, np.float32)
        return cls(np.full(n_rows, -1, np.int32), nothing, nothing.copy())


@dataclass(frozen=True, eq=False)
class Chosen:
    """A clustering of a set that rows are placed in.

    Attributes
    ----------
    descriptor, name : str
        Of the set, and of its clustering.
    group : Zarr group
        The clustering in the store.
    naming : Naming
        Of its clusters; without names where none were given.
    """

    descriptor: str
    name: str
    group: Any
    naming: Naming

    @property
    def n_clusters(self) -> int:
        return len(self.naming.names)

    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        """What clusters are called, each once, and which of these is each cluster's; those without
        a name are called by their number."""
        names = self.naming.names
        own = [f"cluster {j}" for j in range(len(names))]
        # A person may have called another cluster so.
        own = [f"{number}, without a name" if number in names else number for number in own]
        told = [name or number for name, number in zip(names, own, strict=True)]
        distinct = tuple(dict.fromkeys(told))
        return distinct, np.array([distinct.index(name) for name in told], np.int32)

    def confidence(self) -> Confidence:
        """What measures distances and confidences of its rows."""
        return Confidence(
            self.group.attrs["algorithm"], stored_clustering(self.group), self.group["means"][...]
        )


def chosen_clusterings(job: Job, clustering: str | None) -> list[Chosen]:
    """The clustering of this name of each chosen set, or the recommended one.

    Raises
    ------
    SettingsError
        When a set does not have it, or none has a recommended one.
    """
    found = []
    for descriptor in job.chosen():
        name = clustering or choose(job.workspace, descriptor)[0]
        if name is None:
            job.events.warn(f"{descriptor} has no recommended clustering: left out")
        else:
            found.append(_chosen(job.workspace, descriptor, name))
    if not found:
        raise SettingsError("no set has a recommended clustering: run streamclust cluster first")
    return found


def _chosen(workspace: Workspace, descriptor: str, name: str) -> Chosen:
    if name not in workspace.clusterings(descriptor):
        listed = ", ".join(workspace.clusterings(descriptor)) or "none"
        raise SettingsError(
            f"{descriptor} has no clustering {name}: there are {listed}; --descriptors names sets"
        )
    group = workspace.root[f"descriptors/{descriptor}/clusterings/{name}"]
    applied = naming_of(workspace, descriptor, name)
    k = int(group.attrs["n_clusters"])
    return Chosen(
        descriptor, name, group, applied.naming if applied else Naming(("",) * k, (False,) * k)
    )


def stored_clustering(group: Any) -> Clustering:
    """A clustering as its algorithm fitted it, out of the store."""
    arrays = {name: array[...] for name, array in group.arrays() if name not in _OF_ROWS}
    return Clustering(int(group.attrs["n_clusters"]), arrays, dict(group.attrs))


class StoredRows:
    """Places stored rows in the clustering that they are in, a span at a time.

    Parameters
    ----------
    rows : Rows
        The reduced rows of a set.
    chosen : Chosen
        A clustering of it.
    """

    def __init__(self, rows: Rows, chosen: Chosen) -> None:
        self.rows = rows.having(extras=(chosen.group["labels"],))
        self.confidence = chosen.confidence()

    def __call__(self, span: Span) -> Placed:
        placed = Placed.nowhere(len(span))
        for block in self.rows.blocks(span):
            part = slice(block.span.start - span.start, block.span.stop - span.start)
            (labels,) = block.extras
            found = Placed(labels, *self.confidence(block.values, labels))
            for out, own in zip(placed, found, strict=True):
                out[part][... if block.mask is None else block.mask] = own
        return placed


def placed_columns(chosen: Sequence[Chosen]) -> list[Column]:
    """The columns of placed rows; where there are several sets, their names say of which."""
    columns = []
    for own in chosen:
        of_set = f"_{own.descriptor}" if len(chosen) > 1 else ""
        columns += [
            Column(f"label{of_set}", INT),
            Column(f"name{of_set}", CODE, own.naming.names),
            Column(f"distance{of_set}", FLOAT),
            Column(f"confidence{of_set}", FLOAT),
        ]
    return columns


def placed_values(placed: Sequence[Placed]) -> list[np.ndarray]:
    """The values of `placed_columns`."""
    return [
        column for own in placed for column in (own.label, own.label, own.distance, own.confidence)
    ]


def marked_rows(chosen: Sequence[Chosen], placed: Sequence[Placed]) -> np.ndarray:
    """Which rows are in a cluster that was marked as outliers, (n_rows,) bool."""
    marked = np.zeros(len(placed[0].label), bool)
    for own, rows in zip(chosen, placed, strict=True):
        marked |= np.array([*own.naming.outliers, False])[rows.label]
    return marked


def streamed(
    passes: Passes, name: str, task: Callable[[Span], Any], spans: Sequence[Span]
) -> Iterator[tuple[Span, Any]]:
    """What a task makes of spans of rows, in their order, a few of them in memory at a time."""
    with passes.events.passing(name, sum(map(len, spans))) as advance:
        made = passes.executor.map(task, spans, passes.in_flight)
        for span in spans:
            yield span, next(made)
            advance(len(span))
