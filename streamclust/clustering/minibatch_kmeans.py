"""k-means by mini-batches alone: seeds, then one shuffled pass over all rows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from streamclust.clustering.base import Clustering
from streamclust.clustering.kmeans import (
    ContinuingCenters,
    NearestCenter,
    clustering_of,
    passing_needs,
    seeding_needs,
    sweep_settings,
)
from streamclust.clustering.kmeans_sweep import fit_sweep
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings

# As `sklearn.cluster.MiniBatchKMeans`.
_RESTARTS = 3


class MiniBatchKMeans(ContinuingCenters):
    """See `streamclust.clustering.kmeans_sweep`, its first three stages with few restarts."""

    version = 1
    depends_on = ("batch_size", "random_state")
    takes_k = True

    def needs(self, name: str, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        return [*seeding_needs(name, rows, ks), *passing_needs(name, rows, ks)]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        few = replace(sweep_settings(settings), n_init=_RESTARTS, max_iter=0)
        fitted = fit_sweep(rows, ks, few, passes)
        # Nothing is iterated to convergence that could fail to converge.
        return [clustering_of(replace(fitted[k], converged=True)) for k in ks]

    def labeller(self, clusterings: Sequence[Clustering]) -> NearestCenter:
        return NearestCenter(clusterings)


ALGORITHM = MiniBatchKMeans()
