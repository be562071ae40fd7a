"""Sums over the clusters of several clusterings of the same rows, gathered together.

The clusters of all clusterings are numbered through: cluster j of clustering c has the number
``offsets[c] + j``. One product with all centres and one sparse product for all sums then serve
every clustering at once.
"""

from typing import NamedTuple, Self

import numpy as np
from scipy import sparse

# Rows in one product: the distances to all centres of a sweep stay near the processor's cache.
SLICE_ROWS = 1024

# A squared distance below this part of the lengths it is the difference of is taken anew, from the
# difference of the rows: rounding would leave it fewer than ten digits.
CLOSE = 1e-6
# A distance below this part of the lengths is the rounding of the mean.
NOTHING = 16 * np.finfo(np.float64).eps


def offsets_of(n_clusters: list[int]) -> np.ndarray:
    """First through number of each clustering, and the total at the end."""
    return np.concatenate([[0], np.cumsum(n_clusters)]).astype(np.int64)


def membership(
    labels: np.ndarray, offsets: np.ndarray, weights: np.ndarray | None = None
) -> sparse.csc_array:
    """Matrix (clusters × rows) with a row's weight, or 1, at its cluster of every clustering.

    Labels below 0 (noise) belong to no cluster.
    """
    n_rows, n_clusterings = labels.shape
    inside = labels >= 0
    numbers = np.where(inside, labels, 0) + offsets[:-1]
    data = inside.astype(np.float64)
    if weights is not None:
        data *= weights[:, None]
    pointers = np.arange(0, n_rows * n_clusterings + 1, n_clusterings)
    shape = (int(offsets[-1]), n_rows)
    return sparse.csc_array((data.ravel(), numbers.ravel(), pointers), shape=shape)


class Assignment:
    """Nearest-centre assignment to the centres of several clusterings.

    Parameters
    ----------
    centers : list of ndarray of shape (n_clusters, n_columns)
    shift : ndarray of shape (n_columns,), optional
        Subtracted from rows and centres first, so that a large common offset costs no digits;
        by default the mean of the centres.
    """

    def __init__(self, centers: list[np.ndarray], shift: np.ndarray | None = None) -> None:
        self.offsets = offsets_of([len(c) for c in centers])
        joined = np.concatenate(centers).astype(np.float64)
        self.shift = joined.mean(axis=0) if shift is None else np.asarray(shift, np.float64)
        self.centers = joined - self.shift

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest centres of rows.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)

        Returns
        -------
        labels : ndarray of int32 of shape (n_rows, n_clusterings)
        distances : ndarray of shape (n_rows, n_clusterings)
            Squared distance to the nearest centre, in the rows' dtype.
        """
        dtype = np.result_type(values.dtype, np.float32)
        doubled = (-2 * self.centers).T.astype(dtype)
        lengths = np.einsum("ij,ij->i", self.centers, self.centers).astype(dtype)
        bounds = list(zip(self.offsets[:-1], self.offsets[1:], strict=True))
        labels = np.empty((len(values), len(bounds)), np.int32)
        distances = np.empty((len(values), len(bounds)), dtype)
        for start in range(0, len(values), SLICE_ROWS):
            piece = slice(start, start + SLICE_ROWS)
            rows = (values[piece] - self.shift).astype(dtype, copy=False)
            partial = rows @ doubled
            partial += lengths
            for c, (first, last) in enumerate(bounds):
                own = partial[:, first:last]
                labels[piece, c] = nearest = own.argmin(axis=1)
                distances[piece, c] = np.take_along_axis(own, nearest[:, None], 1)[:, 0]
            distances[piece] += np.einsum("ij,ij->i", rows, rows)[:, None]
        np.maximum(distances, 0, out=distances)
        return labels, distances


class ClusterSums:
    """Number and sum of the rows of each cluster of several clusterings.

    Parameters
    ----------
    n_clusters : list of int
        Clusters of each clustering.
    shift : ndarray of shape (n_columns,)
        Subtracted from the rows first, so that a large common offset costs no digits.
    """

    def __init__(self, n_clusters: list[int], shift: np.ndarray) -> None:
        self.shift = np.asarray(shift, np.float64)
        self.offsets = offsets_of(n_clusters)
        self.sizes = np.zeros(self.offsets[-1])
        self.sums = np.zeros((self.offsets[-1], len(self.shift)))

    def update(
        self, values: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
    ) -> None:
        """See rows (n_rows, n_columns), their labels (n_rows, n_clusterings), and the numbers of
        rows (n_rows,) that each stands for."""
        for start in range(0, len(values), SLICE_ROWS):
            piece = slice(start, start + SLICE_ROWS)
            own = None if weights is None else weights[piece]
            members = membership(labels[piece], self.offsets, own)
            self.sizes += members.sum(axis=1)
            self.sums += members @ (values[piece] - self.shift)

    def merge(self, other: Self) -> None:
        self.sizes += other.sizes
        self.sums += other.sums

    def result(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Sizes (k,) and means (k, n_columns) of each clustering; an empty cluster's are NaN."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.sums / self.sizes[:, None] + self.shift
        bounds = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return [(self.sizes[a:b], means[a:b]) for a, b in bounds]


class LloydStep:
    """One exact Lloyd iteration of several clusterings: assign every row, sum every cluster.

    Parameters
    ----------
    centers : list of ndarray of shape (n_clusters, n_columns)
    shift : ndarray of shape (n_columns,), optional
        As for `Assignment`.
    """

    def __init__(self, centers: list[np.ndarray], shift: np.ndarray | None = None) -> None:
        self.assignment = Assignment(centers, shift)
        self.clusters = ClusterSums([len(c) for c in centers], self.assignment.shift)
        self.inertia = np.zeros(len(centers))

    def update(self, values: np.ndarray, weights: np.ndarray | None = None) -> None:
        """See rows (n_rows, n_columns), and the numbers of rows (n_rows,) that each stands for."""
        labels, distances = self.assignment(values)
        self.clusters.update(values, labels, weights)
        if weights is None:
            self.inertia += distances.sum(axis=0, dtype=np.float64)
        else:
            self.inertia += weights @ distances

    def merge(self, other: Self) -> None:
        self.clusters.merge(other.clusters)
        self.inertia += other.inertia

    def result(self) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """Sizes (k,), means (k, n_columns; NaN when empty) and inertia of each clustering."""
        pairs = zip(self.clusters.result(), self.inertia, strict=True)
        return [(sizes, means, float(inertia)) for (sizes, means), inertia in pairs]


class _Piece(NamedTuple):
    """Rows, their squared lengths, and their squared distances to the means of all clusters."""

    rows: np.ndarray
    lengths: np.ndarray
    squared: np.ndarray


class ClusterSpread:
    """How rows lie about the means of their own cluster and of the nearest other one.

    Parameters
    ----------
    means : list of ndarray of shape (n_clusters, n_columns)
        Label means of each clustering; rows of NaN where a label has no rows.
    shift : ndarray of shape (n_columns,)
    """

    def __init__(self, means: list[np.ndarray], shift: np.ndarray) -> None:
        self.shift = np.asarray(shift, np.float64)
        self.offsets = offsets_of([len(m) for m in means])
        self.means = np.concatenate(means) - self.shift
        self.lengths = np.einsum("ij,ij->i", self.means, self.means)
        self.lengths[np.isnan(self.lengths)] = np.inf  # an empty cluster is near to no row
        self.squares = np.zeros(self.offsets[-1])
        self.distances = np.zeros(self.offsets[-1])
        self.silhouettes = np.zeros(len(means))

    def update(self, values: np.ndarray, labels: np.ndarray) -> None:
        """See rows and their labels (n_rows, n_clusterings); labels below 0 are passed over."""
        doubled = np.nan_to_num(-2 * self.means).T
        for start in range(0, len(values), SLICE_ROWS):
            # float64 throughout: a distance small against the row's length keeps its digits.
            rows = values[start : start + SLICE_ROWS] - self.shift
            lengths = np.einsum("ij,ij->i", rows, rows)
            squared = rows @ doubled
            squared += self.lengths
            squared += lengths[:, None]
            piece = _Piece(rows, lengths, squared)
            for c in range(len(self.silhouettes)):
                self._see(c, piece, labels[start : start + SLICE_ROWS, c])

    def _see(self, clustering: int, piece: _Piece, labels: np.ndarray) -> None:
        part = slice(self.offsets[clustering], self.offsets[clustering + 1])
        n_clusters = part.stop - part.start
        seen = np.flatnonzero(labels >= 0)
        labels = labels[seen]
        own_squared = self._distances(piece, seen, labels + part.start)
        own = np.sqrt(own_squared)
        self.squares[part] += np.bincount(labels, own_squared, n_clusters)
        self.distances[part] += np.bincount(labels, own, n_clusters)
        if n_clusters > 1:
            # The distances to these clusters are ours alone: blotting out the own needs no copy.
            piece.squared[seen, labels + part.start] = np.inf
            nearest = piece.squared[:, part].argmin(axis=1)[seen]
            other = np.sqrt(self._distances(piece, seen, nearest + part.start))
            larger = np.maximum(own, other)
            told = np.isfinite(other) & (larger > 0)  # infinite where all others are empty
            self.silhouettes[clustering] += ((other - own)[told] / larger[told]).sum()

    def _distances(self, piece: _Piece, seen: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Squared distances of the rows `seen` of a piece, each to the mean of one number."""
        squared = piece.squared[seen, numbers]
        scale = piece.lengths[seen] + self.lengths[numbers]
        close = np.flatnonzero(squared < CLOSE * scale)
        exact = ((piece.rows[seen[close]] - self.means[numbers[close]]) ** 2).sum(axis=1)
        rounding = NOTHING**2 * (scale[close] + self.shift @ self.shift)
        squared[close] = np.where(exact > rounding, exact, 0)
        return squared

    def merge(self, other: Self) -> None:
        self.squares += other.squares
        self.distances += other.distances
        self.silhouettes += other.silhouettes

    def result(self) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """Per clustering: sums of squared distances (k,) and of distances (k,) to the own mean,
        and the sum over rows of the simplified silhouette."""
        bounds = zip(self.offsets[:-1], self.offsets[1:], self.silhouettes, strict=True)
        return [(self.squares[a:b], self.distances[a:b], float(s)) for a, b, s in bounds]


class DistanceSums:
    """For each sampled row the sum of its distances to all rows of each cluster.

    Parameters
    ----------
    sample : ndarray of shape (n_sampled, n_columns)
    n_clusters : list of int
        Clusters of each clustering.
    shift : ndarray of shape (n_columns,)
        Subtracted first, so that a large common offset costs no digits.
    """

    def __init__(self, sample: np.ndarray, n_clusters: list[int], shift: np.ndarray) -> None:
        self.shift = np.asarray(shift, np.float64)
        self.sample = sample
        self.offsets = offsets_of(n_clusters)
        self.sums = np.zeros((len(sample), self.offsets[-1]))

    def update(self, values: np.ndarray, labels: np.ndarray) -> None:
        """See rows (n_rows, n_columns) and their labels (n_rows, n_clusterings)."""
        # Made of the sample each time: as it is given it has half the bytes, to be sent.
        sample = self.sample - self.shift
        for start in range(0, len(values), SLICE_ROWS):
            rows = values[start : start + SLICE_ROWS] - self.shift
            distances = _distances_between(sample, rows).astype(np.float32)
            members = membership(labels[start : start + SLICE_ROWS], self.offsets)
            # Most of it is zero, and still a dense product is many times faster.
            self.sums += distances @ members.T.toarray().astype(np.float32)

    def merge(self, other: Self) -> None:
        self.sums += other.sums

    def result(self) -> list[np.ndarray]:
        """Of each clustering the sums, of shape (n_sampled, n_clusters)."""
        return np.split(self.sums, self.offsets[1:-1], axis=1)


def _distances_between(sample: np.ndarray, rows: np.ndarray) -> np.ndarray:
    # float64: the distance of near rows is the difference of large numbers.
    squared = sample @ (-2 * rows.T)
    squared += np.einsum("ij,ij->i", sample, sample)[:, None]
    squared += np.einsum("ij,ij->i", rows, rows)
    np.maximum(squared, 0, out=squared)
    return np.sqrt(squared, out=squared)
