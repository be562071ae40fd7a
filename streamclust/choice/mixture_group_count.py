"""How many groups a Gaussian mixture finds in rows whose groups overlap.

A mixture that starts from many clusters, and has a wide component for scattered rows (Banfield, J.
D. & Raftery, A. E. 1993, Biometrics 49), is fitted to one half of a sample. Components are merged,
the pair first that costs the other half's likelihood least, and the fewest are kept that explain
the other half as well as any number. Of these, close ones are one group: heavy tails take several
(merging components: Hennig, C. 2010, Adv. Data Anal. Classif. 4).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from streamclust.clustering import squared_distances

# A full covariance of more columns has too many entries for the rows of a component.
COLUMNS = 16
# More would not be told apart by half a sample.
MOST_COMPONENTS = 64
_LEAST_ROWS = 4
_FIRST_STEPS = 10
_STEPS = 2
# Rows of the pooled covariance that each component's is mixed with.
_PRIOR = 2 * COLUMNS
# In units of the covariance of all rows.
_FLOOR = 1e-4
_WIDE = 4.0
_SCATTERED = 0.01
# Standard errors of a difference of mean log-likelihoods that are chance.
_ERRORS = 2.0
# Two equal Gaussians nearer than this have one mode: heavy tails take several components of about
# the same mean, groups have means of their own.
CLOSE = 2.0


@dataclass(frozen=True)
class SampleMixture:
    """Gaussian components, the last of which is the wide one for scattered rows.

    Attributes
    ----------
    weights : ndarray of shape (k,)
    means : ndarray of shape (k, n_columns)
    covariances : ndarray of shape (k, n_columns, n_columns)
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @cached_property
    def precisions(self) -> np.ndarray:
        return np.linalg.inv(self.covariances)

    def log_densities(self, terms: np.ndarray) -> np.ndarray:
        """Log of each component's part of the density (n_rows, k), of rows' `products`."""
        n_columns = self.means.shape[1]
        i, j = np.triu_indices(n_columns)
        pulled = np.einsum("kij,kj->ki", self.precisions, self.means)
        logs = np.linalg.slogdet(self.covariances)[1] + n_columns * np.log(2 * np.pi)
        constant = np.log(self.weights) - (logs + (pulled * self.means).sum(axis=1)) / 2
        squares = self.precisions[:, i, j] * np.where(i == j, -0.5, -1.0)
        return terms @ np.column_stack([constant, pulled, squares]).T


def products(values: np.ndarray) -> np.ndarray:
    """One, the columns and their products: a Gaussian's log-density is linear in these."""
    i, j = np.triu_indices(values.shape[1])
    return np.column_stack([np.ones(len(values)), values, values[:, i] * values[:, j]])


@dataclass(frozen=True)
class MixtureGroups:
    """Number of groups in a sample.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        A uniform sample in random order; the leading 16 columns are used, which carry the most
        variance of reduced rows.
    """

    rows: np.ndarray

    def __call__(self, means: np.ndarray) -> int:
        """Groups that a mixture finds which starts from clusters of these means (k, n_columns)."""
        means = means[np.isfinite(means).all(axis=1)]
        labels = squared_distances(self.rows, means).argmin(axis=1)
        half = len(self.rows) // 2
        if half < 2:
            return min(len(means), len(self.rows))
        terms = products(_whitened(self.rows[:, :COLUMNS].astype(np.float64)))
        shares = np.zeros((half, len(means) + 1))
        shares[np.arange(half), labels[:half]] = 1 - _SCATTERED
        shares[:, -1] = _SCATTERED
        return n_groups(simplest(shares, terms[:half], terms[half:]))


def simplest(shares: np.ndarray, fitted: np.ndarray, judged: np.ndarray) -> SampleMixture:
    """The mixture of the fewest components that explains rows it was not fitted to.

    Parameters
    ----------
    shares : ndarray of shape (n_fitted, k)
        How much of each row is each component's; the last column is the scattered rows'.
    fitted, judged : ndarray of shape (n, n_products)
        `products` of the rows that fit the mixture, and of those that judge it.
    """
    mixture, shares = _fit(shares, fitted, _FIRST_STEPS)
    parts = mixture.log_densities(judged)
    mixtures = [(mixture, _log_sum(parts))]
    while len(mixture.means) > 2:
        i, j = _cheapest(mixture, parts, judged)
        shares[:, i] += shares[:, j]
        mixture, shares = _fit(np.delete(shares, j, axis=1), fitted, _STEPS)
        parts = mixture.log_densities(judged)
        mixtures.append((mixture, _log_sum(parts)))
    likeliest = max((logs for _, logs in mixtures), key=lambda logs: float(logs.mean()))
    return next(mixture for mixture, logs in reversed(mixtures) if _is_as_likely(logs, likeliest))


def _is_as_likely(logs: np.ndarray, likeliest: np.ndarray) -> bool:
    """Whether rows' log-densities are on average less than the largest by chance at most."""
    lost = likeliest - logs
    return bool(lost.mean() <= _ERRORS * lost.std() / np.sqrt(len(lost)))


def n_groups(mixture: SampleMixture) -> int:
    """Components but the scattered rows', those less than `CLOSE` apart counting as one.

    Apart in standard deviations, by the mean of the two covariances.
    """
    from scipy.sparse.csgraph import connected_components

    means, covariances = mixture.means[:-1], mixture.covariances[:-1]
    between = means[:, None] - means
    common = (covariances[:, None] + covariances) / 2
    squared = (between * np.linalg.solve(common, between[..., None])[..., 0]).sum(axis=2)
    return int(connected_components(squared < CLOSE**2)[0])


def _fit(shares: np.ndarray, terms: np.ndarray, steps: int) -> tuple[SampleMixture, np.ndarray]:
    """Steps of expectation and maximisation, and what share of each row is each component's."""
    for _ in range(steps):
        shares = _shares(_maximised(shares, terms).log_densities(terms))
        kept = shares.sum(axis=0) > _FLOOR
        kept[-1] = True
        shares = shares[:, kept]
    mixture = _maximised(shares, terms)
    return mixture, _shares(mixture.log_densities(terms))


def _maximised(shares: np.ndarray, terms: np.ndarray) -> SampleMixture:
    """The mixture of given shares; covariances are mixed with the pooled one, the last is fixed."""
    sums = shares.T @ terms
    n_columns = int(np.sqrt(2 * terms.shape[1])) - 1
    sizes = np.maximum(sums[:, 0], _FLOOR)
    means = sums[:, 1 : n_columns + 1] / sizes[:, None]
    i, j = np.triu_indices(n_columns)
    scatters = np.empty((len(sizes), n_columns, n_columns))
    scatters[:, i, j] = scatters[:, j, i] = sums[:, n_columns + 1 :]
    scatters -= sizes[:, None, None] * means[:, :, None] * means[:, None, :]
    pooled = scatters[:-1].sum(axis=0) / sizes[:-1].sum()
    covariances = (scatters + _PRIOR * pooled) / (sizes + _PRIOR)[:, None, None]
    covariances += _FLOOR * np.eye(n_columns)
    means[-1], covariances[-1] = 0, _WIDE * np.eye(n_columns)
    return SampleMixture(sizes / sizes.sum(), means, covariances)


def _cheapest(mixture: SampleMixture, parts: np.ndarray, judged: np.ndarray) -> tuple[int, int]:
    """Which two components to merge: of each and that which it overlaps most, the likeliest."""
    total = _log_sum(parts)
    shares = np.exp(parts - total[:, None])
    joint = shares[:, :-1]
    overlap = joint.T @ joint / np.sqrt(np.outer(joint.sum(axis=0), joint.sum(axis=0)) + _FLOOR)
    np.fill_diagonal(overlap, -1)
    pairs = sorted({(min(p), max(p)) for p in enumerate(overlap.argmax(axis=1).tolist())})
    i, j = np.array(pairs).T
    weights = mixture.weights[i] + mixture.weights[j]
    part = mixture.weights[i] / weights
    between = mixture.means[i] - mixture.means[j]
    merged = SampleMixture(
        weights,
        mixture.means[j] + part[:, None] * between,
        _between(part, mixture.covariances[i], mixture.covariances[j])
        + (part * (1 - part))[:, None, None] * between[:, :, None] * between[:, None, :],
    ).log_densities(judged)
    rest = np.maximum(1 - shares[:, i] - shares[:, j], 0)
    gained = np.log(rest + np.exp(merged - total[:, None]) + np.finfo(float).tiny).mean(axis=0)
    return pairs[int(gained.argmax())]


def _between(part: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return part[:, None, None] * first + (1 - part)[:, None, None] * second


def _whitened(values: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and covariance 1, but for directions without variance."""
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(values, rowvar=False)))
    spread = np.sqrt(np.maximum(variances, 0))
    spread = np.maximum(spread, max(spread[-1], np.finfo(float).tiny) * np.sqrt(_FLOOR))
    return (values - values.mean(axis=0)) @ axes / spread


def _log_sum(parts: np.ndarray) -> np.ndarray:
    largest = parts.max(axis=1)
    return largest + np.log(np.exp(parts - largest[:, None]).sum(axis=1))


def _shares(parts: np.ndarray) -> np.ndarray:
    return np.exp(parts - _log_sum(parts)[:, None])
