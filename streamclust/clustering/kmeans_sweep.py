"""k-means for all k of a sweep in the same passes over the rows.

Three stages, each over all k at once: restarts on a uniform sample choose the seeds, scikit-learn's
`MiniBatchKMeans` learns from shuffled batches of all rows, exact Lloyd passes run to convergence.
Of so few rows that the sample holds them all, the best restarts are breathed instead (`breathed`).
Centres that are given go straight to the exact passes.

scikit-learn's `MiniBatchKMeans` as a learner of a fold, for batches of any size.

k-means on a sample that lies in memory, for what is judged on other rows of the sample.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from streamclust.clustering.breathing import breathed
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


_RESTARTS = 2
_TOLERANCE = 1e-3
_PASSES = 50


def sample_centers(rows: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Centres (n_clusters, n_columns) of the better of two short k-means runs."""
    from sklearn.cluster import KMeans

    model = KMeans(
        n_clusters, n_init=_RESTARTS, max_iter=_PASSES, tol=_TOLERANCE, random_state=seed
    )
    return model.fit(rows).cluster_centers_


def squared_distances(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Squared distances (n_rows, n_centers) of rows to centres."""
    from sklearn.metrics.pairwise import euclidean_distances

    return euclidean_distances(rows, centers, squared=True)


def state(*numbers: int) -> int:
    """A seed of 31 bits that follows from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


def ignore_convergence() -> None:
    """Silence what scikit-learn says of runs that are cut short on purpose.

    Call it inside `warnings.catch_warnings` around all threads, which share the filters: a task
    could not restore them in order.
    """
    from sklearn.exceptions import ConvergenceWarning

    if not any(
        action == "ignore" and kind is ConvergenceWarning
        for action, _, kind, _, _ in warnings.filters
    ):
        warnings.simplefilter("ignore", ConvergenceWarning)


SAMPLE_ROWS = 16_384
SAMPLE_ROWS_A_CLUSTER = 256

# Measured on overlapping mixtures: short restarts on quarters of the sample, the best few refined
# on all of it, end 0.5 to 2 % lower than full runs of the same cost.
_QUARTERS = 4
_REFINED = 3
_BREATHED_STARTS = 8
_MOST_BREATHED = 8
# Of fewer rows a quarter would not have those far out.
LEAST_ROWS = SAMPLE_ROWS // _QUARTERS


@dataclass(frozen=True)
class SweepSettings:
    """How a sweep is run; the names are scikit-learn's.

    Parameters
    ----------
    init : str, array or callable
        As `sklearn.cluster.KMeans`: exact passes begin with the centres of an array, of shape
        (n_clusters, n_columns), and keep their order.
    n_init : int
        Restarts on quarters of the sample, of 4,096 rows at least where there are so many; the
        best three are refined on all of it.
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
    seen = _Sample(sample[0], sample[1] if rows.extras else None)
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


def sample_size(n_clusters: int) -> int:
    """Rows of the sample that seeds a clustering."""
    return max(SAMPLE_ROWS, SAMPLE_ROWS_A_CLUSTER * n_clusters)


class _Sample(NamedTuple):
    """Rows (n_sampled, n_columns) of random order, and their weights (n_sampled,) if they have any.

    What is drawn are rows, each as likely as the others: it is their weights that make the sample
    stand for all.
    """

    values: np.ndarray
    weights: np.ndarray | None = None

    def part(self, rows: slice) -> "_Sample":
        weights = None if self.weights is None else self.weights[rows]
        return _Sample(self.values[rows], weights)

    @property
    def n_rows(self) -> int:
        return len(self.values)

    @property
    def variance(self) -> float:
        """The mean variance of the columns."""
        if self.weights is None:
            return float(self.values.var(axis=0, dtype=np.float64).mean())
        mean = np.average(self.values, axis=0, weights=self.weights)
        squares = ((self.values - mean) ** 2).mean(axis=1)
        return float(np.average(squares, weights=self.weights))


def _learned(
    rows: Rows, sample: _Sample, ks: list[int], settings: SweepSettings, passes: Passes
) -> list[np.ndarray]:
    """Centres for each k, as the restarts on the sample and the mini-batches leave them."""
    centers = _seeds(sample, ks, settings, passes)
    # Of restarts that saw all rows, the best one is a minimum already: noise could only spoil it.
    sampled = [k for k in ks if not _holds_all_rows(sample, k)]
    if sampled:
        learners = [MiniBatches(centers[k], state(settings.seed, k)) for k in sampled]
        learned = passes.fold(
            "mini-batches", rows, learners, batch_rows=settings.batch_size, seed=settings.seed
        )
        centers.update(zip(sampled, (learner.centers for learner in learned), strict=True))
    return [centers[k] for k in ks]


def _breathed_starts(n_rows: int) -> int:
    """How many of the best starts are breathed: of fewer rows more, for each takes less time."""
    return 1 if n_rows > LEAST_ROWS else max(_REFINED, min(_MOST_BREATHED, LEAST_ROWS // n_rows))


def _holds_all_rows(sample: _Sample, n_clusters: int) -> bool:
    """Whether there were fewer rows than the sample of so many clusters asks for."""
    return sample.n_rows < sample_size(n_clusters)


def _seeds(
    sample: _Sample, ks: list[int], settings: SweepSettings, passes: Passes
) -> dict[int, np.ndarray]:
    with warnings.catch_warnings():
        # Around all threads, which share the filters: a task could not restore them in order.
        ignore_convergence()
        seeds = passes.map("seeding k-means", _Seed(sample, settings), ks[::-1], "k")
    return dict(zip(ks, seeds[::-1], strict=True))


@dataclass(frozen=True)
class _Seed:
    """Centres of the best of many k-means runs on the first rows of the sample."""

    sample: _Sample
    settings: SweepSettings

    def __call__(self, k: int) -> np.ndarray:
        ignore_convergence()  # for the workers of a cluster, which are processes of their own
        size = min(sample_size(k), self.sample.n_rows)
        random = np.random.RandomState(state(self.settings.seed, k))
        # Breathing mends a poor start: it takes fewer of them, each of which sees more rows.
        n_starts = self.settings.n_init
        if _holds_all_rows(self.sample, k):
            n_starts = min(n_starts, _BREATHED_STARTS)
        starts = [self._start(k, size, number, random) for number in range(n_starts)]
        starts.sort(key=lambda start: start[0])
        if _holds_all_rows(self.sample, k):
            best = [centers for _, centers in starts[: _breathed_starts(size)]]
            values, weights = self.sample
            refined = [breathed(values, centers, random, weights) for centers in best]
        else:
            best = [centers for _, centers in starts[:_REFINED]]
            refined = [self._run(slice(size), k, centers) for centers in best]
        return min(refined, key=lambda model: model.inertia_).cluster_centers_

    def _start(
        self, k: int, size: int, number: int, random: np.random.RandomState
    ) -> tuple[float, np.ndarray]:
        """A short run on one quarter of the sample, judged on all of it."""
        quarter = max(size // _QUARTERS, min(size, max(2 * k, LEAST_ROWS)))
        first = number * quarter % (size - quarter + 1)
        part = slice(first, first + quarter)
        model = self._run(part, k, self.settings.init, random, max_iter=30, tol=1e-3)
        values, weights = self.sample.part(slice(size))
        return -model.score(values, sample_weight=weights), model.cluster_centers_

    def _run(self, part: slice, k: int, init: Any, random: Any = None, **limits: Any) -> Any:
        from sklearn.cluster import KMeans

        model = KMeans(k, init=init, n_init=1, random_state=random, **limits)
        values, weights = self.sample.part(part)
        return model.fit(values, sample_weight=weights)


def _lloyd(
    rows: Rows,
    fitted: dict[int, FittedKMeans],
    sample: _Sample,
    settings: SweepSettings,
    passes: Passes,
) -> None:
    """Run exact passes that serve every k which has not converged."""
    samples = {k: sample.part(slice(sample_size(k))) for k in fitted}
    tolerances = {k: settings.tol * own.variance for k, own in samples.items()}
    # Not the mean of the centres, which would tell each k which others are still moving.
    shift = sample.values[:SAMPLE_ROWS].mean(axis=0, dtype=np.float64)
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
