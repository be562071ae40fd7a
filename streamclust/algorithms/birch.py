"""BIRCH: a CF-tree over all rows, and Ward's method on its subclusters for every k."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamclust.accumulators.sample import UniformSample
from streamclust.algorithms.base import Clustering
from streamclust.algorithms.landmarks import NearestLandmark, labelling_need, largest_first
from streamclust.memory import Need
from streamclust.models.cf_tree import CFTree, find_threshold
from streamclust.models.dendrogram import cut, ward_merges
from streamclust.passes import Passes, Rows
from streamclust.passes.verbs import BLOCKS_A_WINDOW
from streamclust.settings import Settings

# Subclusters of a sample; all rows make two or three times as many.
SAMPLE_ROWS = 8192
SUBCLUSTERS = 512
SUBCLUSTERS_A_CLUSTER = 4
# With more than so many times those of the sample, the tree is learned anew and coarser.
MOST_TIMES = 8
COARSER = 1.2
# Rows between two looks at the number of subclusters.
BATCH_ROWS = 4096
# A subcluster as scikit-learn's objects hold it, beside its vectors.
_SUBCLUSTER_BYTES = 2048


def sampled_subclusters(ks: Sequence[int]) -> int:
    """Subclusters of the sample: the same for all k, unless hundreds are asked for."""
    return max(SUBCLUSTERS, SUBCLUSTERS_A_CLUSTER * max(ks))


class Birch:
    """See `streamclust.models.cf_tree`.

    A clustering's arrays are ``landmarks`` (centres of the subclusters) with their ``weights``
    (rows) and ``landmark_labels``.
    """

    version = 2
    depends_on = ("random_state",)
    takes_k = True

    def needs(self, name: str, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        most = min(MOST_TIMES * sampled_subclusters(ks), rows.n_rows)
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        sample = min(SAMPLE_ROWS, rows.n_rows) * row_bytes
        window = min(BLOCKS_A_WINDOW * rows.rows_a_block, rows.n_rows) * row_bytes
        # Each subcluster has a sum and a centre; nodes, half of them empty, have room for more.
        tree = most * (6 * rows.n_columns * 8 + _SUBCLUSTER_BYTES)
        tree += (BATCH_ROWS + sample // row_bytes) * rows.n_columns * 8
        labelling = labelling_need(name, rows, most, len(ks))
        return [
            Need(name, fixed=sample, per_block=2 * rows.rows_a_block * row_bytes),
            Need(name, fixed=sample + tree + 2 * window),
            Need(name, fixed=tree + labelling.fixed + 12 * most**2),
            labelling,
        ]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        seed, wanted = settings.random_state, sampled_subclusters(ks)
        sampled = rows.having(numbered=True)
        sample = passes.reduce("sampling rows", sampled, UniformSample(SAMPLE_ROWS, seed))
        values = sample.result()[0]
        (threshold,) = passes.map("finding a threshold", _Find(values), [wanted], "threshold")
        tree = CFTree(threshold, MOST_TIMES * wanted, values.mean(axis=0, dtype=np.float64))
        tree = _grown(tree, wanted, rows, seed, passes)
        centers, sizes = tree.subclusters()
        merges = ward_merges(centers, sizes)
        shared = {"landmarks": centers.astype(values.dtype, copy=False), "weights": sizes}
        labels = {k: largest_first(cut(merges, k), sizes) for k in ks}
        found = {"threshold": tree.threshold, "n_subclusters": len(centers)}
        return [Clustering(k, {**shared, "landmark_labels": labels[k]}, found) for k in ks]

    def labeller(self, clusterings: Sequence[Clustering]) -> NearestLandmark:
        return NearestLandmark(clusterings)


@dataclass(frozen=True)
class _Find:
    """The threshold at which a sample makes so many subclusters."""

    sample: np.ndarray

    def __call__(self, n_subclusters: int) -> float:
        return find_threshold(self.sample, n_subclusters)


def _grown(tree: CFTree, enough: int, rows: Rows, seed: int, passes: Passes) -> CFTree:
    """The tree of all rows, with a larger threshold where it would have too many subclusters.

    The factor is squared at each failure, then halved (in powers of `COARSER`) between the last
    that failed and the first that did not, until there are `enough` subclusters: 16 trees at most
    where rows differ by 15 orders of magnitude.
    """

    def learned(steps: int) -> CFTree:
        empty = CFTree(tree.threshold * COARSER**steps, tree.most, tree.shift)
        (grown,) = passes.fold("CF-tree", rows, [empty], batch_rows=BATCH_ROWS, seed=seed)
        return grown

    failed, steps, grown = -1, 0, learned(0)
    while grown.exceeded:
        failed, steps = steps, 2 * steps + 1
        grown = learned(steps)
    while steps - failed > 1 and len(grown.subclusters()[1]) < enough:
        middle = (failed + steps) // 2
        finer = learned(middle)
        if finer.exceeded:
            failed = middle
        else:
            steps, grown = middle, finer
    return grown


ALGORITHM = Birch()
