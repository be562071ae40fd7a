"""How far rows are from their cluster's mean, and how sure it is that they belong to it."""

import numpy as np

from streamclust.clustering.base import Clustering, Probabilistic, load_algorithm
from streamclust.passes.accumulators import SLICE_ROWS


class Confidence:
    """Distance to the own cluster's mean, and a confidence from 0 to 1, as a transform.

    The confidence of an algorithm that is `Probabilistic` is its posterior. For all others it is
    1 − d / e, of the distances d to the own mean and e to the nearest other one: 0 on the border
    between the two (and beyond, where an algorithm's borders are not those of its means), 1 at the
    mean. It is what the simplified silhouette is made of [1]_, which is taken where d is less than
    e, as of k-means it is for all rows. It is no probability.

    Parameters
    ----------
    algorithm : str
        A name of `streamclust.registries.ALGORITHMS`.
    clustering : Clustering
        Of this algorithm.
    means : ndarray of shape (n_clusters, n_columns)
        Of the rows of each cluster; NaN for an empty one.

    References
    ----------
    .. [1] Hruschka, E. R., de Castro, L. N. & Campello, R. J. G. B. (2004). Evolutionary algorithms
       for clustering gene-expression data. ICDM.
    """

    def __init__(self, algorithm: str, clustering: Clustering, means: np.ndarray) -> None:
        of = load_algorithm(algorithm)
        self.posterior = of.posterior(clustering) if isinstance(of, Probabilistic) else None
        filled = ~np.isnan(means).any(axis=1)
        self.shift = means[filled].mean(axis=0) if filled.any() else np.zeros(means.shape[1])
        self.means = np.where(filled[:, None], means - self.shift, 0)
        # An empty cluster is near to no row.
        self.lengths = np.where(filled, np.einsum("ij,ij->i", self.means, self.means), np.inf)

    def __call__(self, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances and confidences.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
        labels : ndarray of int, shape (n_rows,)

        Returns
        -------
        distance, confidence : ndarray of float32, shape (n_rows,)
            NaN for labels below 0, which are in no cluster.
        """
        distance, confidence = np.full((2, len(values)), np.nan, np.float32)
        inside = np.flatnonzero(labels >= 0)
        for start in range(0, len(inside), SLICE_ROWS):
            piece = inside[start : start + SLICE_ROWS]
            own, other = self._distances(values[piece], labels[piece])
            distance[piece] = own
            if self.posterior is None:
                farther = np.maximum(own, other)
                nothing = farther == 0  # two means in one place
                silhouette = 1 - own / np.where(nothing, 1, farther)
                confidence[piece] = np.where(nothing | ~(own < other), 0, silhouette)
        if self.posterior is not None:
            confidence[inside] = self.posterior(values[inside], labels[inside])
        return distance, confidence

    def _distances(self, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances to the own mean and to the nearest other one, infinite where there is none."""
        rows = values - self.shift
        apart = rows - self.means[labels]
        own = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        squared = rows @ (-2 * self.means).T
        squared += self.lengths
        squared[np.arange(len(rows)), labels] = np.inf
        other = squared.min(axis=1) + np.einsum("ij,ij->i", rows, rows)
        return own, np.sqrt(np.maximum(other, 0))
