"""Whether independent halves of the rows are clustered alike, by every algorithm and k."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamclust.clustering import load_algorithm
from streamclust.memory import MIB, Need
from streamclust.metrics import adjusted_rand
from streamclust.passes import LocalExecutor, Passes, Rows, Shape
from streamclust.passes.accumulators import UniformSample, count_pairs
from streamclust.settings import Settings
from streamclust.steps import CaseShapes, Job, PartStep
from streamclust.store import STABILITY, DescriptorSet, StoredClustering

VERSION = 2
# Rows of each half, at most: two k-means of so many rows differ by what they happened to draw as
# little as two of all rows where there are clear groups, and a refit takes seconds.
HALF_ROWS = 8192
# More restarts than that, or breathed ones, measure how well k-means is initialised.
_RESTARTS = 4
_LEAST_ROWS_A_CLUSTER = 4


@dataclass(frozen=True)
class MeasureStability(PartStep):
    """Refit the clusterings of one set by one algorithm, on two halves of a sample.

    Stability is the adjusted Rand index of the labels that the two fits give to all rows of the
    sample (Lange, T., Roth, V., Braun, M. L. & Buhmann, J. M. (2004). Stability-based validation
    of clustering solutions. Neural Computation 16(6)); it is not known where a half has too few
    rows for so many clusters.

    Parameters
    ----------
    set_name, part : str
        The set and the algorithm.
    n_clusters : sequence of int
        Of each clustering.
    made_with : mapping, optional
        The settings that they were made with, whatever the present command was given.
    """

    name = "stability"
    set_name: str
    part: str
    n_clusters: Sequence[int]
    made_with: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def remaining(cls, stored: DescriptorSet, algorithm: str) -> Self:
        """Of what is stored, that which has none yet."""
        remaining = _unknown(stored, algorithm)
        made_with = remaining[0].settings if remaining else {}
        return cls(stored.name, algorithm, [one.n_clusters for one in remaining], made_with)

    def needs(self, on: CaseShapes) -> list[Need]:
        """The sample, and a fit of one half."""
        rows, algorithm = on.reduced(self.set_name), load_algorithm(self.part)
        n_half = min(HALF_ROWS, rows.n_rows // 2)
        half = Rows(Shape((max(1, n_half), rows.n_columns), np.dtype(rows.array.dtype)))
        row_bytes = rows.n_columns * half.array.dtype.itemsize
        sample = 2 * n_half * (row_bytes + 4 * len(self.n_clusters))
        fits = algorithm.needs(half, self.n_clusters or [2], on.settings.having(**self.made_with))
        fit = max(need.fixed + need.per_block for need in fits)
        return [
            Need(fixed=2 * sample, per_block=2 * rows.rows_a_block * row_bytes),
            Need(fixed=2 * sample, per_block=fit + 2 * sample + 4 * MIB),
        ]

    def restore(self, job: Job, mark: str) -> bool:
        return not _unknown(job.set(self.set_name), self.part)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        clusterings = _unknown(job.set(self.set_name), self.part)
        rows = job.rows_of(self.set_name, "reduced")
        takes_k = load_algorithm(self.part).takes_k
        settings = job.settings.having(**self.made_with)
        settings = settings.having(n_init=min(_RESTARTS, settings.n_init))
        ks = sorted(clustering.n_clusters for clustering in clusterings) if takes_k else []
        drawn = UniformSample(2 * HALF_ROWS, settings.random_state)
        sample = passes.reduce("sampling rows", rows.having(numbered=True), drawn).result()[0]
        most = len(np.unique(sample, axis=0)) // (2 * _LEAST_ROWS_A_CLUSTER)
        fitting = [k for k in ks if k <= most]
        refit = _Refit(self.part, tuple(fitting), settings, sample)
        halves = passes.map("halves", refit, [0, 1], "half") if fitting or not takes_k else []
        values = [_agreement(*pair) for pair in zip(*halves, strict=True)]
        by_number = dict(zip(fitting, values, strict=True)) if takes_k else {}
        for clustering in clusterings:
            value = by_number.get(clustering.n_clusters) if takes_k else values[0]
            clustering.annotate(**{STABILITY: {"version": VERSION, "value": value}})


def _unknown(stored: DescriptorSet, algorithm: str) -> list[StoredClustering]:
    return [
        clustering
        for clustering in stored.clusterings_by(algorithm)
        if clustering.known(STABILITY, {}).get("version") != VERSION
    ]


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
