"""Seeds of k-means for every k of a sweep: short runs on parts of a sample that lies in memory, the
best of which are refined on all of it.

k-means++ draws one centre after another: the first k of a long draw are a draw of k, so that all k
of a sweep share their draws. Of so few rows that the sample holds them all, the best run is
breathed (`breathed`): it is a minimum then, which mini-batches could only spoil.

k-means on a sample, for what is judged on other rows of it.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from streamclust.clustering.breathing import breathed
from streamclust.passes import Passes

SAMPLE_ROWS = 16_384
SAMPLE_ROWS_A_CLUSTER = 256

# Measured on overlapping mixtures: short restarts on quarters of the sample, the best few refined
# on all of it, end 0.5 to 2 % lower than full runs of the same cost.
_QUARTERS = 4
_REFINED = 3
# Of fewer rows a quarter would not have those far out.
LEAST_ROWS = SAMPLE_ROWS // _QUARTERS
# k-means++ takes the best of so many rows for each centre; scikit-learn of 2 + log k, 5 for k = 30.
_TRIALS = 5
_SHORT: dict[str, Any] = {"max_iter": 30, "tol": 1e-3}
# Measured on ten sets of 150 to 9,000 rows: more breathed starts end no more than 0.4 % lower, and
# take twice the time. Fewer restarts are asked for where a rough answer will do.
_STARTS_A_BREATH = 24
_SAMPLE_RESTARTS = 2


class Sample(NamedTuple):
    """Rows (n_sampled, n_columns) of random order, and their weights (n_sampled,) if they have any.

    What is drawn are rows, each as likely as the others: it is their weights that make the sample
    stand for all.
    """

    values: np.ndarray
    weights: np.ndarray | None = None

    def part(self, rows: slice) -> "Sample":
        weights = None if self.weights is None else self.weights[rows]
        return Sample(self.values[rows], weights)

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

    def first_centers(self, n_clusters: int, seed: int) -> np.ndarray:
        """Numbers of rows, the first k of which are what k-means++ draws for k clusters."""
        from sklearn.cluster import kmeans_plusplus

        # In float64: scikit-learn would cast float32 anew for each centre.
        about_mean = self.values - self.values.mean(axis=0, dtype=np.float64)
        _, numbers = kmeans_plusplus(
            about_mean,
            n_clusters,
            sample_weight=self.weights,
            random_state=seed,
            n_local_trials=_TRIALS,
        )
        return numbers

    def fit(self, k: int, init: Any, n_init: int = 1, random: Any = None, **limits: Any) -> Any:
        """scikit-learn's k-means: the best of several runs."""
        from sklearn.cluster import KMeans

        model = KMeans(k, init=init, n_init=n_init, random_state=random, **limits)
        return model.fit(self.values, sample_weight=self.weights)

    def fit_from(self, k: int, draws: Sequence[np.ndarray], **limits: Any) -> Any:
        """The best of the runs that begin at the first k rows of each draw (`first_centers`)."""
        left = iter(draws)

        def next_draw(values: np.ndarray, k: int, random_state: Any) -> np.ndarray:
            return values[next(left)[:k]]

        # One call: scikit-learn copies and looks through the rows in each.
        return self.fit(k, next_draw, len(draws), **limits)


def sample_size(n_clusters: int) -> int:
    """Rows of the sample that seeds a clustering."""
    return max(SAMPLE_ROWS, SAMPLE_ROWS_A_CLUSTER * n_clusters)


def holds_all_rows(sample: Sample, n_clusters: int) -> bool:
    """Whether there were fewer rows than the sample of so many clusters asks for."""
    return sample.n_rows < sample_size(n_clusters)


class _Start(NamedTuple):
    """A part of the sample, and which of the draws there it is."""

    first: int
    stop: int
    number: int

    @property
    def rows(self) -> slice:
        return slice(self.first, self.stop)


@dataclass(frozen=True)
class Seeding:
    """How centres are sought on a sample; the names are scikit-learn's.

    Parameters
    ----------
    sample : Sample
        Of each k the first rows (`sample_size`) are seen.
    init : str or callable
        As `sklearn.cluster.KMeans`.
    n_init : int
        Restarts on quarters of the sample, of 4,096 rows at least where there are so many; the
        best of three quarters are refined on all of it. Where the sample holds all rows, the best
        one is breathed instead, if it is of 24 or more.
    seed : int
    """

    sample: Sample
    init: Any
    n_init: int
    seed: int

    def seeds(self, ks: Sequence[int], passes: Passes) -> dict[int, np.ndarray]:
        """Centres (k, n_columns) for each k; they do not depend on the other k."""
        with warnings.catch_warnings():
            # Around all threads, which share the filters: a task could not restore them in order.
            ignore_convergence()
            seed = _Seed(self, self._draws(ks, passes))
            seeds = passes.map("seeding k-means", seed, ks[::-1], "k")
        return dict(zip(ks, seeds[::-1], strict=True))

    def starts(self, k: int) -> list[_Start]:
        size = min(sample_size(k), self.sample.n_rows)
        part = max(size // _QUARTERS, min(size, LEAST_ROWS))
        if part < 2 * k:
            part = size
        n_parts = -(-size // part)
        apart = (size - part) / max(1, n_parts - 1)
        firsts = sorted(int(number % n_parts * apart) for number in range(self.n_init))
        return [_Start(first, first + part, number) for number, first in enumerate(firsts)]

    def draw(self, start: tuple[_Start, int]) -> np.ndarray:
        """What k-means++ draws for so many clusters at a start."""
        at, n_clusters = start
        sample = self.sample.part(at.rows)
        return sample.first_centers(n_clusters, state(self.seed, at.number))

    def _draws(self, ks: Sequence[int], passes: Passes) -> dict[_Start, np.ndarray]:
        if self.init != "k-means++":
            return {}
        most = {start: k for k in sorted(ks) for start in self.starts(k)}
        drawn = passes.map("k-means++", self.draw, list(most.items()), "start")
        return dict(zip(most, drawn, strict=True))


@dataclass(frozen=True)
class _Seed:
    """Centres of the best of many k-means runs on the first rows of the sample."""

    seeding: Seeding
    draws: dict[_Start, np.ndarray]

    def __call__(self, k: int) -> np.ndarray:
        ignore_convergence()  # for the workers of a cluster, which are processes of their own
        sample = self.seeding.sample.part(slice(sample_size(k)))
        random = np.random.RandomState(state(self.seeding.seed, k))
        by_part = groupby(self.seeding.starts(k), key=lambda start: start.rows)
        runs = [self._short_runs(sample, k, list(starts), random) for _, starts in by_part]
        runs.sort(key=lambda run: run[0])
        best = [centers for _, centers in runs]
        n_breathed = self.seeding.n_init // _STARTS_A_BREATH
        if holds_all_rows(sample, k) and n_breathed:
            values, weights = sample
            refined = [breathed(values, one, random, weights) for one in best[:n_breathed]]
        else:
            refined = [sample.fit(k, centers) for centers in best[:_REFINED]]
        return min(refined, key=lambda model: model.inertia_).cluster_centers_

    def _short_runs(
        self, sample: Sample, k: int, starts: list[_Start], random: np.random.RandomState
    ) -> tuple[float, np.ndarray]:
        """The best of short runs on one part of the sample, judged on all of it."""
        part = sample.part(starts[0].rows)
        if starts[0] in self.draws:
            model = part.fit_from(k, [self.draws[start] for start in starts], **_SHORT)
        else:
            model = part.fit(k, self.seeding.init, len(starts), random, **_SHORT)
        score = model.score(sample.values, sample_weight=sample.weights)
        return -score, model.cluster_centers_


def sample_centers(rows: np.ndarray, n_clusters: Sequence[int], seed: int) -> list[np.ndarray]:
    """For each k the centres (k, n_columns) of the better of two short k-means runs."""
    sample = Sample(rows)
    draws = [
        sample.first_centers(max(n_clusters), state(seed, number))
        for number in range(_SAMPLE_RESTARTS)
    ]
    fits = (sample.fit_from(k, draws, max_iter=50, tol=1e-3) for k in n_clusters)
    return [fit.cluster_centers_ for fit in fits]


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
