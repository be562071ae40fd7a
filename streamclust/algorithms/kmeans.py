"""k-means by exact Lloyd passes over all rows, from seeds and mini-batches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamclust.algorithms.base import Clustering
from streamclust.algorithms.centers import (
    DEPENDS_ON,
    ContinuingCenters,
    NearestCenter,
    clustering_of,
    passing_needs,
    seeding_needs,
    sweep_settings,
)
from streamclust.memory import Need
from streamclust.models.sweep import fit_sweep, sample_size
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings


class KMeans(ContinuingCenters):
    """See `streamclust.models.sweep`."""

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
