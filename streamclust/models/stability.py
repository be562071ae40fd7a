"""Whether two halves of the rows are clustered alike.

Lange, T., Roth, V., Braun, M. L. & Buhmann, J. M. (2004), "Stability-based validation of clustering
solutions", Neural Computation 16(6).
"""

from dataclasses import dataclass

import numpy as np

from streamclust.models.sample_kmeans import sample_centers, squared_distances, state


@dataclass(frozen=True)
class Stability:
    """Agreement of the labels that centres of two halves give to the same rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        A uniform sample in random order.
    seed : int
    """

    rows: np.ndarray
    seed: int

    def __call__(self, n_clusters: int) -> float:
        """Adjusted Rand index (1: the same, 0: as by chance) over all rows of the sample."""
        from sklearn.metrics import adjusted_rand_score

        half = len(self.rows) // 2
        labels = []
        for number, part in enumerate((self.rows[:half], self.rows[half:])):
            centers = sample_centers(part, n_clusters, state(self.seed, n_clusters, number))
            labels.append(squared_distances(self.rows, centers).argmin(axis=1))
        return float(adjusted_rand_score(*labels))
