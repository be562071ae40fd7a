"""How far each row lies from its own cluster's mean, by what is usual in that cluster."""

import numpy as np

from streamclust.memory import MIB, Need
from streamclust.passes import Rows
from streamclust.store import Job, SetOutliers, fingerprint, recommended_clustering

STEP = "cluster distances"
BYTES_A_ROW = 16


def cluster_distances(job: Job, descriptor: str) -> None:
    """Measure the distances in a set's recommended clustering, unless that is done.

    Published is the distance of each row to its own cluster's mean as a multiple of the cluster's
    median; NaN for noise and for rows that are not valid. It is no measure of the outlier score,
    which does not depend on any clustering.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    stored = SetOutliers(job.workspace, descriptor).cluster_distances
    clustering = recommended_clustering(job.workspace, descriptor)
    if clustering is None:
        stored.archive()
        return
    mark = fingerprint(STEP, 2, clustering.fingerprint)
    if stored.restore(mark):
        job.skip(STEP, descriptor)
        return
    rows = job.rows_of(descriptor, "reduced")
    needs = cluster_distance_needs(descriptor, rows)
    labels, means = clustering.labels, clustering.means[...]
    with (
        job.step(STEP, descriptor, needs, rows.n_rows) as passes,
        stored.written(mark, clustering.name, rows.n_rows, rows.rows_a_block) as distance,
    ):
        with_labels = rows.having(extras=(labels,))
        passes.write(STEP, with_labels, _MeanDistance(means), [distance])
        distance[...] = _by_median(distance[...], labels[...], len(means))


def cluster_distance_needs(descriptor: str, rows: Rows) -> list[Need]:
    """Memory of whole columns, and of the blocks with their centres beside them."""
    block = rows.rows_a_block * rows.n_columns * np.dtype(rows.array.dtype).itemsize
    held = rows.n_rows * BYTES_A_ROW + 16 * MIB
    return [Need(f"{STEP} of {descriptor}", fixed=held, per_block=4 * block)]


def _by_median(distance: np.ndarray, labels: np.ndarray, n_clusters: int) -> np.ndarray:
    for cluster in range(n_clusters):
        members = labels == cluster
        if members.any():
            median = float(np.median(distance[members]))
            distance[members] /= max(median, np.finfo(np.float32).tiny)
    return distance


class _MeanDistance:
    """Distance to the own cluster's mean as a transform; NaN for noise."""

    def __init__(self, means: np.ndarray) -> None:
        # Noise has label -1: the last mean.
        self.means = np.vstack([means, np.full(means.shape[1], np.nan)])

    def __call__(self, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, ...]:
        difference = values - self.means[labels]
        return (np.sqrt(np.einsum("ij,ij->i", difference, difference)).astype(np.float32),)
