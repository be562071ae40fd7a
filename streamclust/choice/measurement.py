"""Internal indices of every clustering of a set: exact ones, and the silhouette of a sample."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import Need
from streamclust.metrics import (
    calinski_harabasz,
    davies_bouldin,
    effective_clusters,
    estimated_mean,
    explained_share,
    silhouettes,
)
from streamclust.passes import Columns, Passes, Rows
from streamclust.passes.accumulators import SLICE_ROWS, ClusterSpread, DistanceSums, UniformSample
from streamclust.steps import CaseShapes, Job, PartStep
from streamclust.store import SCORES, DescriptorSet, StoredClustering

VERSION = 2
# Rows whose true silhouettes are taken: the mean is known to about 0.01.
SILHOUETTE_ROWS = 1024
# Clusters that one pass measures, whatever the number of clusterings: its products stay bounded.
MOST_CLUSTERS = 1024


@dataclass(frozen=True)
class MeasureClusterings(PartStep):
    """Measure the clusterings of one set by one algorithm that have not been measured.

    Parameters
    ----------
    set_name, part : str
        The set and the algorithm.
    n_clusters : sequence of int
        Of each clustering.
    """

    name = "measure"
    set_name: str
    part: str
    n_clusters: Sequence[int]

    @classmethod
    def remaining(cls, stored: DescriptorSet, algorithm: str) -> Self:
        """Of what is stored, that which has none yet.

        Raises
        ------
        SettingsError
            When an older version made some of them.
        """
        remaining = _unmeasured(stored, algorithm)
        incomplete = [clustering.name for clustering in remaining if clustering.is_incomplete]
        if incomplete:
            raise SettingsError(
                f"{stored.name}: {', '.join(incomplete[:3])} {'…' * (len(incomplete) > 3)} were "
                "made by an older streamclust: run streamclust cluster again"
            )
        return cls(stored.name, algorithm, [one.n_clusters for one in remaining])

    def needs(self, on: CaseShapes) -> list[Need]:
        """A block, its labels in every clustering, its distances to all means, and the sums of the
        sampled rows' distances."""
        rows, n_clusters = on.reduced(self.set_name), self.n_clusters
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        most = max(sum(bunch) for bunch in _bunches(n_clusters, n_clusters))
        block = rows.rows_a_block * (2 * row_bytes + 2 * 4 * len(n_clusters))
        products = SLICE_ROWS * (2 * most + 2 * rows.n_columns + 8 * len(n_clusters))
        sample = SILHOUETTE_ROWS * (2 * rows.n_columns + 2 * most + 3 * SLICE_ROWS)
        return [
            Need(fixed=8 * SILHOUETTE_ROWS * most, per_block=block + 8 * products),
            Need(fixed=8 * SILHOUETTE_ROWS * most, per_block=block + 8 * sample),
        ]

    def restore(self, job: Job, mark: str) -> bool:
        return not _unmeasured(job.set(self.set_name), self.part)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        of_set = job.set(self.set_name)
        clusterings = _unmeasured(of_set, self.part)
        rows, shift, n_valid = of_set.rows("reduced"), of_set.reduced_mean, of_set.n_valid
        n_clusters = [clustering.n_clusters for clustering in clusterings]
        for bunch in _bunches(clusterings, n_clusters):
            results = _measure(passes, rows, bunch, shift, job.settings.random_state)
            for clustering, scores in zip(bunch, results, strict=True):
                scores["noise"] = 1 - sum(scores["sizes"]) / n_valid
                # JSON knows no NaN: what is not defined (for one cluster) is stored as null.
                known = {n: None if v != v else v for n, v in scores.items()}
                clustering.annotate(**{SCORES: {"version": VERSION, **known}})


def _unmeasured(stored: DescriptorSet, algorithm: str) -> list[StoredClustering]:
    clusterings = stored.clusterings_by(algorithm)
    return [one for one in clusterings if scores_of(one.attributes) is None]


def scores_of(known: Mapping[str, Any]) -> dict[str, Any] | None:
    """The measured scores of a clustering of which this is known, or None."""
    scores = known.get(SCORES)
    if not scores or scores["version"] != VERSION:
        return None
    return {name: math.nan if value is None else value for name, value in scores.items()}


def _bunches(items: Sequence[Any], n_clusters: Sequence[int]) -> Iterator[list[Any]]:
    """Items in their order, together of `MOST_CLUSTERS` clusters at most, or alone."""
    bunch: list[Any] = []
    total = 0
    for item, k in zip(items, n_clusters, strict=True):
        if bunch and total + k > MOST_CLUSTERS:
            yield bunch
            bunch, total = [], 0
        bunch.append(item)
        total += k
    yield bunch


def _measure(
    passes: Passes, rows: Rows, clusterings: list[StoredClustering], shift: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    n_clusters = [clustering.n_clusters for clustering in clusterings]
    sizes = [clustering.sizes[...].astype(float) for clustering in clusterings]
    means = [clustering.means[...] for clustering in clusterings]
    rows = rows.having(extras=(Columns([clustering.labels for clustering in clusterings]),))
    spreads = passes.reduce("cluster spread", rows, ClusterSpread(means, shift)).result()
    drawn = UniformSample(SILHOUETTE_ROWS, seed)
    sample = passes.reduce("sampling rows", rows.having(numbered=True), drawn).result()
    values, labels = sample[0], sample[1]
    sums = DistanceSums(values, n_clusters, shift)
    sampled = passes.reduce("silhouettes", rows, sums, tell=_Silhouettes(sizes, labels))
    return [_exact(sizes[c], means[c], *spreads[c]) | told for c, told in enumerate(sampled)]


@dataclass(frozen=True)
class _Silhouettes:
    """Tells silhouettes of several clusterings from the distances of sampled rows, which are many.

    Parameters
    ----------
    sizes : list of ndarray of shape (n_clusters,)
    labels : ndarray of int of shape (n_sampled, n_clusterings)
    """

    sizes: list[np.ndarray]
    labels: np.ndarray

    def __call__(self, distances: DistanceSums) -> list[dict[str, float]]:
        return [
            _sampled(sums, self.sizes[c], self.labels[:, c])
            for c, sums in enumerate(distances.result())
        ]


def _exact(
    sizes: np.ndarray,
    means: np.ndarray,
    squares: np.ndarray,
    distances: np.ndarray,
    silhouettes: float,
) -> dict[str, Any]:
    n_rows = float(sizes.sum())
    inertia = float(squares.sum())
    several = len(sizes) > 1
    return {
        "calinski_harabasz": calinski_harabasz(sizes, means, inertia),
        "davies_bouldin": davies_bouldin(sizes, means, distances),
        "silhouette_simplified": silhouettes / n_rows if several else math.nan,
        "inertia": inertia,
        "explained": explained_share(sizes, means, inertia),
        "smallest_cluster": float(sizes.min(initial=n_rows) / n_rows) if n_rows else math.nan,
        "largest_cluster": float(sizes.max(initial=0) / n_rows) if n_rows else math.nan,
        "effective_clusters": effective_clusters(sizes),
        "sizes": sizes.astype(int).tolist(),
    }


def _sampled(sums: np.ndarray, sizes: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    values = silhouettes(sums, sizes, labels) if len(sizes) > 1 else np.empty(0)
    mean, low, high = estimated_mean(values, int(sizes.sum()))
    return {"silhouette": mean, "silhouette_low": low, "silhouette_high": high}
