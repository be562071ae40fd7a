"""All that is known of clusters, counted of all rows and put together for their descriptions."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from streamclust.comparison import GroupConsistency, KnownAttributes, count_shared, count_values
from streamclust.description.contrasts import Sample, readability
from streamclust.description.examples import Examples
from streamclust.description.findings import (
    Facts,
    MeasuredImages,
    cluster_findings,
    nearest_clusters,
    nearest_findings,
)
from streamclust.images import IMAGE_KINDS, MEASURES, RULES, Yardstick
from streamclust.memory import Need
from streamclust.passes import Columns, Passes, Rows, Shape, rows_at
from streamclust.passes.accumulators import Contingency, count_pairs
from streamclust.steps import Job
from streamclust.store import (
    MEASURED_ROWS,
    Description,
    StoredClustering,
    StoredGroups,
    stored_outliers,
)


def count_pictures(
    passes: Passes, pixels: Any, yardstick: Yardstick, clusterings: Sequence[StoredClustering]
) -> list[np.ndarray]:
    """Count the kinds of pictures in the clusters of clusterings.

    Parameters
    ----------
    passes : Passes
    pixels : array of shape (n_rows, len(MEASURES))
        As `streamclust.images.ScanImages` stores them; NaN where there is no image.
    yardstick : Yardstick
    clusterings : sequence of StoredClustering

    Returns
    -------
    list of ndarray of int64, shape (1 + len(KINDS), k)
        Images with nothing wrong, and of each kind, for each clustering.
    """
    counts = _PictureCounts(yardstick, [one.n_clusters for one in clusterings])
    return passes.reduce("kinds of pictures", _rows(pixels, clusterings), counts).tables


def picture_need(n_rows: int, n_clusterings: int) -> Need:
    """Memory of a block of measures, of the rules it breaks, and of labels."""
    rows = Rows(Shape((n_rows, len(MEASURES)), np.dtype(np.float32)))
    a_row = 3 * rows.row_bytes + 4 * len(RULES) + 4 * n_clusterings + 32
    return Need(per_block=rows.rows_a_block * a_row)


def _rows(pixels: Any, clusterings: Sequence[StoredClustering]) -> Rows:
    return Rows(pixels, extras=tuple(one.labels for one in clusterings))


class _PictureCounts:
    """A table of kinds and clusters for each clustering."""

    def __init__(self, yardstick: Yardstick, n_clusters: Sequence[int]) -> None:
        self.yardstick = yardstick
        self.tables = [np.zeros((1 + len(IMAGE_KINDS), k), np.int64) for k in n_clusters]

    def update(self, measures: np.ndarray, *labels: np.ndarray) -> None:
        known = np.isfinite(measures).all(axis=1)
        kinds = self.yardstick.first_kinds(measures[known]) + 1
        for table, of_clustering in zip(self.tables, labels, strict=True):
            table += count_pairs(kinds, of_clustering[known], table.shape)

    def merge(self, other: Self) -> None:
        for table, theirs in zip(self.tables, other.tables, strict=True):
            table += theirs


# Values of an attribute that a tree may ask for: the commonest.
_MOST_ASKED = 32


class ImageMeasures:
    """What was measured of the images of some rows.

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

    def sampled(
        self, rows: np.ndarray, labels: np.ndarray, sizes: np.ndarray
    ) -> MeasuredImages | None:
        """Those of rows with labels, of which only images that could be read; None without any."""
        at = np.searchsorted(self.rows, rows)
        good = self.colours[at] >= 0
        if not good.any():
            return None
        at, rows = at[good], rows[good]
        sample = Sample(labels[good], sizes)
        return MeasuredImages(sample, self.values[at], self.colours[at], self.kinds[at], rows)


class Counts:
    """What is counted of all rows, of all clusterings together.

    Parameters
    ----------
    passes : Passes
    job : Job
    clusterings : sequence of StoredClustering
    known : KnownAttributes, optional
        Attributes of the rows.
    images : ImageMeasures, optional
        Of the rows that `Examples.to_measure` tells.
    pixels : array, optional
        Measures of all images, where they were scanned.
    groups : StoredGroups, optional
        Which rows are siblings.
    """

    def __init__(
        self,
        passes: Passes,
        job: Job,
        clusterings: Sequence[StoredClustering],
        known: KnownAttributes | None = None,
        images: ImageMeasures | None = None,
        pixels: Any = None,
        groups: StoredGroups | None = None,
    ) -> None:
        self.job, self.known, self.images = job, known, images
        self.clusterings = {one.set_name: one for one in clusterings}
        self.values: dict[str, dict[str, np.ndarray]] = {}
        if known is not None:
            counted = count_values(passes, clusterings, known)
            self.values = {one.set_name: tables for one, tables in counted}
        self.shared = count_shared(passes, self.clusterings)
        self.flagged = _flagged(passes, job, clusterings)
        self.pictures: dict[str, np.ndarray] = {}
        if images is not None and pixels is not None:
            tables = count_pictures(passes, pixels, images.yardstick, clusterings)
            self.pictures = dict(zip(self.clusterings, tables, strict=True))
        self.groups = None if groups is None else groups.codes[...]
        self.consistency = None if self.groups is None else GroupConsistency(self.groups)

    def description(self, clustering: StoredClustering, examples: Examples) -> Description:
        """All of a clustering."""
        sizes = clustering.sizes[...].astype(np.int64)
        nearest = nearest_clusters(clustering.means[...])
        rows, labels = examples.to_measure()
        images = None if self.images is None else self.images.sampled(rows, labels, sizes)
        if images is not None:
            rows, labels = images.rows, images.sample.labels
        facts = self._facts(clustering, images)
        readable, cluster_readability = self._readable(clustering, rows, labels, images)
        shares = np.full(len(sizes), np.nan)
        if facts.outliers is not None:
            shares = facts.outliers[1] / np.maximum(facts.outliers.sum(axis=0), 1)
        measured = [rows[labels == c] if images else rows[:0] for c in range(len(sizes))]
        return Description(
            sizes=sizes,
            rows={**examples.rows, MEASURED_ROWS: measured},
            nearest=nearest,
            outlier_shares=shares,
            findings=cluster_findings(facts),
            against_nearest=nearest_findings(facts, nearest),
            readability=readable,
            cluster_readability=cluster_readability,
        )

    def _facts(self, clustering: StoredClustering, images: MeasuredImages | None) -> Facts:
        name, folders = clustering.set_name, None
        if self.consistency is not None:
            folders = self.consistency.whole(clustering.labels[...], clustering.n_clusters)
        values = {} if self.known is None else self.known.values
        return Facts(
            images=images,
            attributes={n: (v, self.values[name][n]) for n, v in values.items()},
            sets={
                other: ([str(c) for c in range(one.n_clusters)], self._shared(other, name))
                for other, one in self.clusterings.items()
                if other != name and not self.job.set(other).is_mixed
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
        self,
        clustering: StoredClustering,
        rows: np.ndarray,
        labels: np.ndarray,
        images: MeasuredImages | None,
    ) -> tuple[dict[str, float], np.ndarray]:
        """The numbers of a line of readability.csv, and the readability of each cluster."""
        features = [np.empty((len(rows), 0))]
        if images is not None:
            features += [images.values, images.coloured()]
        if self.known is not None:
            features.append(_has_values(self.known, rows))
        seed = self.job.settings.random_state
        groups = None if self.groups is None else self.groups[rows]
        result = readability(np.hstack(features), labels, clustering.n_clusters, groups, seed)
        line: dict[str, float] = {
            "readability": result.readability,
            "accuracy": result.accuracy,
            "chance": result.chance,
            "rows": float(len(rows)),
        }
        if self.consistency is not None:
            share, chance, _ = self.consistency.shares(clustering.labels[...], seed)
            line |= {"consistency": share, "consistency_by_chance": chance}
        return line, result.of_clusters


def _has_values(known: KnownAttributes, rows: np.ndarray) -> np.ndarray:
    """Whether rows have each of the commonest values of each attribute, (n_rows, n_values)."""
    codes = rows_at(known.codes, rows)
    columns = [
        codes[:, column, None] == np.argsort(-total, kind="stable")[:_MOST_ASKED]
        for column, total in enumerate(known.totals.values())
    ]
    return np.hstack(columns)


def _flagged(
    passes: Passes, job: Job, clusterings: Sequence[StoredClustering]
) -> dict[str, np.ndarray]:
    """Rows of each cluster that are not flagged as outliers, and that are; nothing where they
    were not looked for."""
    outliers = stored_outliers(job.workspace)
    if outliers is None:
        return {}
    codes = [2, *(one.n_clusters for one in clusterings)]
    pairs = [(0, place) for place in range(1, len(codes))]
    rows = Rows(Columns([outliers.flagged, *(one.labels for one in clusterings)]))
    tables = passes.reduce("flagged rows", rows, Contingency(codes, pairs)).result()
    return {one.set_name: table for one, table in zip(clusterings, tables, strict=True)}
