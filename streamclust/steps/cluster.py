"""Clusterings of the reduced rows: all k of a sweep in the same passes, every row labelled."""

from collections.abc import Sequence

import numpy as np

from streamclust.accumulators.clusters import PIECE_ROWS, Assignment
from streamclust.errors import SettingsError
from streamclust.memory import Need
from streamclust.models.sweep import Fitted, SweepSettings, fit_sweep, sample_size
from streamclust.passes import Passes, Rows
from streamclust.passes.verbs import BLOCKS_A_WINDOW
from streamclust.steps.job import Job
from streamclust.workspace import fingerprint, stage_array, store_array

STEP = "cluster"
ALGORITHM = "kmeans"


def cluster(job: Job, descriptor: str) -> None:
    """Cluster one descriptor set for every k that is not there yet.

    Raises
    ------
    SettingsError
        When there are fewer valid rows than clusters, or no reduced rows.
    MemoryBudgetError
        When it does not fit the budget.
    """
    path = f"descriptors/{descriptor}"
    if job.workspace.get(f"{path}/reduced") is None:
        raise SettingsError(f"{descriptor} is not reduced yet: run streamclust reduce first")
    ks = _fitting(job, descriptor)
    sweep = _sweep_mark(job, path)
    _archive_others(job, descriptor, sweep)
    marks = {k: fingerprint(sweep, k) for k in ks}
    missing = [k for k in ks if not job.workspace.restore(clustering_path(path, k), marks[k])]
    if not missing:
        job.skip(STEP, descriptor)
        return
    rows = job.rows_of(descriptor, "reduced")
    needs = cluster_needs(descriptor, rows, missing)
    with job.step(STEP, descriptor, needs, rows.n_rows) as passes:
        fitted = fit_sweep(rows, missing, _sweep_settings(job), passes)
        _store(job, passes, descriptor, rows, fitted, sweep)


def clustering_path(path: str, k: int) -> str:
    """Where the clustering of k clusters of the set at `path` is published."""
    return f"{path}/clusterings/{ALGORITHM}-{k}"


def _fitting(job: Job, descriptor: str) -> tuple[int, ...]:
    """The numbers of clusters asked for that the valid rows allow."""
    group = job.workspace.root[f"descriptors/{descriptor}"]
    n_valid = group.attrs["n_rows"] - group.attrs["n_invalid"]
    ks = tuple(k for k in job.settings.ks if k < n_valid)
    if not ks:
        raise SettingsError(
            f"{descriptor}: {n_valid} valid rows are too few for "
            f"{min(job.settings.ks)} clusters: ask for fewer with --n-clusters"
        )
    if ks != job.settings.ks:
        job.events.warn(f"{descriptor}: the sweep ends at {ks[-1]} clusters of {n_valid} rows")
    return ks


def _sweep_mark(job: Job, path: str) -> str:
    names = ("n_init", "max_iter", "tol", "batch_size", "random_state")
    chosen = {name: getattr(job.settings, name) for name in names}
    reduced = job.workspace.fingerprint_of(f"{path}/reduced")
    return fingerprint(STEP, 1, reduced, ALGORITHM, chosen)


def _archive_others(job: Job, descriptor: str, sweep: str) -> None:
    """Put clusterings of other settings aside: indices are compared within one sweep only."""
    for name in job.workspace.clusterings(descriptor):
        path = f"descriptors/{descriptor}/clusterings/{name}"
        if job.workspace.root[path].attrs["sweep"] != sweep:
            job.workspace.archive(path)


def _sweep_settings(job: Job) -> SweepSettings:
    settings = job.settings
    return SweepSettings(
        n_init=settings.n_init,
        max_iter=settings.max_iter,
        tol=settings.tol,
        batch_size=settings.batch_size,
        seed=settings.random_state,
    )


def cluster_needs(descriptor: str, rows: Rows, ks: Sequence[int]) -> list[Need]:
    """Memory of the sample, the mini-batch windows, and the blocks of the exact passes."""
    name = f"{STEP} of {descriptor}"
    row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
    block = rows.rows_a_block * row_bytes
    # Each worker's k-means run copies its part of the sample.
    sample = sample_size(max(ks)) * row_bytes
    seeding = Need(name, fixed=2 * sample, per_block=3 * sample)
    window = min(BLOCKS_A_WINDOW * rows.rows_a_block, rows.n_rows) * row_bytes
    folding = Need(name, fixed=sample, per_block=2 * window)
    labelled = rows.rows_a_block * len(ks) * 8
    products = PIECE_ROWS * (sum(ks) * 2 + rows.n_columns * 2 + 16 * len(ks)) * 8
    passing = Need(name, fixed=sample, per_block=2 * block + 2 * labelled + products)
    return [seeding, folding, passing]


def _store(
    job: Job,
    passes: Passes,
    descriptor: str,
    rows: Rows,
    fitted: dict[int, Fitted],
    sweep: str,
) -> None:
    path = f"descriptors/{descriptor}"
    with job.workspace.staging() as staged:
        groups = {k: staged.create_group(str(k)) for k in fitted}
        labels = [
            stage_array(
                group,
                "labels",
                (rows.n_rows,),
                np.int32,
                rows.array.chunks[0],
                fill_value=-1,
                compress=job.settings.compress,
            )
            for group in groups.values()
        ]
        for k, fit in fitted.items():
            store_array(groups[k], "centers", fit.centers)
            groups[k].attrs.update(
                algorithm=ALGORITHM,
                n_clusters=k,
                n_iter=fit.n_iter,
                converged=fit.converged,
                sweep=sweep,
            )
        assign = _Labels(Assignment([fit.centers for fit in fitted.values()]))
        passes.write("labelling", rows, assign, labels)
        for k in fitted:
            job.workspace.publish(groups[k], clustering_path(path, k), fingerprint(sweep, k))
    slow = [str(k) for k, fit in fitted.items() if not fit.converged]
    if slow:
        job.events.warn(
            f"{descriptor}: k = {', '.join(slow)} had not converged after "
            f"{job.settings.max_iter} passes: raise --max-iter"
        )


class _Labels:
    """Assignment to the centres of several clusterings as a transform, one output each."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        labels, _ = self.assignment(values)
        return tuple(np.ascontiguousarray(labels.T))
