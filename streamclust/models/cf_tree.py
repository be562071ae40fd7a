"""scikit-learn's CF-tree as a learner of a fold, and the threshold that bounds its size."""

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np

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

    Attributes
    ----------
    exceeded : bool

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
