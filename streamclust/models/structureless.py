"""How much tighter clusters are than those of data without structure: the gap.

Tibshirani, R., Walther, G. & Hastie, T. (2001), "Estimating the number of clusters in a data set
via the gap statistic", J. R. Statist. Soc. B 63(2). Two changes: the reference is whichever of a
Gaussian and a uniform box of the rows' own covariance is the tighter, and both sides are judged on
rows that did not fit the centres, so that neither the dimension nor the number of rows is in it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamclust.models.sample_kmeans import (
    ignore_convergence,
    sample_centers,
    squared_distances,
    state,
)

# Beyond this many standard errors and this much more a gap is none of restarts and of chance.
LEAST_ERRORS = 3.0
LEAST_GAP = 0.02

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Gap:
    """The gap of k clusters, from one sample of the rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        A uniform sample in random order.
    seed : int
    """

    rows: np.ndarray
    seed: int

    def __call__(self, n_clusters: int) -> tuple[float, float]:
        """log W of structureless data less log W of the rows, and its standard error."""
        ignore_convergence()  # for the workers of a cluster, which are processes of their own
        data = _log_within(self.rows, n_clusters, state(self.seed, n_clusters))
        gaps = []
        for number, draw in enumerate((_gaussian, _uniform)):
            random = np.random.default_rng((self.seed, n_clusters, number))
            rows = structureless(self.rows, random, draw)
            reference = _log_within(rows, n_clusters, state(self.seed, n_clusters, number))
            gaps.append((reference[0] - data[0], float(np.hypot(reference[1], data[1]))))
        return min(gaps)


def structureless(rows: np.ndarray, random: np.random.Generator, draw: Draw) -> np.ndarray:
    """As many rows of the same mean and covariance, of independent draws along its axes.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
    random : numpy.random.Generator
    draw : callable
        ``draw(random, shape)`` gives numbers of mean 0 and variance 1.
    """
    covariance = np.atleast_2d(np.cov(rows, rowvar=False, dtype=np.float64))
    variances, axes = np.linalg.eigh(covariance)
    spread = np.sqrt(np.maximum(variances, 0))
    drawn = draw(random, rows.shape) * spread @ axes.T
    return (drawn + rows.mean(axis=0, dtype=np.float64)).astype(rows.dtype)


def is_gap(gap: float, error: float) -> bool:
    """Whether a gap is more than chance and restarts make of data without structure."""
    return gap > LEAST_GAP + LEAST_ERRORS * error


def _gaussian(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.standard_normal(shape)


def _uniform(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.uniform(-np.sqrt(3), np.sqrt(3), shape)


def _log_within(rows: np.ndarray, n_clusters: int, seed: int) -> tuple[float, float]:
    """log of the mean squared distance of one half of the rows to centres of the other half."""
    half = len(rows) // 2
    centers = sample_centers(rows[:half], n_clusters, seed)
    nearest = squared_distances(rows[half:], centers).min(axis=1).astype(np.float64)
    mean = nearest.mean()
    return float(np.log(mean)), float(nearest.std() / np.sqrt(len(nearest)) / mean)
