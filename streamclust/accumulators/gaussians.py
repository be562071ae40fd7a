"""Gaussian components, diagonal or full: log-densities of rows, and sums by their posteriors."""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from threadpoolctl import threadpool_limits

from streamclust.accumulators.clusters import PIECE_ROWS

# A part of a row below this moves no mean by a digit that single precision could show.
NEGLIGIBLE = 1e-10
# Squared length of a diagonal component's mean in its own standard deviations: above this, the
# difference of squares would cost single precision more than a thousandth of the log-density.
TIGHT = 1e4
# Share of the columns, one in so many, that bounds full densities. Measured: a third of 105
# columns leave a tenth of the densities of 30 components to be worked out.
BOUNDING_PART = 3


def parts(numbered: np.ndarray, offsets: np.ndarray) -> list[np.ndarray]:
    """An array of all components cut into one of each mixture."""
    return [numbered[a:b] for a, b in pairwise(offsets)]


class DiagonalGaussians:
    """Components of diagonal covariances: densities and sums by one product each.

    Half a squared distance is linear in the squares and the columns of a row.
    """

    piece_rows = PIECE_ROWS
    centers = 0.0  # what `sums` and `squares` are measured from

    def __init__(self, constants: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> None:
        self.means = means
        self.covariances_shape = covariances.shape
        precisions = 1 / covariances
        lengths = (precisions * means**2).sum(axis=1)
        self.constants = constants - (np.log(covariances).sum(axis=1) + lengths) / 2
        self.factors = np.concatenate([-precisions / 2, precisions * means], axis=1)
        self.tight = np.flatnonzero(lengths > TIGHT)

    def log_densities(self, rows: np.ndarray, dtype: Any) -> np.ndarray:
        """Logarithms of weight times density, (n_components, n_rows), of rows in the units."""
        features = np.concatenate([rows**2, rows], axis=1)
        found = self.factors.astype(dtype) @ features.T.astype(dtype)
        found += self.constants[:, None].astype(dtype)
        if len(self.tight) and dtype != np.float64:
            exact = self.factors[self.tight] @ features.T
            found[self.tight] = exact + self.constants[self.tight, None]
        return found

    def add(
        self, rows: np.ndarray, posteriors: np.ndarray, sums: np.ndarray, squares: np.ndarray
    ) -> None:
        features = np.concatenate([rows**2, rows], axis=1)
        products = (posteriors @ features.astype(posteriors.dtype)).astype(np.float64)
        if len(self.tight) and posteriors.dtype != np.float64:
            products[self.tight] = posteriors[self.tight] @ features
        squares += products[:, : rows.shape[1]]
        sums += products[:, rows.shape[1] :]

    @staticmethod
    def covariances(squares: np.ndarray, shifts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        return np.maximum(squares / sizes[:, None] - shifts**2, 0)


class FullGaussians:
    """Components of full covariances, of which few have a part in a row.

    Whitened columns are taken in order, so those of the first columns bound the density from
    above: the rest are worked out only where the bound comes near the highest density.
    """

    piece_rows = 4 * PIECE_ROWS  # a row costs few products: they are made larger

    def __init__(
        self,
        constants: np.ndarray,
        means: np.ndarray,
        covariances: np.ndarray,
        offsets: np.ndarray,
    ) -> None:
        self.means = self.centers = means
        self.offsets = offsets
        self.covariances_shape = covariances.shape
        identity = np.eye(means.shape[1])
        # Mostly made outside of tasks: the rounding must not depend on the machine's cores.
        with threadpool_limits(limits=1):
            factors = np.linalg.cholesky(covariances)
            self.whitenings = [solve_triangular(f, identity, lower=True).T for f in factors]
        diagonals = np.diagonal(factors, axis1=1, axis2=2)
        self.constants = constants - np.log(diagonals).sum(axis=1)
        self.n_first = -(-means.shape[1] // BOUNDING_PART)

    def log_densities(self, rows: np.ndarray, dtype: Any) -> np.ndarray:
        """As of `DiagonalGaussians`; minus infinity where the posterior is below `NEGLIGIBLE`."""
        rows = rows.astype(dtype)
        found = np.stack([self._density(j, rows, self.n_first) for j in range(len(self.means))])
        near = np.zeros(found.shape, bool)
        for bounds, own in zip(parts(found, self.offsets), parts(near, self.offsets), strict=True):
            own[bounds.argmax(axis=0), np.arange(len(rows))] = True
        self._complete(found, near, rows)
        for own, first in zip(parts(found, self.offsets), parts(near, self.offsets), strict=True):
            reached = np.where(first, own, -np.inf).max(axis=0)
            own[own < reached + np.log(NEGLIGIBLE)] = -np.inf
        self._complete(found, ~near & np.isfinite(found), rows)
        return found

    def _complete(self, found: np.ndarray, chosen: np.ndarray, rows: np.ndarray) -> None:
        """Put densities in the place of their bounds."""
        for j, own in enumerate(chosen):
            seen = np.flatnonzero(own)
            if len(seen):
                found[j, seen] = self._density(j, rows[seen], rows.shape[1])

    def _density(self, j: int, rows: np.ndarray, n_columns: int) -> np.ndarray:
        """Log-densities by component j, or bounds of them from the first columns alone."""
        first = slice(n_columns)
        white = rows[:, first] - self.means[j, first].astype(rows.dtype)
        white = white @ self.whitenings[j][first, first].astype(rows.dtype)
        half_distances = np.einsum("ij,ij->i", white, white) / 2
        return self.constants[j].astype(rows.dtype) - half_distances

    def add(
        self, rows: np.ndarray, posteriors: np.ndarray, sums: np.ndarray, squares: np.ndarray
    ) -> None:
        for j, (mean, own) in enumerate(zip(self.means, posteriors, strict=True)):
            seen = np.flatnonzero(own > NEGLIGIBLE)
            if len(seen):
                # float64: rounding must not make a singular covariance an indefinite one.
                weights = own[seen].astype(np.float64)
                apart = rows[seen] - mean
                sums[j] += weights @ apart
                apart *= np.sqrt(weights)[:, None]
                squares[j] += apart.T @ apart

    @staticmethod
    def covariances(squares: np.ndarray, shifts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        return squares / sizes[:, None, None] - shifts[:, :, None] * shifts[:, None, :]
