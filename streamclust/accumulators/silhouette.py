"""Sums of the distances of sampled rows to the rows of each cluster, of several clusterings."""

from typing import Self

import numpy as np

from streamclust.accumulators.clusters import PIECE_ROWS, membership, offsets_of


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
        self.sample = sample - self.shift
        self.lengths = np.einsum("ij,ij->i", self.sample, self.sample)
        self.offsets = offsets_of(n_clusters)
        self.sums = np.zeros((len(sample), self.offsets[-1]))

    def update(self, values: np.ndarray, labels: np.ndarray) -> None:
        """See rows (n_rows, n_columns) and their labels (n_rows, n_clusterings)."""
        for start in range(0, len(values), PIECE_ROWS):
            rows = values[start : start + PIECE_ROWS] - self.shift
            distances = self._distances(rows).astype(np.float32)
            members = membership(labels[start : start + PIECE_ROWS], self.offsets)
            # Most of it is zero, and still a dense product is many times faster.
            self.sums += distances @ members.T.toarray().astype(np.float32)

    def _distances(self, rows: np.ndarray) -> np.ndarray:
        # float64: the distance of near rows is the difference of large numbers.
        squared = self.sample @ (-2 * rows.T)
        squared += self.lengths[:, None]
        squared += np.einsum("ij,ij->i", rows, rows)
        np.maximum(squared, 0, out=squared)
        return np.sqrt(squared, out=squared)

    def merge(self, other: Self) -> None:
        self.sums += other.sums

    def result(self) -> list[np.ndarray]:
        """Of each clustering the sums, of shape (n_sampled, n_clusters)."""
        return np.split(self.sums, self.offsets[1:-1], axis=1)
