"""BIC of a Gaussian mixture that starts from given clusters: for groups that overlap.

Schwarz, G. (1978), "Estimating the dimension of a model", Annals of Statistics 6(2); for the number
of clusters: Fraley, C. & Raftery, A. E. (2002), J. Am. Stat. Assoc. 97(458).
"""

from dataclasses import dataclass

import numpy as np

from streamclust.models.sample_kmeans import ignore_convergence, squared_distances

# A full covariance of more columns has too many entries for the rows of a cluster in a sample.
COLUMNS = 16
_STEPS = 10
_TOLERANCE = 1e-3
# What a cluster's covariance is mixed with, so that a few rows have one: a part of all rows', as if
# of one more row a column.
_PRIOR = 0.1
_FLOOR = 1e-3


@dataclass(frozen=True)
class MixtureBic:
    """BIC a row, after ten steps of expectation and maximisation; the least is the best.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        A uniform sample; the leading 16 columns are used, which carry the most variance of
        reduced rows.
    """

    rows: np.ndarray

    def __call__(self, clusters: tuple[np.ndarray, np.ndarray]) -> float:
        """BIC in nats a row, of the clusters of means (k, n_columns) and sizes (k,)."""
        from sklearn.mixture import GaussianMixture

        ignore_convergence()  # for the workers of a cluster, which are processes of their own
        means = clusters[0][np.isfinite(clusters[0]).all(axis=1)]
        labels = squared_distances(self.rows, means).argmin(axis=1)
        values = self.rows[:, :COLUMNS].astype(np.float64)
        starts, weights, precisions = _start(values, labels, means[:, :COLUMNS])
        mixture = GaussianMixture(
            len(means),
            max_iter=_STEPS,
            tol=_TOLERANCE,
            reg_covar=_FLOOR * float(values.var(axis=0).mean()),
            means_init=starts,
            weights_init=weights,
            precisions_init=precisions,
            random_state=0,
        )
        return float(mixture.fit(values).bic(values) / len(values))


def _start(
    values: np.ndarray, labels: np.ndarray, means: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, weights and inverse covariances of labelled rows."""
    n_columns = values.shape[1]
    sizes = np.bincount(labels, minlength=len(means))
    whole = np.atleast_2d(np.cov(values, rowvar=False))
    floor = _FLOOR * np.trace(whole) / n_columns * np.eye(n_columns)
    starts = np.array(means, np.float64)
    precisions = np.empty((len(means), n_columns, n_columns))
    for j in range(len(means)):
        own = values[labels == j]
        scatter = np.zeros_like(whole)
        if len(own):
            starts[j] = own.mean(axis=0)
            scatter = (own - starts[j]).T @ (own - starts[j])
        prior = n_columns * _PRIOR * whole
        precisions[j] = np.linalg.inv((scatter + prior) / (len(own) + n_columns) + floor)
    weights = np.maximum(sizes, 1)
    return starts, weights / weights.sum(), precisions
