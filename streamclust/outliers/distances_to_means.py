"""How far each row lies from its own cluster's mean, by what is usual in that cluster."""

from dataclasses import dataclass

import numpy as np

from streamclust.memory import MIB, Need
from streamclust.passes import Passes
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import SetOutliers, fingerprint, recommended_clustering

BYTES_A_ROW = 16


@dataclass(frozen=True)
class MeasureClusterDistances(SetStep):
    """Measure how far the rows of a set lie from the means of its recommended clustering.

    Published is the distance of each row to its own cluster's mean as a multiple of the cluster's
    median; NaN for noise and for rows that are not valid. It is no measure of the outlier score,
    which does not depend on any clustering.
    """

    name = "cluster distances"
    set_name: str

    def needs(self, on: CaseShapes) -> list[Need]:
        """Whole columns, and the blocks with their centres beside them."""
        if on.n_clusters(self.set_name) is None:
            return []
        rows = on.reduced(self.set_name)
        block = rows.rows_a_block * rows.n_columns * np.dtype(rows.array.dtype).itemsize
        held = rows.n_rows * BYTES_A_ROW + 16 * MIB
        return [Need(fixed=held, per_block=4 * block)]

    def fingerprint(self, job: Job) -> str:
        clustering = recommended_clustering(job.workspace, self.set_name)
        return "" if clustering is None else fingerprint(self.name, 2, clustering.fingerprint)

    def restore(self, job: Job, mark: str) -> bool:
        stored = SetOutliers(job.workspace, self.set_name).cluster_distances
        if not mark:
            stored.archive()
        return not mark or stored.restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        stored = SetOutliers(job.workspace, self.set_name).cluster_distances
        clustering = recommended_clustering(job.workspace, self.set_name)
        assert clustering is not None
        rows, means = job.rows_of(self.set_name, "reduced"), clustering.means[...]
        with_labels = rows.having(extras=(clustering.labels,))
        with stored.written(mark, clustering.name, rows.n_rows, rows.rows_a_block) as distance:
            passes.write(self.name, with_labels, _MeanDistance(means), [distance])
            labels = clustering.labels[...]
            distance[...] = _by_median(distance[...], labels, len(means))


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
