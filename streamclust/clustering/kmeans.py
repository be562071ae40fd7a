"""k-means by exact Lloyd passes over all rows, from seeds and mini-batches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.clustering.centers import (
    DEPENDS_ON,
    ContinuingCenters,
    NearestCenter,
    clustering_of,
    passing_needs,
    seeding_needs,
    sweep_settings,
)
from streamclust.clustering.kmeans_sweep import fit_sweep, sample_size
from streamclust.memory import Need
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.settings import Settings


class KMeans(ContinuingCenters):
    """See `streamclust.clustering.kmeans_sweep`."""

    version = 1
    depends_on = DEPENDS_ON
    takes_k = True

    def needs(self, name: str, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        sample = sample_size(max(ks)) * row_bytes
        return [*seeding_needs(name, rows, ks), *passing_needs(name, rows, ks, fixed=sample)]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        fitted = fit_sweep(rows, ks, sweep_settings(settings), passes)
        return [clustering_of(fitted[k]) for k in ks]

    def labeller(self, clusterings: Sequence[Clustering]) -> NearestCenter:
        return NearestCenter(clusterings)


ALGORITHM = KMeans()
