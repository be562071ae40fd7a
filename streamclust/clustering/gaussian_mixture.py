"""Gaussian mixtures by expectation-maximisation, of diagonal or full covariances."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.clustering.em import (
    GROUP_BYTES,
    FittedMixture,
    MixtureSettings,
    continued_mixtures,
    fit_mixtures,
    sample_size,
)
from streamclust.clustering.kmeans import passing_needs, seeding_needs
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import SLICE_ROWS, Densities, Mixture, Units
from streamclust.settings import Settings


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
    """See `streamclust.clustering.em`."""

    version = 1
    depends_on = ("covariance_type", "max_iter", "tol", "random_state")
    takes_k = True

    def needs(self, name: str, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        n_columns, itemsize = rows.n_columns, np.dtype(rows.array.dtype).itemsize
        sample = min(sample_size(max(ks)), rows.n_rows) * n_columns * itemsize
        full = settings.covariance_type == "full"
        a_component = 8 * n_columns * (n_columns if full else 1)
        all_of_them, largest = sum(ks) * a_component, max(ks) * a_component
        worked = _worked(rows, ks, full)
        seeding = [
            Need(n.step, n.fixed + sample, n.per_block) for n in seeding_needs(name, rows, ks)
        ]
        labelling = [
            Need(n.step, 3 * all_of_them, n.per_block + worked)
            for n in passing_needs(name, rows, ks)
        ]
        return [
            *seeding,
            Need(name, 2 * sample + all_of_them, 5 * sample + 6 * largest + worked),
            *self.partial_fit_needs(name, rows, ks, settings),
            *labelling,
        ]

    def partial_fit_needs(
        self, name: str, rows: Rows, ks: Sequence[int], settings: Settings
    ) -> list[Need]:
        full = settings.covariance_type == "full"
        a_component = 8 * rows.n_columns * (rows.n_columns if full else 1)
        all_of_them = sum(ks) * a_component
        group = min(all_of_them, max(GROUP_BYTES, max(ks) * a_component))
        # A group's covariances as they were and become, whitened, and summed.
        return [
            Need(
                n.step,
                all_of_them + 4 * group,
                n.per_block + _worked(rows, ks, full) + 2 * group,
            )
            for n in passing_needs(name, rows, ks)
        ]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        chosen = MixtureSettings(
            settings.covariance_type,
            max_iter=settings.max_iter,
            tol=settings.tol,
            seed=settings.random_state,
        )
        fitted = fit_mixtures(rows, ks, chosen, passes)
        return [_clustering_of(fitted[k]) for k in ks]

    def labeller(self, clusterings: Sequence[Clustering]) -> HighestPosterior:
        return HighestPosterior(clusterings)

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

    def posterior(self, clustering: Clustering) -> LabelPosterior:
        return LabelPosterior(clustering)


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


ALGORITHM = GaussianMixture()
