"""Clusterings of the reduced rows by every algorithm asked for, every row labelled."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamclust.clustering.base import Algorithm, Clustering, Labeller, load_algorithm
from streamclust.errors import SettingsError
from streamclust.memory import Need
from streamclust.passes import Passes, Rows, Span
from streamclust.passes.accumulators import ClusterSums
from streamclust.settings import AUTO
from streamclust.steps import CaseShapes, Job, PartStep
from streamclust.store import (
    StagedClustering,
    StoredClustering,
    clustering_name,
    fingerprint,
    forget_recommendation,
    staged_clustering,
)


@dataclass(frozen=True)
class Cluster(PartStep):
    """Cluster one descriptor set by one algorithm, for every k that is not there yet.

    Parameters
    ----------
    set_name, part : str
        The set and the algorithm.
    n_clusters : sequence of int
        Every k; not heeded by algorithms that find the number themselves.
    """

    name = "cluster"
    set_name: str
    part: str
    n_clusters: Sequence[int]

    def needs(self, on: CaseShapes) -> list[Need]:
        """An algorithm's, fitting and labelling."""
        rows = on.reduced(self.set_name)
        return load_algorithm(self.part).needs(rows, self.n_clusters, on.settings)

    def fingerprint(self, job: Job) -> str:
        """Of the sweep."""
        algorithm = load_algorithm(self.part)
        reduced = job.set(self.set_name).reduced_fingerprint
        return sweep_mark(reduced, self.part, algorithm, self._chosen(job))

    def restore(self, job: Job, mark: str) -> bool:
        marks = self._marks(job, mark)
        # Indices are compared within one sweep only.
        stored = job.set(self.set_name).clusterings
        others = [one for one in stored if one.algorithm == self.part and one.sweep != mark]
        if others or any(clustering.fingerprint != of_k for clustering, (of_k, _) in marks.items()):
            forget_recommendation(job.workspace, self.set_name)
        for other in others:
            other.archive()
        restored = [clustering.restore(of_k) for clustering, (of_k, _) in marks.items()]
        return all(restored)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        algorithm, described = load_algorithm(self.part), job.set(self.set_name)
        rows = described.rows("reduced")
        marks = self._marks(job, mark)
        missing = {one: of_k for one, of_k in marks.items() if one.fingerprint != of_k[0]}
        numbers = [k for _, k in missing.values() if k is not None]
        started = time.perf_counter()
        with job.workspace.staging() as scratch, job.workspace.staging() as group:
            folder = Path(str(scratch.store.root))
            fitted = algorithm.fit(rows, numbers, job.settings, passes, folder)
            _tell_unfinished(job, self.set_name, self.part, fitted)
            staged = [staged_fit(group, str(i), rows, fit) for i, fit in enumerate(fitted)]
            label_rows(passes, rows, algorithm.labeller(fitted), staged, described.reduced_mean)
            # What it took to fit and label all that was fitted together.
            cost = {"seconds": time.perf_counter() - started, "peak": job.executor.peak()}
            for made, (clustering, (of_k, _)) in zip(staged, missing.items(), strict=True):
                made.save_origin(self.part, mark, self._chosen(job), cost)
                clustering.publish(made.group, of_k)

    def _chosen(self, job: Job) -> dict[str, Any]:
        """The settings that matter."""
        return {name: getattr(job.settings, name) for name in load_algorithm(self.part).depends_on}

    def _marks(self, job: Job, sweep: str) -> dict[StoredClustering, tuple[str, int | None]]:
        """Every clustering of the sweep, with its fingerprint and k."""
        wanted = self.n_clusters if load_algorithm(self.part).takes_k else (None,)
        return {
            StoredClustering(job.workspace, self.set_name, clustering_name(self.part, k)): (
                fingerprint(sweep, k),
                k,
            )
            for k in wanted
        }


def sweep_mark(reduced: str | None, name: str, algorithm: Algorithm, chosen: dict[str, Any]) -> str:
    """The fingerprint of a sweep over reduced rows with the fingerprint `reduced`; that of its
    clustering into k is `fingerprint(sweep, k)`."""
    return fingerprint(Cluster.name, 3, reduced, name, algorithm.version, chosen)


def check_rows(job: Job, descriptors: Sequence[str]) -> None:
    """Refuse sets that are not reduced, and explicit numbers of clusters for which one has too few
    different rows.

    Raises
    ------
    SettingsError
        For them: it names what each such set has, and the most that all allow.
    """
    for name in descriptors:
        if job.set(name).reduced is None:
            raise SettingsError(f"{name} is not reduced yet: run streamclust reduce first")
    if job.settings.n_clusters == AUTO:
        return
    most = max(job.settings.ks)
    limits = {name: _limit(job, name, most) for name in descriptors}
    few = {name: limit for name, limit in limits.items() if limit.most < most}
    if few:
        least = min(limit.most for limit in few.values())
        of_sets = "; ".join(f"{name}: {limit.words}" for name, limit in few.items())
        raise SettingsError(
            f"too few rows for {most} clusters: {of_sets}: ask for {least} at most with "
            "--n-clusters, or choose sets with --descriptors"
        )


@dataclass(frozen=True)
class _Limit:
    """The most clusters that a set has rows for, and what rows those are."""

    most: int
    words: str


def _limit(job: Job, descriptor: str, wanted: int) -> _Limit:
    n_valid = job.n_valid(descriptor)
    n_distinct = _count_distinct(job.rows_of(descriptor, "reduced"), wanted + 1)
    words = f"{n_valid} valid rows" + (f", {n_distinct} of them distinct" * (n_distinct < n_valid))
    return _Limit(min(n_distinct, n_valid - 1), words)


def fitting_n_clusters(job: Job, descriptor: str, further: tuple[int, ...] = ()) -> tuple[int, ...]:
    """The k of the settings that a set has different rows enough for; that some are left out is
    said. Of those with which an automatic sweep goes on, none may be left.

    Raises
    ------
    SettingsError
        When a set has too few rows to cluster.
    """
    ks = further or job.settings.ks
    limit = _limit(job, descriptor, max(ks))
    fitting = tuple(k for k in ks if k <= limit.most)
    if fitting == ks or further:
        return fitting
    if not fitting:
        raise SettingsError(f"{descriptor}: {limit.words}: too few to cluster")
    job.events.warn(f"{descriptor}: the sweep ends at {fitting[-1]} clusters of {limit.words}")
    return fitting


def _count_distinct(rows: Rows, enough: int) -> int:
    """How many rows differ, counted up to `enough`: mostly within the first block."""
    seen: set[bytes] = set()
    passes = Passes(in_flight=1)
    for _, values in passes.stream("distinct rows", rows.spans(), _DistinctRows(rows, enough)):
        seen |= values
        if len(seen) >= enough:
            return enough
    return len(seen)


@dataclass(frozen=True)
class _DistinctRows:
    """The different rows of a span, `enough` of them where there are more."""

    rows: Rows
    enough: int

    def __call__(self, span: Span) -> set[bytes]:
        seen: set[bytes] = set()
        values = np.ascontiguousarray(self.rows.read(span).values) + 0.0  # -0.0 equals 0.0
        for start in range(0, len(values), self.enough):
            seen.update(row.tobytes() for row in values[start : start + self.enough])
            if len(seen) >= self.enough:
                break
        return seen


def staged_fit(group: Any, name: str, rows: Rows, fitted: Clustering) -> StagedClustering:
    """What was fitted in a staged group, with room for the labels."""
    of_fit = fitted.n_clusters, fitted.arrays, fitted.attributes
    return staged_clustering(group, name, *of_fit, rows.n_rows, rows.array.chunks[0])


def label_rows(
    passes: Passes,
    rows: Rows,
    labeller: Labeller,
    staged: Sequence[StagedClustering],
    shift: np.ndarray,
) -> None:
    """Label all rows; in the same pass the clusters' sizes and label means are summed."""
    sums = _SumsOfLabels(ClusterSums([clustering.n_clusters for clustering in staged], shift))
    outputs = [clustering.labels for clustering in staged]
    seen = passes.write("labelling", rows, LabelsOf(labeller), outputs, sums)
    for clustering, (sizes, means) in zip(staged, seen.sums.result(), strict=True):
        clustering.save_sums(sizes.astype(np.int64), means)


def _tell_unfinished(job: Job, descriptor: str, name: str, fitted: Sequence[Clustering]) -> None:
    slow = [str(fit.n_clusters) for fit in fitted if not fit.attributes.get("converged", True)]
    if slow:
        job.events.warn(
            f"{descriptor}: {name} with k = {', '.join(slow)} had not converged after "
            f"{job.settings.max_iter} passes: raise --max-iter"
        )


class LabelsOf:
    """A labeller as a transform with one output a clustering."""

    def __init__(self, labeller: Labeller) -> None:
        self.labeller = labeller

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.ascontiguousarray(self.labeller(values).T))


class _SumsOfLabels:
    """The sums over clusters, of rows and the labels that they were given."""

    def __init__(self, sums: ClusterSums) -> None:
        self.sums = sums

    def update(self, values: np.ndarray, *labels: np.ndarray) -> None:
        self.sums.update(values, np.stack(labels, axis=1))

    def merge(self, other: Self) -> None:
        self.sums.merge(other.sums)
