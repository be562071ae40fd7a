"""k-means for all k of a sweep in the same passes over the rows.

Three stages, each over all k at once: restarts on a uniform sample choose the seeds (`Seeding`),
scikit-learn's `MiniBatchKMeans` learns from shuffled batches of all rows, exact Lloyd passes run to
convergence. Where the sample holds all rows, its seeds go straight to the exact passes, as given
centres do.

scikit-learn's `MiniBatchKMeans` as a learner of a fold, for batches of any size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.clustering.seeding import (
    Sample,
    Seeding,
    holds_all_rows,
    sample_size,
    state,
)
from streamclust.errors import SettingsError
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import NOTHING, Assignment, LloydStep, UniformSample


class MiniBatches:
    """Learns centres from batches of rows, however few are in each.

    `MiniBatchKMeans` refuses a first batch with fewer rows than clusters: rows wait here until
    there are enough.

    Parameters
    ----------
    seeds : ndarray of shape (n_clusters, n_columns)
        Where the centres start.
    random_state : int
    """

    def __init__(self, seeds: np.ndarray, random_state: int) -> None:
        self.seeds = seeds
        self.random_state = random_state
        self._waiting: list[tuple[np.ndarray, ...]] = []
        self._model: Any = None

    @property
    def centers(self) -> np.ndarray:
        """What was learned; the seeds, if fewer rows than clusters were seen."""
        return self.seeds if self._model is None else self._model.cluster_centers_

    def partial_fit(self, values: np.ndarray, *weights: np.ndarray) -> None:
        """Learn from a batch of shape (n_rows, n_columns), and its weights (n_rows,) if any."""
        if self._model is None:
            self._waiting.append((values, *weights))
            if sum(len(batch[0]) for batch in self._waiting) < len(self.seeds):
                return
            values, *joined = map(np.concatenate, zip(*self._waiting, strict=True))
            weights = tuple(joined)
            self._waiting = []
            self._model = self._make()
        self._model.partial_fit(values, sample_weight=weights[0] if weights else None)

    def _make(self) -> Any:
        from sklearn.cluster import MiniBatchKMeans

        # Reassignment would move the centres of small but real clusters: the restarts have
        # already chosen them, and empty ones are re-seeded in the exact passes.
        return MiniBatchKMeans(
            len(self.seeds),
            init=self.seeds,
            n_init=1,
            reassignment_ratio=0,
            compute_labels=False,
            random_state=self.random_state,
        )


@dataclass(frozen=True)
class SweepSettings:
    """How a sweep is run; the names are scikit-learn's.

    Parameters
    ----------
    init : str, array or callable
        As `sklearn.cluster.KMeans`: exact passes begin with the centres of an array, of shape
        (n_clusters, n_columns), and keep their order.
    n_init : int
        Restarts on parts of a sample (`Seeding`).
    max_iter : int
        Exact Lloyd passes at most; none leaves the centres as the mini-batches had them.
    tol : float
        A clustering has converged when its centres move, squared and summed, by less than this
        times the mean variance of the columns, or when its inertia falls by less than
        `least_fall`.
    batch_size : int
        Rows of a mini-batch.
    seed : int
    """

    init: Any = "k-means++"
    n_init: int = 24
    max_iter: int = 100
    tol: float = 1e-4
    batch_size: int = 4096
    seed: int = 0

    @property
    def given_centers(self) -> np.ndarray | None:
        """The centres to begin with, where `init` is an array of them."""
        if isinstance(self.init, str) or callable(self.init):
            return None
        return np.asarray(self.init)

    @property
    def least_fall(self) -> float:
        """Fall of the inertia in a pass, as a share of it, below which passes end."""
        # Measured: a fifth of it would gain 0.003 % of the inertia on average, for up to twice the
        # passes.
        return self.tol / 20


@dataclass
class FittedKMeans:
    """One clustering of a sweep.

    Attributes
    ----------
    centers : ndarray of shape (n_clusters, n_columns)
        Largest cluster first, or in the order of the centres that were given.
    sizes : ndarray of shape (n_clusters,)
        Rows of each cluster in the last pass; without any, those of the sample.
    inertia : float
        Of the centres that the last pass began with.
    n_iter : int
        Exact passes until convergence.
    converged : bool
    """

    centers: np.ndarray
    sizes: np.ndarray
    inertia: float = np.inf
    n_iter: int = 0
    converged: bool = False


def fit_sweep(
    rows: Rows, n_clusters: Sequence[int], settings: SweepSettings, passes: Passes
) -> dict[int, FittedKMeans]:
    """Fit k-means for each k of `n_clusters`.

    A k's result does not depend on the other k of the sweep, but for the rounding of products
    that are taken of all centres at once.

    Parameters
    ----------
    rows : Rows
        Of shape (n_rows, n_columns). Its one extra, if there is one, are the weights of the rows,
        above 0: a row of weight w counts as w alike rows.
    n_clusters : sequence of int
    settings : SweepSettings
    passes : Passes

    Raises
    ------
    SettingsError
        When a k exceeds the number of valid rows.
    """
    ks = sorted(set(n_clusters))
    sampled = rows.having(numbered=True)
    sample = passes.reduce(
        "sampling rows", sampled, UniformSample(sample_size(ks[-1]), settings.seed)
    ).result()
    if not sample or len(sample[0]) < ks[-1]:
        n_rows = len(sample[0]) if sample else 0
        raise SettingsError(
            f"n_samples={n_rows} should be >= n_clusters={ks[-1]}: ask for fewer clusters"
        )
    seen = Sample(sample[0], sample[1] if rows.extras else None)
    given = settings.given_centers
    centers = _learned(rows, seen, ks, settings, passes) if given is None else [given]
    labelled = zip(ks, centers, Assignment(centers)(seen.values)[0].T, strict=True)
    fitted = {
        k: FittedKMeans(own, np.bincount(labels, seen.weights, k)) for k, own, labels in labelled
    }
    _lloyd(rows, fitted, seen, settings, passes)
    if given is None:
        for fit in fitted.values():
            order = np.argsort(-fit.sizes, kind="stable")
            fit.centers, fit.sizes = fit.centers[order], fit.sizes[order]
    return fitted


def _learned(
    rows: Rows, sample: Sample, ks: list[int], settings: SweepSettings, passes: Passes
) -> list[np.ndarray]:
    """Centres for each k, as the restarts on the sample and the mini-batches leave them."""
    seeding = Seeding(sample, settings.init, settings.n_init, settings.seed)
    centers = seeding.seeds(ks, passes)
    # Of restarts that saw all rows, the best one is a minimum already: noise could only spoil it.
    sampled = [k for k in ks if not holds_all_rows(sample, k)]
    if sampled:
        learners = [MiniBatches(centers[k], state(settings.seed, k)) for k in sampled]
        learned = passes.fold(
            "mini-batches", rows, learners, batch_rows=settings.batch_size, seed=settings.seed
        )
        centers.update(zip(sampled, (learner.centers for learner in learned), strict=True))
    return [centers[k] for k in ks]


def _lloyd(
    rows: Rows,
    fitted: dict[int, FittedKMeans],
    sample: Sample,
    settings: SweepSettings,
    passes: Passes,
) -> None:
    """Run exact passes that serve every k which has not converged."""
    samples = {k: sample.part(slice(sample_size(k))) for k in fitted}
    tolerances = {k: settings.tol * own.variance for k, own in samples.items()}
    # Not the mean of the centres, which would tell each k which others are still moving.
    shift = sample.values[: sample_size(1)].mean(axis=0, dtype=np.float64)
    for number in range(1, settings.max_iter + 1):
        moving = {k: fit for k, fit in fitted.items() if not fit.converged}
        if not moving:
            return
        step = LloydStep([fit.centers for fit in moving.values()], shift)
        name = f"k-means pass {number} ({len(moving)} of {len(fitted)} k)"
        results = passes.reduce(name, rows, step).result()
        for (k, fit), (sizes, means, inertia) in zip(moving.items(), results, strict=True):
            empty = sizes == 0
            means, moved_empty = reseeded(means, empty, samples[k].values)
            moved = float(((means - fit.centers)[~empty] ** 2).sum())
            fallen = fit.inertia - inertia
            still = moved <= tolerances[k] or fallen <= settings.least_fall * inertia
            fit.centers = means.astype(fit.centers.dtype)
            fit.sizes, fit.inertia, fit.n_iter = sizes, inertia, number
            fit.converged = still and not moved_empty


def reseeded(means: np.ndarray, empty: np.ndarray, sample: np.ndarray) -> tuple[np.ndarray, bool]:
    """Put the centres of empty clusters on the sampled rows farthest from every centre, in turn.

    Returns
    -------
    means : ndarray of shape (n_clusters, n_columns)
    changed : bool
        False also where no sampled row lies off all centres, but for the rounding of means: more
        clusters cannot be told apart.
    """
    if not empty.any():
        return means, False
    means = means.copy()
    distances = np.full(len(sample), np.inf)
    for center in means[~empty]:
        distances = np.minimum(distances, ((sample - center) ** 2).sum(axis=1))
    lengths = np.einsum("ij,ij->i", sample, sample, dtype=np.float64)
    changed = bool(distances.max() > NOTHING**2 * lengths.max())
    for j in np.flatnonzero(empty):
        means[j] = sample[distances.argmax()]
        distances = np.minimum(distances, ((sample - means[j]) ** 2).sum(axis=1))
    return means, changed
