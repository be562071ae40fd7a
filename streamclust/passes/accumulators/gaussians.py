"""Gaussian mixtures of the same rows: log-densities, and one step of expectation-maximisation.

Components are diagonal or full; those of all mixtures are numbered through, as the clusters of
`streamclust.passes.accumulators.clusters` are.
"""

from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.linalg import solve_triangular

from streamclust.passes.accumulators.clusters import SLICE_ROWS, offsets_of
from streamclust.passes.threads import single_threaded

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

    piece_rows = SLICE_ROWS
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

    piece_rows = 4 * SLICE_ROWS  # a row costs few products: they are made larger

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
        with single_threaded():
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


# Rows below which a component's mean and covariance are not told.
EMPTY_WEIGHT = 1e-6


class Mixture(NamedTuple):
    """A Gaussian mixture.

    Attributes
    ----------
    weights : ndarray of shape (n_components,)
    means : ndarray of shape (n_components, n_columns)
    covariances : ndarray of shape (n_components, n_columns[, n_columns])
        Variances of the columns (diagonal), or whole matrices (full).
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


class Units(NamedTuple):
    """What columns are measured from, and in: rows enter as ``(values - origin) / scale``.

    Attributes
    ----------
    origin, scale : ndarray of shape (n_columns,)
    """

    origin: np.ndarray
    scale: np.ndarray

    def of(self, values: np.ndarray) -> np.ndarray:
        """Rows in these units, as float64."""
        return (values - self.origin) / self.scale

    def mixture_in(self, mixture: Mixture) -> Mixture:
        """A mixture of the rows as they are, in these units."""
        covariances = mixture.covariances / self._squared(mixture)
        return Mixture(mixture.weights, self.of(mixture.means), covariances)

    def mixture_out(self, mixture: Mixture) -> Mixture:
        """A mixture in these units, as one of the rows as they are."""
        means = mixture.means * self.scale + self.origin
        return Mixture(mixture.weights, means, mixture.covariances * self._squared(mixture))

    def _squared(self, mixture: Mixture) -> np.ndarray:
        full = mixture.covariances.ndim == 3
        return np.outer(self.scale, self.scale) if full else self.scale**2


class PosteriorMoments(NamedTuple):
    """What one step tells of a mixture; all but `counts` weighted by the posteriors.

    Attributes
    ----------
    sizes : ndarray of shape (n_components,)
    means, covariances : ndarray
        As of `Mixture`; of an empty component they are not finite or mean nothing.
    counts : ndarray of shape (n_components,)
        Rows whose highest posterior is the component's.
    log_likelihood : float
        Of all rows by the mixture that the step began with, in their own units.
    """

    sizes: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    counts: np.ndarray
    log_likelihood: float


class Densities:
    """Weighted log-densities of rows by the components of several mixtures.

    Parameters
    ----------
    mixtures : list of Mixture
        In `units`, all diagonal or all full.
    units : Units
    """

    def __init__(self, mixtures: list[Mixture], units: Units) -> None:
        self.units = units
        self.offsets = offsets_of([len(mixture.weights) for mixture in mixtures])
        weights, means, covariances = map(np.concatenate, zip(*mixtures, strict=True))
        constants = np.log(weights) - np.log(2 * np.pi) * means.shape[1] / 2
        constants -= np.log(units.scale).sum()
        self.components: DiagonalGaussians | FullGaussians
        if covariances.ndim == 3:
            self.components = FullGaussians(constants, means, covariances, self.offsets)
        else:
            self.components = DiagonalGaussians(constants, means, covariances)

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # never written to: the covariances of a sweep are tens of MiB

    def labels(self, values: np.ndarray) -> np.ndarray:
        """The component of the highest posterior, int32 of shape (n_rows, n_mixtures)."""
        dtype = np.result_type(values.dtype, np.float32)
        found = np.empty((len(values), len(self.offsets) - 1), np.int32)
        for start in range(0, len(values), self.components.piece_rows):
            piece = slice(start, start + self.components.piece_rows)
            densities = self.components.log_densities(self.units.of(values[piece]), dtype)
            for c, own in enumerate(parts(densities, self.offsets)):
                found[piece, c] = own.argmax(axis=0)
        return found


class EMStep:
    """The sums of one EM step (Dempster, Laird & Rubin 1977) of several mixtures.

    Parameters
    ----------
    mixtures : list of Mixture
        In `units`, all diagonal or all full.
    units : Units
    """

    def __init__(self, mixtures: list[Mixture], units: Units) -> None:
        self.densities = Densities(mixtures, units)
        components = self.densities.components
        self.sizes = np.zeros(len(components.means))
        self.counts = np.zeros(len(components.means), np.int64)
        self.sums = np.zeros(components.means.shape)
        self.squares = np.zeros(components.covariances_shape)
        self.log_likelihoods = np.zeros(len(mixtures))

    def update(self, values: np.ndarray) -> None:
        """See rows (n_rows, n_columns)."""
        dtype = np.result_type(values.dtype, np.float32)
        components = self.densities.components
        for start in range(0, len(values), components.piece_rows):
            rows = self.densities.units.of(values[start : start + components.piece_rows])
            posteriors = self._posteriors(components.log_densities(rows, dtype))
            self.sizes += posteriors.sum(axis=1, dtype=np.float64)
            components.add(rows, posteriors, self.sums, self.squares)

    def _posteriors(self, densities: np.ndarray) -> np.ndarray:
        """Posteriors in the place of log-densities, which are summed and counted before."""
        counts = parts(self.counts, self.densities.offsets)
        for c, own in enumerate(parts(densities, self.densities.offsets)):
            counts[c] += np.bincount(own.argmax(axis=0), minlength=len(own))
            highest = own.max(axis=0)
            own -= highest
            np.exp(own, out=own)
            total = own.sum(axis=0)
            own /= total
            self.log_likelihoods[c] += (highest + np.log(total)).sum(dtype=np.float64)
        return densities

    def merge(self, other: Self) -> None:
        self.sizes += other.sizes
        self.counts += other.counts
        self.sums += other.sums
        self.squares += other.squares
        self.log_likelihoods += other.log_likelihoods

    def result(self) -> list[PosteriorMoments]:
        components = self.densities.components
        sizes = np.maximum(self.sizes, EMPTY_WEIGHT)
        shifts = self.sums / sizes[:, None]
        means = shifts + components.centers
        covariances = components.covariances(self.squares, shifts, sizes)
        bounds = pairwise(self.densities.offsets)
        return [
            PosteriorMoments(
                self.sizes[a:b], means[a:b], covariances[a:b], self.counts[a:b], float(told)
            )
            for (a, b), told in zip(bounds, self.log_likelihoods, strict=True)
        ]
