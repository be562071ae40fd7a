"""Gaussian mixtures, of diagonal or full covariances, for all k of a sweep in the same passes over
the rows.

k-means of a uniform sample seeds each mixture, expectation-maximisation (EM) on the sample brings
it near, exact EM passes over all rows serve all k at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.clustering.kmeans import passing_needs, seeding_needs
from streamclust.clustering.kmeans_sweep import SweepSettings, fit_sweep
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import (
    EMPTY_WEIGHT,
    SLICE_ROWS,
    Assignment,
    Densities,
    EMStep,
    Mixture,
    PosteriorMoments,
    UniformSample,
    Units,
)
from streamclust.passes.accumulators import Moments as ColumnMoments
from streamclust.settings import Settings

# Part of a column's variance that is added to each component's, so that none collapses.
REGULARISATION = 1e-6
SAMPLE_ROWS = 32_768
SAMPLE_ROWS_A_CLUSTER = 256
# Covariances of the mixtures that go through the rows together: a pass holds a few times this.
GROUP_BYTES = 24 * 2**20
_SAMPLE_PASSES = 100
# k-means of the sample that seed a mixture.
_RESTARTS = 3
# A mixture has converged when a pass raises its mean log-likelihood by less than the tolerance for
# each column (scikit-learn's 1e-3 whatever the columns is the same at 10 of them), or, of full
# covariances, whose passes cost ten times as much, by less than ten times this.
_FULL_TOLERANCE = 10


@dataclass(frozen=True, eq=False)
class FittedMixture:
    """A mixture, and what an exact pass found of it.

    Attributes
    ----------
    mixture : Mixture
        In `units`; the component with most rows first.
    units : Units
    log_likelihood : float
        Mean of the rows, in their own units.
    n_rows : int
    n_iter : int
        Exact passes.
    converged : bool
    """

    mixture: Mixture
    units: Units
    log_likelihood: float
    n_rows: int
    n_iter: int
    converged: bool

    @property
    def bic(self) -> float:
        """Bayesian information criterion (Schwarz 1978): less is better."""
        penalty = n_parameters(self.mixture) * np.log(self.n_rows)
        return float(penalty - 2 * self.n_rows * self.log_likelihood)

    @property
    def aic(self) -> float:
        """Akaike's information criterion (1974): less is better."""
        return 2 * (n_parameters(self.mixture) - self.n_rows * self.log_likelihood)


def n_parameters(mixture: Mixture) -> int:
    """Free parameters: weights that sum to one, means, and covariances that are symmetric."""
    n_components, n_columns = mixture.means.shape
    full = mixture.covariances.ndim == 3
    a_covariance = n_columns * (n_columns + 1) // 2 if full else n_columns
    return n_components * (1 + n_columns + a_covariance) - 1


def sample_size(n_components: int) -> int:
    """Rows of the sample that a mixture is begun on."""
    return max(SAMPLE_ROWS, SAMPLE_ROWS_A_CLUSTER * n_components)


def fit_mixtures(
    rows: Rows, n_components: Sequence[int], settings: Settings, passes: Passes
) -> dict[int, FittedMixture]:
    """Fit a Gaussian mixture for each k of `n_components`.

    Parameters
    ----------
    rows : Rows
        Of shape (n_rows, n_columns), without extras.
    n_components : sequence of int
    settings : Settings
    passes : Passes

    Raises
    ------
    SettingsError
        When a k exceeds the number of valid rows.

    References
    ----------
    Dempster, A., Laird, N. & Rubin, D. (1977). Maximum likelihood from incomplete data via the
    EM algorithm. Journal of the Royal Statistical Society B 39(1).
    """
    ks = sorted(set(n_components))
    columns = passes.reduce("measuring columns", rows, ColumnMoments()).result()
    spread = np.sqrt(columns.variance)
    units = Units(columns.mean, np.where(spread > 0, spread, 1))
    begun = _begin(rows, ks, units, settings, passes)
    found: dict[int, FittedMixture] = {}
    for group in grouped(begun):
        mixtures = {k: begun.pop(k) for k in group}
        found |= _finish(rows, mixtures, units, columns.count, settings, passes)
    return found


def grouped(mixtures: dict[int, Mixture]) -> list[list[int]]:
    """Which mixtures go through the rows together: of full covariances not all fit in memory."""
    groups: list[list[int]] = [[]]
    held = 0
    for k, mixture in mixtures.items():
        held += mixture.covariances.nbytes
        if groups[-1] and held > GROUP_BYTES:
            groups.append([])
            held = mixture.covariances.nbytes
        groups[-1].append(k)
    return groups


def _begin(
    rows: Rows, ks: list[int], units: Units, settings: Settings, passes: Passes
) -> dict[int, Mixture]:
    """Each mixture as EM on a sample leaves it."""
    empty = UniformSample(sample_size(ks[-1]), settings.random_state)
    drawn = passes.reduce("sampling rows", rows.having(numbered=True), empty).result()
    sample = drawn[0] if drawn else np.empty((0, rows.n_columns), np.float32)
    sample = units.of(sample).astype(np.result_type(sample.dtype, np.float32))
    seeding = SweepSettings(n_init=_RESTARTS, max_iter=0, seed=settings.random_state)
    seeds = fit_sweep(Rows(sample), ks, seeding, passes)
    task = _Begin(sample, settings)
    centers = [seeds[k].centers for k in reversed(ks)]
    found = passes.map("EM of the sample", task, centers, "k")
    return dict(zip(ks, reversed(found), strict=True))


@dataclass(frozen=True)
class _Begin:
    """EM of the part of a sample that is k's own, from the centres of its k-means.

    All in units of the columns' spread: a mixture is the same in any, its seeds should be.
    """

    sample: np.ndarray
    settings: Settings

    def __call__(self, centers: np.ndarray) -> Mixture:
        values = self.sample[: sample_size(len(centers))]
        labels = Assignment([centers])(values)[0][:, 0]
        full = self.settings.covariance_type == "full"
        mixture = mixture_of(values.astype(np.float64), labels, len(centers), full)
        units = Units(np.zeros(values.shape[1]), np.ones(values.shape[1]))
        before = -np.inf
        for _ in range(_SAMPLE_PASSES):
            step = EMStep([mixture], units)
            step.update(values)
            (told,) = step.result()
            mixture = maximised(mixture, told)
            mean = told.log_likelihood / len(values)
            if mean - before < self.settings.tol * values.shape[1]:
                break
            before = mean
        return mixture


def mixture_of(rows: np.ndarray, labels: np.ndarray, n_components: int, full: bool) -> Mixture:
    """The mixture of labelled rows, which are in units of their columns' spread."""
    n_columns = rows.shape[1]
    sizes = np.bincount(labels, minlength=n_components)
    means = np.zeros((n_components, n_columns))
    covariances = np.zeros((n_components, n_columns, n_columns) if full else means.shape)
    for j in np.flatnonzero(sizes):
        own = rows[labels == j]
        means[j] = own.mean(axis=0)
        apart = own - means[j]
        covariances[j] = apart.T @ apart / len(own) if full else (apart**2).mean(axis=0)
    whole = np.eye(n_columns) if full else np.ones(n_columns)
    blank = Mixture(sizes, means, np.broadcast_to(whole, covariances.shape))
    return maximised(
        blank, PosteriorMoments(sizes.astype(np.float64), means, covariances, sizes, 0.0)
    )


def maximised(mixture: Mixture, told: PosteriorMoments) -> Mixture:
    """The M step; a component without rows stays as it is, but for its weight.

    Parameters
    ----------
    mixture : Mixture
        That the E step was taken of.
    told : Moments
        Of its E step.
    """
    held = told.sizes > EMPTY_WEIGHT
    sizes = np.maximum(told.sizes, EMPTY_WEIGHT)
    covariances = told.covariances.copy()
    if covariances.ndim == 3:
        np.einsum("kii->ki", covariances)[...] += REGULARISATION
    else:
        covariances += REGULARISATION
    means = np.where(held[:, None], told.means, mixture.means)
    covariances[~held] = mixture.covariances[~held]
    return Mixture(sizes / sizes.sum(), means, covariances)


def _finish(
    rows: Rows,
    mixtures: dict[int, Mixture],
    units: Units,
    n_rows: int,
    settings: Settings,
    passes: Passes,
) -> dict[int, FittedMixture]:
    """Exact passes; each mixture is left as the last of its passes measured it."""
    n_begun, found = len(mixtures), dict[int, FittedMixture]()
    least = settings.tol * rows.n_columns
    if settings.covariance_type == "full":
        least *= _FULL_TOLERANCE
    for number in range(1, settings.max_iter + 1):
        name = f"EM pass {number} ({len(mixtures)} of {n_begun} k)"
        told = passes.reduce(name, rows, EMStep(list(mixtures.values()), units)).result()
        for (k, mixture), own in zip(list(mixtures.items()), told, strict=True):
            mean = own.log_likelihood / n_rows
            risen = mean - found[k].log_likelihood if k in found else np.inf
            converged = bool(risen < least)
            order = np.argsort(-own.counts, kind="stable")
            ordered = Mixture(*(part[order] for part in mixture))
            found[k] = FittedMixture(ordered, units, mean, n_rows, number, converged)
            mixtures[k] = maximised(mixture, own)
            if converged:
                del mixtures[k]
        if not mixtures:
            break
    return found


def continued_mixtures(
    mixtures: Sequence[Mixture],
    units: Units,
    counts: Sequence[int],
    rows: Rows,
    new: Rows,
    passes: Passes,
) -> list[FittedMixture]:
    """Mixtures after a step of incremental EM over further rows [1]_, and how likely all rows are.

    What a mixture has seen is told by its weights, means and covariances, times the number of
    rows: the sufficient statistics of the old rows stay as they are, those of the new ones join.

    Parameters
    ----------
    mixtures : sequence of Mixture
        In `units`.
    units : Units
    counts : sequence of int
        Rows that each mixture was fitted to.
    rows, new : Rows
        All rows, and the new ones among them.
    passes : Passes

    Returns
    -------
    list of FittedMixture
        The components in their order; of each `n_iter` is 1.

    References
    ----------
    .. [1] Neal, R. M. & Hinton, G. E. (1998). A view of the EM algorithm that justifies
       incremental, sparse, and other variants. In Learning in Graphical Models. Kluwer.
    """
    found: dict[int, FittedMixture] = {}
    for group in grouped(dict(enumerate(mixtures))):
        own = [mixtures[i] for i in group]
        told = passes.reduce("EM step of the new rows", new, EMStep(own, units)).result()
        moved = [
            maximised(mixture, _joined(mixture, counts[i], moments))
            for i, mixture, moments in zip(group, own, told, strict=True)
        ]
        seen = passes.reduce("likelihood of all rows", rows, EMStep(moved, units)).result()
        for i, mixture, moments in zip(group, moved, seen, strict=True):
            n_rows = int(moments.counts.sum())
            mean = moments.log_likelihood / n_rows
            found[i] = FittedMixture(mixture, units, mean, n_rows, n_iter=1, converged=False)
    return [found[i] for i in range(len(mixtures))]


def _joined(mixture: Mixture, count: int, told: PosteriorMoments) -> PosteriorMoments:
    """The moments of the rows that a mixture was fitted to, and of those that an E step saw."""
    full = mixture.covariances.ndim == 3
    # The M step adds it anew.
    before = mixture.covariances.copy()
    if full:
        np.einsum("kii->ki", before)[...] -= REGULARISATION
    else:
        before = np.maximum(before - REGULARISATION, 0)
    sizes = mixture.weights * count + told.sizes
    share = told.sizes / np.maximum(sizes, np.finfo(float).tiny)
    apart = np.where(share[:, None] > 0, told.means - mixture.means, 0)
    squares = apart[:, :, None] * apart[:, None, :] if full else apart**2
    share = share.reshape(-1, *[1] * (before.ndim - 1))
    new = np.where(share > 0, told.covariances, 0)
    covariances = before + share * (new - before) + share * (1 - share) * squares
    means = mixture.means + share.reshape(-1, 1) * apart
    return PosteriorMoments(sizes, means, covariances, told.counts, told.log_likelihood)


class HighestPosterior:
    """Labels rows by the component of the highest posterior of each mixture.

    Parameters
    ----------
    clusterings : sequence of Clustering
        As `GaussianMixture.fit` makes them.
    """

    def __init__(self, clusterings: Sequence[Clustering]) -> None:
        mixtures, units = _stored(clusterings)
        self.densities = Densities(mixtures, units)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return self.densities.labels(values)


class LabelPosterior:
    """Posteriors of the components that rows are labelled with, by a mixture.

    Parameters
    ----------
    clustering : Clustering
        As `GaussianMixture.fit` makes it.
    """

    def __init__(self, clustering: Clustering) -> None:
        self.densities = HighestPosterior([clustering]).densities

    def __call__(self, values: np.ndarray, labels: np.ndarray) -> np.ndarray:
        found = np.empty(len(values))
        step = self.densities.components.piece_rows
        for start in range(0, len(values), step):
            piece = slice(start, start + step)
            rows = self.densities.units.of(values[piece])
            logs = self.densities.components.log_densities(rows, np.float64)
            own = logs[labels[piece], np.arange(len(rows))]
            highest = logs.max(axis=0)
            found[piece] = np.exp(own - highest) / np.exp(logs - highest).sum(axis=0)
        return found


class GaussianMixture:
    """See `fit_mixtures`."""

    version = 4
    depends_on = ("covariance_type", "max_iter", "tol", "random_state")
    takes_k = True
    labeller = HighestPosterior
    posterior = LabelPosterior

    def needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        n_columns = rows.n_columns
        sample = min(sample_size(max(ks)), rows.n_rows) * rows.row_bytes
        full = settings.covariance_type == "full"
        a_component = 8 * n_columns * (n_columns if full else 1)
        all_of_them, largest = sum(ks) * a_component, max(ks) * a_component
        worked = _worked(rows, ks, full)
        seeding = [Need(n.fixed + sample, n.per_block) for n in seeding_needs(rows, ks)]
        labelling = [Need(3 * all_of_them, n.per_block + worked) for n in passing_needs(rows, ks)]
        return [
            *seeding,
            Need(2 * sample + all_of_them, 5 * sample + 6 * largest + worked),
            *self.partial_fit_needs(rows, ks, settings),
            *labelling,
        ]

    def partial_fit_needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        full = settings.covariance_type == "full"
        a_component = 8 * rows.n_columns * (rows.n_columns if full else 1)
        all_of_them = sum(ks) * a_component
        group = min(all_of_them, max(GROUP_BYTES, max(ks) * a_component))
        # A group's covariances as they were and become, whitened, and summed.
        return [
            Need(
                all_of_them + 4 * group,
                n.per_block + _worked(rows, ks, full) + 2 * group,
            )
            for n in passing_needs(rows, ks)
        ]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        fitted = fit_mixtures(rows, ks, settings, passes)
        return [_clustering_of(fitted[k]) for k in ks]

    def partial_fit(
        self,
        clusterings: Sequence[Clustering],
        counts: Sequence[np.ndarray],
        rows: Rows,
        new: Rows,
        settings: Settings,
        passes: Passes,
    ) -> list[Clustering]:
        mixtures, units = _stored(clusterings)
        n_old = [int(count.sum()) for count in counts]
        fitted = continued_mixtures(mixtures, units, n_old, rows, new, passes)
        return [
            _having_learned(clustering, _clustering_of(fit))
            for clustering, fit in zip(clusterings, fitted, strict=True)
        ]


def _stored(clusterings: Sequence[Clustering]) -> tuple[list[Mixture], Units]:
    """The mixtures of a sweep, in the units that they were fitted in."""
    arrays = [clustering.arrays for clustering in clusterings]
    units = Units(arrays[0]["origin"], arrays[0]["scale"])
    stored = [Mixture(a["weights"], a["component_means"], a["covariances"]) for a in arrays]
    return [units.mixture_in(mixture) for mixture in stored], units


def _worked(rows: Rows, ks: Sequence[int], full: bool) -> int:
    """Bytes of the products of a block's piece."""
    return SLICE_ROWS * (4 if full else 1) * (12 * sum(ks) + 48 * rows.n_columns)


def _clustering_of(fit: FittedMixture) -> Clustering:
    """A mixture as it is stored, and the units to compute in, of which labels depend by a digit."""
    mixture = fit.units.mixture_out(fit.mixture)
    return Clustering(
        len(mixture.weights),
        {
            "weights": mixture.weights,
            "component_means": mixture.means,
            "covariances": mixture.covariances,
            "origin": fit.units.origin,
            "scale": fit.units.scale,
        },
        {
            "n_iter": fit.n_iter,
            "converged": fit.converged,
            "log_likelihood": fit.log_likelihood,
            "bic": fit.bic,
            "aic": fit.aic,
        },
    )


def _having_learned(before: Clustering, after: Clustering) -> Clustering:
    """What went on learning, with what is known of the fit that it began with."""
    kept = {name: before.attributes[name] for name in ("n_iter", "converged")}
    return replace(after, attributes={**after.attributes, **kept})
