"""Whether independent halves of the rows are clustered alike, by every algorithm and k."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.choice.label_agreement import adjusted_rand
from streamclust.clustering import load_algorithm
from streamclust.memory import MIB, Need
from streamclust.passes import LocalExecutor, Passes, Rows, Shape
from streamclust.passes.accumulators import UniformSample, count_pairs
from streamclust.settings import Settings
from streamclust.store import STABILITY, Job, StoredClustering

STEP = "stability"
VERSION = 1
# Rows of each half, at most: two k-means of so many rows differ by what they happened to draw as
# little as two of all rows where there are clear groups, and a refit takes seconds.
HALF_ROWS = 8192
# More restarts than that measure how well k-means is initialised.
_RESTARTS = 4
_LEAST_ROWS_A_CLUSTER = 4


def stability(job: Job, descriptor: str) -> None:
    """Refit the clusterings of one set that have no stability yet, on two halves of a sample.

    Stability is the adjusted Rand index of the labels that the two fits give to all rows of the
    sample (Lange, T., Roth, V., Braun, M. L. & Buhmann, J. M. (2004). Stability-based validation
    of clustering solutions. Neural Computation 16(6)); it is not known where a half has too few
    rows for so many clusters.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    unknown = [
        clustering
        for clustering in job.set(descriptor).clusterings
        if clustering.known(STABILITY, {}).get("version") != VERSION
    ]
    if not unknown:
        job.skip(STEP, descriptor)
    for algorithm, clusterings in groupby(unknown, lambda clustering: clustering.algorithm):
        _refit(job, descriptor, algorithm, list(clusterings))


def stability_needs(
    descriptor: str, name: str, rows: Rows, ks: Sequence[int], settings: Settings
) -> list[Need]:
    """Memory of the sample, and of a fit of one half."""
    n_half = min(HALF_ROWS, rows.n_rows // 2)
    half = Rows(Shape((max(1, n_half), rows.n_columns), np.dtype(rows.array.dtype)))
    sample = 2 * n_half * (rows.n_columns * half.array.dtype.itemsize + 4 * len(ks))
    block = rows.rows_a_block * rows.n_columns * half.array.dtype.itemsize
    fits = load_algorithm(name).needs(STEP, half, ks, settings)
    fit = max(need.fixed + need.per_block for need in fits)
    step = f"{STEP} of {descriptor} by {name}"
    return [
        Need(step, fixed=2 * sample, per_block=2 * block),
        Need(step, fixed=2 * sample, per_block=fit + 2 * sample + 4 * MIB),
    ]


def _refit(job: Job, descriptor: str, algorithm: str, clusterings: list[StoredClustering]) -> None:
    rows = job.rows_of(descriptor, "reduced")
    takes_k = load_algorithm(algorithm).takes_k
    # Those that the clusterings were made with, whatever the present command was given.
    settings = job.settings.having(**clusterings[0].settings)
    settings = settings.having(n_init=min(_RESTARTS, settings.n_init))
    ks = sorted(clustering.n_clusters for clustering in clusterings) if takes_k else []
    needs = stability_needs(descriptor, algorithm, rows, ks or [2], settings)
    with job.step(STEP, descriptor, needs, rows.n_rows, algorithm) as passes:
        drawn = UniformSample(2 * HALF_ROWS, settings.random_state)
        sample = passes.reduce("sampling rows", rows.having(numbered=True), drawn).result()[0]
        most = len(np.unique(sample, axis=0)) // (2 * _LEAST_ROWS_A_CLUSTER)
        fitting = [k for k in ks if k <= most]
        refit = _Refit(algorithm, tuple(fitting), settings, sample)
        halves = passes.map("halves", refit, [0, 1], "half") if fitting or not takes_k else []
        values = [_agreement(*pair) for pair in zip(*halves, strict=True)]
        by_number = dict(zip(fitting, values, strict=True)) if takes_k else {}
        for clustering in clusterings:
            value = by_number.get(clustering.n_clusters) if takes_k else values[0]
            clustering.annotate(**{STABILITY: {"version": VERSION, "value": value}})


@dataclass(frozen=True)
class _Refit:
    """The labels that a fit of one half of a sample gives to all of it."""

    algorithm: str
    ks: tuple[int, ...]
    settings: Settings
    sample: np.ndarray

    def __call__(self, half: int) -> np.ndarray:
        algorithm = load_algorithm(self.algorithm)
        part = np.ascontiguousarray(self.sample[half::2])
        passes = Passes(LocalExecutor(1))
        with tempfile.TemporaryDirectory() as scratch:
            fitted = algorithm.fit(Rows(part), self.ks, self.settings, passes, Path(scratch))
        return algorithm.labeller(fitted)(self.sample).T


def _agreement(first: Any, second: Any) -> float:
    """Adjusted Rand index of two labellings; noise is a label like any other."""
    shape = int(first.max()) + 2, int(second.max()) + 2
    return float(adjusted_rand(count_pairs(first + 1, second + 1, shape)))
