"""One step of expectation-maximisation of several Gaussian mixtures of the same rows.

The components of all mixtures are numbered through, as the clusters of
`streamclust.accumulators.clusters` are.
"""

from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from streamclust.accumulators.clusters import offsets_of
from streamclust.accumulators.gaussians import DiagonalGaussians, FullGaussians, parts

# Rows below which a component's mean and covariance are not told.
EMPTY = 1e-6


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


class Moments(NamedTuple):
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

    def result(self) -> list[Moments]:
        components = self.densities.components
        sizes = np.maximum(self.sizes, EMPTY)
        shifts = self.sums / sizes[:, None]
        means = shifts + components.centers
        covariances = components.covariances(self.squares, shifts, sizes)
        bounds = pairwise(self.densities.offsets)
        return [
            Moments(self.sizes[a:b], means[a:b], covariances[a:b], self.counts[a:b], float(told))
            for (a, b), told in zip(bounds, self.log_likelihoods, strict=True)
        ]
