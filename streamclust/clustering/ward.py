"""Ward's agglomerative clustering of micro-clusters: one tree, cut at every k."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.clustering.dendrogram import cut, ward_merges
from streamclust.clustering.landmarks import (
    NearestLandmark,
    labelling_need,
    largest_first,
    micro_clusters,
    sampled_rows,
)
from streamclust.memory import Need
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.settings import Settings

# The tree takes memory and time by their square, labelling by their number.
MICRO_CLUSTERS = 2048
MICRO_CLUSTERS_A_CLUSTER = 4


def n_micro_clusters(ks: Sequence[int]) -> int:
    """Micro-clusters of a tree: the same for all k, unless hundreds of clusters are asked for."""
    return max(MICRO_CLUSTERS, MICRO_CLUSTERS_A_CLUSTER * max(ks))


class Ward:
    """See `streamclust.clustering.landmarks` and `streamclust.clustering.dendrogram`.

    A clustering's arrays are ``landmarks`` (means of the micro-clusters) with their ``weights``
    (rows) and ``landmark_labels``, and the tree as a linkage matrix of scipy, ``merges``.
    """

    version = 1
    depends_on = ("random_state",)
    takes_k = True

    def needs(self, name: str, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        most = min(n_micro_clusters(ks), rows.n_rows)
        item = np.dtype(rows.array.dtype).itemsize
        sample = min(sampled_rows(most), rows.n_rows) * rows.n_columns * item
        labelling = labelling_need(name, rows, most, len(ks))
        sums = 2 * most * rows.n_columns * 8
        return [
            Need(name, fixed=3 * sample, per_block=2 * sample),
            Need(name, fixed=labelling.fixed + sample, per_block=labelling.per_block + 2 * sums),
            # The square matrix, and half as much again while it is made.
            Need(name, fixed=labelling.fixed + 12 * most**2),
            labelling,
        ]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        micro = micro_clusters(rows, n_micro_clusters(ks), settings.random_state, passes)
        merges = ward_merges(micro.means, micro.sizes)
        shared = {"landmarks": micro.means, "weights": micro.sizes, "merges": merges}
        labels = {k: largest_first(cut(merges, k), micro.sizes) for k in ks}
        return [Clustering(k, {**shared, "landmark_labels": labels[k]}) for k in ks]

    def labeller(self, clusterings: Sequence[Clustering]) -> NearestLandmark:
        return NearestLandmark(clusterings)


ALGORITHM = Ward()
