"""All that is known of clusters, put together for their descriptions.

What is wrong with the pictures of each cluster, counted over all images of a scan.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from streamclust.comparison.attributes import Known, count_values
from streamclust.comparison.crosswise import count_shared
from streamclust.comparison.labelling_yield import GroupConsistency
from streamclust.description.contrasts import Sample
from streamclust.description.examples import Witnesses
from streamclust.description.findings import Facts, Looks, claims
from streamclust.description.nearest import nearest_clusters, told_apart
from streamclust.description.readability import readability
from streamclust.description.stored import LOOKED_AT, Description
from streamclust.images.pixels import MEASURES
from streamclust.memory import Need
from streamclust.outliers.image_quality import KINDS, RULES, Yardstick
from streamclust.passes.accumulators.contingency import Contingency, count_pairs
from streamclust.passes.blocks import Columns, Rows
from streamclust.passes.verbs import Passes
from streamclust.store.clusterings import StoredClustering
from streamclust.store.descriptors import is_mixed
from streamclust.store.job import Job
from streamclust.store.outliers import stored_outliers


def picture_kinds(
    passes: Passes, pixels: Any, yardstick: Yardstick, clusterings: Sequence[StoredClustering]
) -> list[np.ndarray]:
    """Count the kinds of pictures in the clusters of clusterings.

    Parameters
    ----------
    passes : Passes
    pixels : array of shape (n_rows, len(MEASURES))
        As `streamclust.images.scan.scan_images` stores them; NaN where there is no image.
    yardstick : Yardstick
    clusterings : sequence of StoredClustering

    Returns
    -------
    list of ndarray of int64, shape (1 + len(KINDS), k)
        Images with nothing wrong, and of each kind, for each clustering.
    """
    counts = _Kinds(yardstick, [own.n_clusters for own in clusterings])
    return passes.reduce("kinds of pictures", _rows(pixels, clusterings), counts).tables


def picture_need(step: str, pixels: Any, clusterings: Sequence[StoredClustering]) -> Need:
    """Memory of a block of measures, of the rules it breaks, and of labels."""
    rows = _rows(pixels, clusterings)
    measures = rows.n_columns * np.dtype(pixels.dtype).itemsize
    a_row = 3 * measures + 4 * len(RULES) + 4 * len(clusterings) + 32
    return Need(f"{step} of pictures", per_block=rows.rows_a_block * a_row)


def _rows(pixels: Any, clusterings: Sequence[StoredClustering]) -> Rows:
    return Rows(pixels, extras=tuple(own.labels for own in clusterings))


class _Kinds:
    """A table of kinds and clusters for each clustering."""

    def __init__(self, yardstick: Yardstick, n_clusters: Sequence[int]) -> None:
        self.yardstick = yardstick
        self.tables = [np.zeros((1 + len(KINDS), k), np.int64) for k in n_clusters]

    def update(self, measures: np.ndarray, *labels: np.ndarray) -> None:
        known = np.isfinite(measures).all(axis=1)
        kinds = self.yardstick.first_kinds(measures[known]) + 1
        for table, own in zip(self.tables, labels, strict=True):
            table += count_pairs(kinds, own[known], table.shape)

    def merge(self, other: Self) -> None:
        for table, seen in zip(self.tables, other.tables, strict=True):
            table += seen


# Values of an attribute that a tree may ask for: the commonest.
_MOST_ASKED = 32


class Seen:
    """What the images of some rows look like.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_rows,)
        Ascending.
    values, colours : ndarray
        As `streamclust.images.features.image_features` gives them.
    """

    def __init__(self, rows: np.ndarray, values: np.ndarray, colours: np.ndarray) -> None:
        self.rows, self.values, self.colours = rows, values, colours
        measures = values[:, : len(MEASURES)]
        self.yardstick = Yardstick.fit(measures)
        self.kinds = self.yardstick.first_kinds(measures)

    def looks(self, rows: np.ndarray, labels: np.ndarray, sizes: np.ndarray) -> Looks | None:
        """Those of rows with labels, of which only images that could be read; None without any."""
        at = np.searchsorted(self.rows, rows)
        good = self.colours[at] >= 0
        if not good.any():
            return None
        at, rows = at[good], rows[good]
        sample = Sample(labels[good], sizes)
        return Looks(sample, self.values[at], self.colours[at], self.kinds[at], rows)


class Counted:
    """What is counted of all rows, of all clusterings together.

    Parameters
    ----------
    passes : Passes
    job : Job
    clusterings : sequence of StoredClustering
    known : Known, optional
        Attributes of the rows.
    seen : Seen, optional
        Images that were looked at.
    pixels : array, optional
        Measures of all images, where they were scanned.
    group : str, optional
        Where the groups of siblings are in the store.
    """

    def __init__(
        self,
        passes: Passes,
        job: Job,
        clusterings: Sequence[StoredClustering],
        known: Known | None = None,
        seen: Seen | None = None,
        pixels: Any = None,
        group: str | None = None,
    ) -> None:
        self.job, self.known, self.seen = job, known, seen
        self.clusterings = {own.set_name: own for own in clusterings}
        self.values: dict[str, dict[str, np.ndarray]] = {}
        if known is not None:
            counted = count_values(passes, clusterings, known)
            self.values = {own.set_name: tables for own, tables in counted}
        self.shared = count_shared(passes, self.clusterings)
        self.flagged = _flagged(passes, job, clusterings)
        self.pictures: dict[str, np.ndarray] = {}
        if seen is not None and pixels is not None:
            tables = picture_kinds(passes, pixels, seen.yardstick, clusterings)
            self.pictures = dict(zip(self.clusterings, tables, strict=True))
        self.groups = None if group is None else job.workspace.root[group][...]
        self.consistency = None if self.groups is None else GroupConsistency(self.groups)

    def description(self, own: StoredClustering, found: Witnesses) -> Description:
        """All of a clustering."""
        clustering = self.job.workspace.root[own.path]
        sizes = clustering["sizes"][...].astype(np.int64)
        nearest = nearest_clusters(clustering["means"][...])
        rows, labels = found.to_look_at()
        looks = None if self.seen is None else self.seen.looks(rows, labels, sizes)
        if looks is not None:
            rows, labels = looks.rows, looks.sample.labels
        facts = self._facts(own, looks)
        readable, of_clusters = self._readable(own, rows, labels, looks)
        shares = np.full(len(sizes), np.nan)
        if facts.outliers is not None:
            shares = facts.outliers[1] / np.maximum(facts.outliers.sum(axis=0), 1)
        looked_at = [rows[labels == c] if looks else rows[:0] for c in range(len(sizes))]
        return Description(
            sizes=sizes,
            rows={**found.rows, LOOKED_AT: looked_at},
            nearest=nearest,
            outlier_shares=shares,
            claims=claims(facts),
            apart=told_apart(facts, nearest),
            readability=readable,
            of_clusters=of_clusters,
        )

    def _facts(self, own: StoredClustering, looks: Looks | None) -> Facts:
        name, folders = own.set_name, None
        if self.consistency is not None:
            folders = self.consistency.whole(own.labels[...], own.n_clusters)
        values = {} if self.known is None else self.known.values
        return Facts(
            looks=looks,
            attributes={n: (v, self.values[name][n]) for n, v in values.items()},
            sets={
                other: ([str(c) for c in range(one.n_clusters)], self._shared(other, name))
                for other, one in self.clusterings.items()
                if other != name and not is_mixed(self.job.workspace, other)
            },
            outliers=self.flagged.get(name),
            pictures=self.pictures.get(name),
            folders=folders,
        )

    def _shared(self, other: str, name: str) -> np.ndarray:
        """Rows of each cluster of another set in each of this one's."""
        pair = (other, name)
        return self.shared[pair] if pair in self.shared else self.shared[name, other].T

    def _readable(
        self, own: StoredClustering, rows: np.ndarray, labels: np.ndarray, looks: Looks | None
    ) -> tuple[dict[str, float], np.ndarray]:
        """The numbers of a line of readability.csv, and the readability of each cluster."""
        features = [np.empty((len(rows), 0))]
        if looks is not None:
            features += [looks.values, looks.coloured()]
        if self.known is not None:
            features.append(_asked(self.known, rows))
        seed = self.job.settings.random_state
        groups = None if self.groups is None else self.groups[rows]
        told = readability(np.hstack(features), labels, own.n_clusters, groups, seed)
        line: dict[str, float] = {
            "readability": told.readability,
            "accuracy": told.accuracy,
            "chance": told.chance,
            "rows": float(len(rows)),
        }
        if self.consistency is not None:
            share, chance, _ = self.consistency.shares(own.labels[...], seed)
            line |= {"consistency": share, "consistency_by_chance": chance}
        return line, told.of_clusters


def _asked(known: Known, rows: np.ndarray) -> np.ndarray:
    """Whether rows have each of the commonest values of each attribute, (n_rows, n_values)."""
    codes = _rows_of(known.codes, rows)
    columns = [
        codes[:, column, None] == np.argsort(-total, kind="stable")[:_MOST_ASKED]
        for column, total in enumerate(known.totals.values())
    ]
    return np.hstack(columns)


def _rows_of(array: Any, rows: np.ndarray) -> np.ndarray:
    """Rows of a stored array in any order, a chunk in memory at a time."""
    chunk = array.chunks[0]
    found = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for number in np.unique(rows // chunk):
        here = rows // chunk == number
        start = int(number) * chunk
        found[here] = array[start : start + chunk][rows[here] - start]
    return found


def _flagged(
    passes: Passes, job: Job, clusterings: Sequence[StoredClustering]
) -> dict[str, np.ndarray]:
    """Rows of each cluster that are not flagged as outliers, and that are; nothing where they
    were not looked for."""
    outliers = stored_outliers(job.workspace)
    if outliers is None:
        return {}
    codes = [2, *(own.n_clusters for own in clusterings)]
    pairs = [(0, place) for place in range(1, len(codes))]
    rows = Rows(Columns([outliers.flagged, *(own.labels for own in clusterings)]))
    tables = passes.reduce("flagged rows", rows, Contingency(codes, pairs)).result()
    return {own.set_name: table for own, table in zip(clusterings, tables, strict=True)}
