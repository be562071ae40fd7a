"""Rows assigned to the clusters of stored clusterings: label, distance to the mean, confidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from streamclust.clustering import Clustering, Confidence
from streamclust.errors import SettingsError
from streamclust.labelling.names import Naming, cluster_names
from streamclust.labelling.row_writers import CODE, FLAG, FLOAT, INT, TEXT, Column
from streamclust.passes import Rows, Span
from streamclust.steps import Job
from streamclust.store import StoredClustering, find_clustering, load_names
from streamclust.store import named_clusterings as clusterings_with_names

# The reason of a row whose cluster a person marked.
NAMED_OUTLIER = "named an outlier"


class Assigned(NamedTuple):
    """The clusters of rows, (n_rows,) each.

    Attributes
    ----------
    label : ndarray of int32
        -1 for noise and rows that are not valid.
    distance, confidence : ndarray of float32
        See `streamclust.clustering.base.Confidence`; NaN where the label is -1.
    """

    label: np.ndarray
    distance: np.ndarray
    confidence: np.ndarray

    @classmethod
    def to_none(cls, n_rows: int) -> "Assigned":
        """Rows that are in no cluster."""
        nothing = np.full(n_rows, np.nan, np.float32)
        return cls(np.full(n_rows, -1, np.int32), nothing, nothing.copy())

    def part(self, rows: slice) -> "Assigned":
        """Views of some of the rows."""
        return Assigned(*(column[rows] for column in self))

    def fill(self, rows: Any, label: np.ndarray, distance: np.ndarray, sure: np.ndarray) -> None:
        """Write the clusters of rows, which an index names."""
        for column, values in zip(self, (label, distance, sure), strict=True):
            column[rows] = values


@dataclass(frozen=True, eq=False)
class NamedClustering:
    """A clustering that rows are assigned to, with the names of its clusters.

    Attributes
    ----------
    stored : StoredClustering
    naming : Naming
    """

    stored: StoredClustering
    naming: Naming

    @property
    def set_name(self) -> str:
        return self.stored.set_name

    @property
    def name(self) -> str:
        return self.stored.name

    @property
    def n_clusters(self) -> int:
        return len(self.naming.names)

    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        """What clusters are called, each once, and which of these is each cluster's; those without
        a name are called by their number."""
        names = self.naming.names
        numbers = [f"cluster {j}" for j in range(len(names))]
        # A person may have called another cluster so.
        numbers = [f"{text}, without a name" if text in names else text for text in numbers]
        shown = [name or number for name, number in zip(names, numbers, strict=True)]
        distinct = tuple(dict.fromkeys(shown))
        return distinct, np.array([distinct.index(name) for name in shown], np.int32)

    def fitted(self) -> Clustering:
        """What its algorithm fitted."""
        return fitted_clustering(self.stored)

    def confidence(self) -> Confidence:
        """What measures distances and confidences of its rows."""
        return Confidence(self.stored.algorithm, self.fitted(), self.stored.means[...])


def fitted_clustering(stored: StoredClustering) -> Clustering:
    """A clustering as its algorithm fitted it, out of the store."""
    return Clustering(stored.n_clusters, stored.fitted_arrays, stored.fitted_attributes)


def named_clusterings(job: Job, which: str | int | None) -> list[NamedClustering]:
    """The clustering of each chosen set that is meant, by default the recommended one.

    Raises
    ------
    SettingsError
        When a set does not have it, or none has a recommended one.
    """
    chosen = []
    for set_name in job.chosen():
        clustering = find_clustering(job.workspace, set_name, which)
        if clustering is None:
            job.events.warn(f"{set_name} has no recommended clustering: left out")
        else:
            chosen.append(NamedClustering(clustering, cluster_names(clustering)))
            if which is None:
                _tell_other_names(job, clustering)
    if not chosen:
        raise SettingsError("no set has a recommended clustering: run streamclust cluster first")
    return chosen


def _tell_other_names(job: Job, clustering: StoredClustering) -> None:
    """Say where a set's names are, if another clustering has them than is recommended now."""
    set_name = clustering.set_name
    stored = {one.name for one in job.set(set_name).clusterings}
    named = [
        one.name
        for one in clusterings_with_names(job.workspace)
        if one.set_name == set_name and one.name in stored
    ]
    if named and load_names(clustering) is None:
        job.events.warn(
            f"{set_name}: {clustering.name}, which is recommended, has no names; "
            f"{' and '.join(named)} {'has' if len(named) == 1 else 'have'}: "
            f"--clustering {named[0]} to go by them"
        )


class AssignStored:
    """Tells of stored rows the clusters that they are in, a span at a time.

    Parameters
    ----------
    rows : Rows
        The reduced rows of a set.
    clustering : NamedClustering
        Of it.
    """

    def __init__(self, rows: Rows, clustering: NamedClustering) -> None:
        self.rows = rows.having(extras=(clustering.stored.labels,))
        self.confidence = clustering.confidence()

    def __call__(self, span: Span) -> Assigned:
        assigned = Assigned.to_none(len(span))
        for block in self.rows.blocks(span):
            part = slice(block.span.start - span.start, block.span.stop - span.start)
            (labels,) = block.extras
            valid = ... if block.mask is None else block.mask
            assigned.part(part).fill(valid, labels, *self.confidence(block.values, labels))
        return assigned


class OfEachSet:
    """What is told of a span of rows by each set, as a task."""

    def __init__(self, sets: Sequence[Callable[[Span], Any]]) -> None:
        self.sets = list(sets)

    def __call__(self, span: Span) -> list[Any]:
        return [of_set(span) for of_set in self.sets]


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Rows that follow each other, and what is known of them.

    Attributes
    ----------
    start : int
        The first row.
    paths : list of str
    assigned : list of Assigned
        In a clustering of each set.
    outlier : ndarray of bool
    score : ndarray of float32
    reason : ndarray of int32
        An index in the reasons of `batch_columns`.
    positions : sequence of ndarray of float32
        The axes of all layouts that `batch_columns` was told of, and what else is known of rows.
    sizes : ndarray of int32 of shape (n_rows, 2)
        Of the images, see `streamclust.images.ImageSizes`, where a format writes them.
    """

    start: int
    paths: list[str]
    assigned: list[Assigned]
    outlier: np.ndarray
    score: np.ndarray
    reason: np.ndarray
    positions: Sequence[np.ndarray] = ()
    sizes: Any = None

    def values(self) -> list[Any]:
        """As `batch_columns`."""
        rows = np.arange(self.start, self.start + len(self.paths))
        assigned = [column for rows in self.assigned for column in (rows.label, *rows)]
        outliers = self.outlier, self.score, self.reason
        return [rows, self.paths, *assigned, *outliers, *self.positions]


def batch_columns(
    clusterings: Sequence[NamedClustering],
    reasons: tuple[str, ...],
    laid_out: Sequence[str] = (),
) -> list[Column]:
    """The columns of tables of batches, with positions of the sets that are `laid_out`; where
    there are several sets, names say of which."""
    several = len(clusterings) > 1
    assigned = []
    for clustering in clusterings:
        of_set = f"_{clustering.set_name}" if several else ""
        assigned += [
            Column(f"label{of_set}", INT),
            Column(f"name{of_set}", CODE, clustering.naming.names),
            Column(f"distance{of_set}", FLOAT),
            Column(f"confidence{of_set}", FLOAT),
        ]
    outliers = Column("outlier", FLAG), Column("outlier_score", FLOAT)
    reason = Column("outlier_reason", CODE, reasons)
    positions = [
        Column(f"projection_{axis}{f'_{set_name}' if several else ''}", FLOAT)
        for set_name in laid_out
        for axis in "xy"
    ]
    return [Column("row", INT), Column("path", TEXT), *assigned, *outliers, reason, *positions]


def marked_rows(clusterings: Sequence[NamedClustering], assigned: Sequence[Assigned]) -> np.ndarray:
    """Which rows are in a cluster that was marked as outliers, (n_rows,) bool."""
    marked = np.zeros(len(assigned[0].label), bool)
    for clustering, rows in zip(clusterings, assigned, strict=True):
        marked |= np.array([*clustering.naming.outliers, False])[rows.label]
    return marked
