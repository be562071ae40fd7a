"""BIRCH: a CF-tree over all rows, and Ward's method on its subclusters for every k."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.clustering.landmarks import NearestLandmark, labelling_need, largest_first
from streamclust.clustering.ward import cut, ward_merges
from streamclust.memory import Need
from streamclust.passes import BLOCKS_A_WINDOW, Passes, Rows
from streamclust.passes.accumulators import UniformSample
from streamclust.settings import Settings

BRANCHING = 50
# Thresholds that are tried on a sample: from this share of the rows' spread up to the spread.
_FINEST = 1e-6
_MOST_TRIALS = 14
_NEAR_ENOUGH = 1.25
_TRIAL_ROWS = 1024


class CFTree:
    """Learns subclusters from batches of rows, as `sklearn.cluster.Birch` does.

    Parameters
    ----------
    threshold : float
        Radius that a subcluster may have.
    most : int
        With more subclusters than these it has failed, learns no more and forgets all.
    shift : ndarray of shape (n_columns,)
        Subtracted from the rows first: radii are differences of squares.

    References
    ----------
    Zhang, T., Ramakrishnan, R. & Livny, M. (1996). BIRCH: an efficient data clustering method for
    very large databases. SIGMOD.
    """

    def __init__(self, threshold: float, most: int, shift: np.ndarray) -> None:
        self.threshold = threshold
        self.most = most
        self.shift = shift
        self.exceeded = False
        self._model: Any = None

    def partial_fit(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """Learn from a batch of shape (n_rows, n_columns), row by row."""
        if self.exceeded or not len(values):
            return
        if self._model is None:
            self._model = self._make()
        self._model.partial_fit(np.subtract(values, self.shift, dtype=np.float64))
        self._let_go_of_batch()
        if len(self._model.subcluster_centers_) > self.most:
            self.exceeded, self._model = True, None

    def subclusters(self) -> tuple[np.ndarray, np.ndarray]:
        """Centres (n_subclusters, n_columns) and numbers of rows (n_subclusters,)."""
        entries = [entry for leaf in self._leaves() for entry in leaf.subclusters_]
        centers = np.array([entry.centroid_ for entry in entries])
        sizes = np.array([entry.n_samples_ for entry in entries], np.float64)
        return centers + self.shift, sizes

    def _make(self) -> Any:
        from sklearn.cluster import Birch

        return Birch(
            threshold=self.threshold,
            branching_factor=BRANCHING,
            n_clusters=None,
            compute_labels=False,
        )

    def _let_go_of_batch(self) -> None:
        """Copy the rows that are subclusters of their own: views would keep all batches alive."""
        for leaf in self._leaves():
            for entry in leaf.subclusters_:
                if entry.linear_sum_.base is not None:
                    entry.linear_sum_ = entry.centroid_ = entry.linear_sum_.copy()

    def _leaves(self) -> list[Any]:
        return [node for node in _nodes(self._model.root_) if node.is_leaf]

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._model is not None:
            # Pickling follows references in depth: hundreds of linked leaves are too deep.
            for leaf in (self._model.dummy_leaf_, *self._leaves()):
                leaf.prev_leaf_ = leaf.next_leaf_ = None
            state["_model"] = pickle.dumps(self._model)
            self._link()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._model is not None:
            self._model = pickle.loads(state["_model"])
            # Views of a node's arrays that pickling has made copies.
            for node in _nodes(self._model.root_):
                node.centroids_ = node.init_centroids_[: len(node.subclusters_)]
                node.squared_norm_ = node.init_sq_norm_[: len(node.subclusters_)]
            self._link()

    def _link(self) -> None:
        before = self._model.dummy_leaf_
        for leaf in self._leaves():
            before.next_leaf_, leaf.prev_leaf_ = leaf, before
            before = leaf


def _nodes(root: Any) -> Iterator[Any]:
    """All nodes of a tree, from left to right."""
    yield root
    if not root.is_leaf:
        for entry in root.subclusters_:
            yield from _nodes(entry.child_)


def find_threshold(sample: np.ndarray, n_subclusters: int) -> float:
    """The threshold at which a sample makes about so many subclusters, by bisection.

    Parameters
    ----------
    sample : ndarray of shape (n_sampled, n_columns)
        In random order.
    n_subclusters : int

    Returns
    -------
    float
        Where the rows differ in fewer places, one that keeps all of them apart that are a
        millionth of the rows' spread apart.
    """
    shift = sample.mean(axis=0, dtype=np.float64)
    spread = float(np.sqrt(sample.var(axis=0, dtype=np.float64).sum()))
    if spread == 0:
        return 1.0
    low, high = np.log(_FINEST * spread), np.log(spread)
    for _ in range(_MOST_TRIALS):
        middle = (low + high) / 2
        found = _count(sample, CFTree(float(np.exp(middle)), 2 * n_subclusters, shift))
        if found > _NEAR_ENOUGH * n_subclusters:
            low = middle
        elif found < n_subclusters / _NEAR_ENOUGH:
            high = middle
        else:
            return float(np.exp(middle))
    return float(np.exp(high))


def _count(sample: np.ndarray, tree: CFTree) -> float:
    for start in range(0, len(sample), _TRIAL_ROWS):
        tree.partial_fit(sample[start : start + _TRIAL_ROWS])
        if tree.exceeded:
            return np.inf
    return len(tree.subclusters()[1])


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
    """See `streamclust.clustering.birch`.

    A clustering's arrays are ``landmarks`` (centres of the subclusters) with their ``weights``
    (rows) and ``landmark_labels``.
    """

    version = 2
    depends_on = ("random_state",)
    takes_k = True
    labeller = NearestLandmark

    def needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        most = min(MOST_TIMES * sampled_subclusters(ks), rows.n_rows)
        sample = min(SAMPLE_ROWS, rows.n_rows) * rows.row_bytes
        window = min(BLOCKS_A_WINDOW * rows.rows_a_block, rows.n_rows) * rows.row_bytes
        # Each subcluster has a sum and a centre; nodes, half of them empty, have room for more.
        tree = most * (6 * rows.n_columns * 8 + _SUBCLUSTER_BYTES)
        tree += (BATCH_ROWS + sample // rows.row_bytes) * rows.n_columns * 8
        labelling = labelling_need(rows, most, len(ks))
        return [
            Need(fixed=sample, per_block=2 * rows.block_bytes),
            Need(fixed=sample + tree + 2 * window),
            Need(fixed=tree + labelling.fixed + 12 * most**2),
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
