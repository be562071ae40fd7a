"""How tight clusters of data without structure are: what a clustering's gap is taken to.

Tibshirani, R., Walther, G. & Hastie, T. (2001), "Estimating the number of clusters in a data set
via the gap statistic", Journal of the Royal Statistical Society B 63(2). The reference is whichever
of a Gaussian and a uniform box of the rows' own covariance has the tighter clusters, so that
neither the number of rows nor their dimension is in the gap.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from streamclust.clustering import (
    sample_centers,
    squared_distances,
    state,
)
from streamclust.passes import Passes

# Rows that are drawn. More rows than these have centres that fit them no better than others:
# the reference is then judged on rows of its own that did not fit its centres.
MOST_ROWS = 16_384
# Beyond this many standard errors and this much more a gap is none of restarts and of chance.
LEAST_ERRORS = 3.0
LEAST_GAP = 0.02

# The reference falls smoothly with k: between these, and steps of a fifth from there on, a line
# over log k is as good as a reference of each k.
_KNOTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 30)
_STEP = 1.2

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class NullReference:
    """Clusters of structureless rows that have a given covariance.

    Parameters
    ----------
    covariance : ndarray of shape (n_columns, n_columns)
    n_rows : int
        Rows of the data; so many are drawn, 16,384 at most.
    seed : int
    """

    covariance: np.ndarray
    n_rows: int
    seed: int

    def __call__(self, n_clusters: Sequence[int], passes: Passes) -> list[tuple[float, float]]:
        """For each k the log of the mean squared distance to the own of k centres, and its standard
        error; of k between some knots by interpolation, so that no k tells on another."""
        if not n_clusters:
            return []
        if not np.trace(self.covariance) > 0:
            return [(-math.inf, 0.0)] * len(n_clusters)
        knots = sorted({knot for k in n_clusters for knot in _knots_about(k)})
        spreads = partial(self._spreads, knots)
        drawn = passes.map("structureless data", spreads, [0, 1], "draw")
        within = np.array([min(pair) for pair in zip(*drawn, strict=True)])
        at = np.log(n_clusters)
        of_k = (np.interp(at, np.log(knots), column) for column in within.T)
        return [(float(log), float(error)) for log, error in zip(*of_k, strict=True)]

    def _spreads(self, n_clusters: Sequence[int], number: int) -> list[tuple[float, float]]:
        draw = (_gaussian, _uniform)[number]
        random = np.random.default_rng((self.seed, number))
        shape = min(self.n_rows, MOST_ROWS), len(self.covariance)
        rows = structureless(self.covariance, shape, random, draw)
        of_ks = sample_centers(rows, n_clusters, state(self.seed, number))
        if self.n_rows > MOST_ROWS:
            rows = structureless(self.covariance, shape, random, draw)
        nearest = (squared_distances(rows, centers).min(axis=1) for centers in of_ks)
        return [_log_mean(squares.astype(np.float64)) for squares in nearest]


def _knots_about(k: int) -> set[int]:
    """The knots at or next to a number of clusters."""
    knots = list(_KNOTS)
    while knots[-1] < k:
        knots.append(round(_STEP * knots[-1]))
    return {max(knot for knot in knots if knot <= k), min(knot for knot in knots if knot >= k)}


def _log_mean(squares: np.ndarray) -> tuple[float, float]:
    mean = squares.mean()
    return float(np.log(mean)), float(squares.std() / np.sqrt(len(squares)) / mean)


def structureless(
    covariance: np.ndarray, shape: tuple[int, int], random: np.random.Generator, draw: Draw
) -> np.ndarray:
    """Rows of mean 0 and this covariance, of independent draws along its axes.

    Parameters
    ----------
    covariance : ndarray of shape (n_columns, n_columns)
    shape : (n_rows, n_columns)
    random : numpy.random.Generator
    draw : callable
        ``draw(random, shape)`` gives numbers of mean 0 and variance 1.

    Returns
    -------
    ndarray of float32
    """
    variances, axes = np.linalg.eigh(covariance)
    spread = np.sqrt(np.maximum(variances, 0))
    return (draw(random, shape) * spread @ axes.T).astype(np.float32)


def gap(reference: tuple[float, float], inertia: float, n_rows: int) -> tuple[float, float]:
    """The gap of a clustering and its standard error.

    Parameters
    ----------
    reference : (float, float)
        What `NullReference` gives for as many clusters.
    inertia : float
        Sum over the rows of the squared distance to the mean of their cluster.
    n_rows : int

    Returns
    -------
    gap, error : float
        NaN where rows or reference do not vary within clusters.
    """
    log_within, error = reference
    if not inertia > 0 or not math.isfinite(log_within):
        return math.nan, math.nan
    # The rows' own mean is known as well as that of as many drawn ones, at least.
    errors = math.sqrt(1 + min(1.0, MOST_ROWS / n_rows)) * error
    return log_within - math.log(inertia / n_rows), errors


def is_gap(gap: float, error: float) -> bool:
    """Whether a gap is more than chance and restarts make of data without structure."""
    return gap > LEAST_GAP + LEAST_ERRORS * error


def _gaussian(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.standard_normal(shape)


def _uniform(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.uniform(-np.sqrt(3), np.sqrt(3), shape)
