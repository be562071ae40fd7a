"""Clusterings of the reduced rows by every algorithm asked for, every row labelled."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamclust.clustering.base import Algorithm, Clustering, Labeller
from streamclust.clustering.registry import load_algorithm
from streamclust.errors import SettingsError
from streamclust.memory import Need
from streamclust.passes.accumulators.clusters import ClusterSums
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.settings import AUTO, Settings
from streamclust.store.clusterings import forget_recommendation
from streamclust.store.job import Job
from streamclust.store.workspace import fingerprint, stage_array, store_array

STEP = "cluster"


def cluster(job: Job, descriptor: str, further: Sequence[int] = ()) -> tuple[int, ...]:
    """Cluster one descriptor set by every algorithm, for every k that is not there yet.

    Parameters
    ----------
    job : Job
    descriptor : str
    further : sequence of int, optional
        The k with which an automatic sweep goes on, in place of those of the settings.

    Returns
    -------
    tuple of int
        The k that there are rows enough for; none may be left of `further`.

    Raises
    ------
    SettingsError
        When there are no reduced rows, or a k is larger than the number of distinct rows.
    MemoryBudgetError
        When it does not fit the budget.
    """
    if not further:
        check_rows(job, [descriptor])
    ks = _fitting(job, descriptor, tuple(further))
    for name in job.settings.algorithms if ks else ():
        _cluster_by(job, descriptor, name, ks)
    return ks


def _cluster_by(job: Job, descriptor: str, name: str, ks: tuple[int, ...]) -> None:
    algorithm = load_algorithm(name)
    path = f"descriptors/{descriptor}"
    chosen = {setting: getattr(job.settings, setting) for setting in algorithm.depends_on}
    reduced = job.workspace.fingerprint_of(f"{path}/reduced")
    sweep = sweep_mark(reduced, name, algorithm, chosen)
    _archive_others(job, descriptor, name, sweep)
    wanted: tuple[int | None, ...] = ks if algorithm.takes_k else (None,)
    places = {clustering_path(path, name, k): (k, fingerprint(sweep, k)) for k in wanted}
    if any(job.workspace.fingerprint_of(place) != mark for place, (_, mark) in places.items()):
        forget_recommendation(job.workspace, descriptor)
    missing = {
        place: k for place, (k, mark) in places.items() if not job.workspace.restore(place, mark)
    }
    if not missing:
        job.skip(STEP, descriptor, name)
        return
    rows = job.rows_of(descriptor, "reduced")
    told = [k for k in missing.values() if k is not None]
    needs = cluster_needs(descriptor, name, rows, told, job.settings)
    with (
        job.step(STEP, descriptor, needs, rows.n_rows, name) as passes,
        job.workspace.staging() as scratch,
    ):
        started = time.perf_counter()
        folder = Path(str(scratch.store.root))
        fitted = algorithm.fit(rows, told, job.settings, passes, folder)
        _tell_unfinished(job, descriptor, name, fitted)
        shift = job.workspace.root[f"{path}/pca/reduced_mean"][...]
        with job.workspace.staging() as staged:
            groups = [staged_clustering(staged, str(i), rows, fit) for i, fit in enumerate(fitted)]
            label_rows(passes, rows, algorithm.labeller(fitted), groups, shift)
            # What it took to fit and label all that was fitted together.
            cost = {"seconds": time.perf_counter() - started, "peak": job.executor.peak()}
            for group, place in zip(groups, missing, strict=True):
                group.attrs.update(algorithm=name, sweep=sweep, settings=chosen, cost=cost)
                job.workspace.publish(group, place, places[place][1])


def sweep_mark(reduced: str | None, name: str, algorithm: Algorithm, chosen: dict[str, Any]) -> str:
    """The fingerprint of a sweep over reduced rows with the fingerprint `reduced`; that of its
    clustering into k is `fingerprint(sweep, k)`."""
    return fingerprint(STEP, 3, reduced, name, algorithm.version, chosen)


def clustering_path(path: str, algorithm: str, k: int | None) -> str:
    """Where a clustering of the set at `path` is published; k is None where it is not told."""
    return f"{path}/clusterings/{algorithm}" + ("" if k is None else f"-{k}")


def check_rows(job: Job, descriptors: Sequence[str]) -> None:
    """Refuse sets that are not reduced, and explicit numbers of clusters for which one has too few
    different rows.

    Raises
    ------
    SettingsError
        For them: it names what each such set has, and the most that all allow.
    """
    for name in descriptors:
        if job.workspace.get(f"descriptors/{name}/reduced") is None:
            raise SettingsError(f"{name} is not reduced yet: run streamclust reduce first")
    if job.settings.n_clusters == AUTO:
        return
    most = max(job.settings.ks)
    limits = {name: _limit(job, name, most) for name in descriptors}
    few = {name: limit for name, limit in limits.items() if limit.most < most}
    if few:
        least = min(limit.most for limit in few.values())
        told = "; ".join(f"{name}: {limit.found}" for name, limit in few.items())
        raise SettingsError(
            f"too few rows for {most} clusters: {told}: ask for {least} at most with --n-clusters, "
            "or choose sets with --descriptors"
        )


@dataclass(frozen=True)
class _Limit:
    """The most clusters that a set has rows for, and what rows those are."""

    most: int
    found: str


def _limit(job: Job, descriptor: str, wanted: int) -> _Limit:
    n_valid = job.n_valid(descriptor)
    n_distinct = _count_distinct(job.rows_of(descriptor, "reduced"), wanted + 1)
    found = f"{n_valid} valid rows" + (f", {n_distinct} of them distinct" * (n_distinct < n_valid))
    return _Limit(min(n_distinct, n_valid - 1), found)


def _fitting(job: Job, descriptor: str, further: tuple[int, ...]) -> tuple[int, ...]:
    """The k that a set has different rows enough for."""
    ks = further or job.settings.ks
    limit = _limit(job, descriptor, max(ks))
    fitting = tuple(k for k in ks if k <= limit.most)
    if fitting == ks or further:
        return fitting
    if not fitting:
        raise SettingsError(f"{descriptor}: {limit.found}: too few to cluster")
    job.events.warn(f"{descriptor}: the sweep ends at {fitting[-1]} clusters of {limit.found}")
    return fitting


def _count_distinct(rows: Rows, enough: int) -> int:
    """How many rows differ, counted up to `enough`: mostly within the first block."""
    seen: set[bytes] = set()
    for span in rows.spans():
        values = np.ascontiguousarray(rows.read(span).values) + 0.0  # -0.0 equals 0.0
        for start in range(0, len(values), enough):
            seen.update(row.tobytes() for row in values[start : start + enough])
            if len(seen) >= enough:
                return enough
    return len(seen)


def _archive_others(job: Job, descriptor: str, name: str, sweep: str) -> None:
    """Put the algorithm's clusterings of other settings aside: indices are compared within one
    sweep only."""
    for other in job.workspace.clusterings(descriptor):
        path = f"descriptors/{descriptor}/clusterings/{other}"
        attributes = job.workspace.root[path].attrs
        if attributes["algorithm"] == name and attributes["sweep"] != sweep:
            forget_recommendation(job.workspace, descriptor)
            job.workspace.archive(path)


def cluster_needs(
    descriptor: str, name: str, rows: Rows, ks: Sequence[int], settings: Settings
) -> list[Need]:
    """Memory of an algorithm on a set, fitting and labelling."""
    return load_algorithm(name).needs(f"{STEP} of {descriptor} by {name}", rows, ks, settings)


def staged_clustering(staged: Any, name: str, rows: Rows, fitted: Clustering) -> Any:
    """A group with what was fitted, and room for the labels."""
    group = staged.create_group(name)
    for array, values in fitted.arrays.items():
        store_array(group, array, values)
    group.attrs.update(n_clusters=fitted.n_clusters, **fitted.attributes)
    # Labels compress tenfold, and there may be hundreds of clusterings.
    shape, chunk = (rows.n_rows,), rows.array.chunks[0]
    stage_array(group, "labels", shape, np.int32, chunk, fill_value=-1, compress=True)
    return group


def label_rows(
    passes: Passes, rows: Rows, labeller: Labeller, groups: list[Any], shift: np.ndarray
) -> None:
    """Label all rows; in the same pass the clusters' sizes and label means are summed."""
    n_clusters = [int(group.attrs["n_clusters"]) for group in groups]
    outputs = [group["labels"] for group in groups]
    sums = _SumsOfLabels(ClusterSums(n_clusters, shift))
    seen = passes.write("labelling", rows, LabelsOf(labeller), outputs, sums)
    for group, (sizes, means) in zip(groups, seen.sums.result(), strict=True):
        store_array(group, "sizes", sizes.astype(np.int64))
        store_array(group, "means", means)


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
