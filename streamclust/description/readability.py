"""How easily clusters are told by what a person can name: pixel measures and attributes."""

import math
from typing import NamedTuple

import numpy as np

# Questions that a person would ask one after the other.
DEPTH = 4
FOLDS = 5
# Of each cluster; fewer say nothing.
LEAST_ROWS = 10


class Readability(NamedTuple):
    """How well clusters are told by a few questions.

    Attributes
    ----------
    readability : float
        `accuracy` above `chance`, 0 to 1 (perfect), in the manner of Cohen's kappa; NaN where
        there is nothing to tell clusters by. Slightly below 0 where nothing tells them.
    accuracy : float
        Mean over the clusters of the balanced accuracy of a tree of depth `DEPTH` that tells the
        cluster from the rest, on rows that it was not grown on.
    chance : float
        What it is for labels that have nothing to do with the features: one half.
    of_clusters : ndarray of shape (k,)
        Readability of each; NaN for clusters of fewer than `LEAST_ROWS` rows.
    """

    readability: float
    accuracy: float
    chance: float
    of_clusters: np.ndarray


def readability(
    features: np.ndarray,
    labels: np.ndarray,
    n_clusters: int,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> Readability:
    """Cross-validated, each cluster against the rest.

    One tree of depth 4 for all clusters would have 16 leaves, too few for more clusters; one tree
    a cluster asks the same of each, whatever their number.

    Parameters
    ----------
    features : ndarray of shape (n_rows, n_features)
        Finite. May have no column.
    labels : ndarray of int, shape (n_rows,)
    n_clusters : int
    groups : ndarray of int, shape (n_rows,), optional
        Rows with the same number, at least 0, are never on both sides of a cut.
    seed : int

    References
    ----------
    Breiman, Friedman, Olshen & Stone (1984), "Classification and Regression Trees". Brodersen et
    al. (2010), "The balanced accuracy and its posterior distribution", ICPR.
    """
    of_clusters = np.full(n_clusters, np.nan)
    counts = np.bincount(labels, minlength=n_clusters)
    large = np.flatnonzero(counts >= LEAST_ROWS)
    if not features.shape[1] or len(large) < 2:
        return Readability(math.nan, math.nan, 0.5, of_clusters)
    fold = _folds(labels, groups, seed)
    for cluster in large:
        of_clusters[cluster] = 2 * _accuracy(features, labels == cluster, fold, seed) - 1
    mean = float(of_clusters[large].mean())
    return Readability(mean, (1 + mean) / 2, 0.5, of_clusters)


def _accuracy(features: np.ndarray, inside: np.ndarray, fold: np.ndarray, seed: int) -> float:
    """Balanced accuracy over all rows, each judged by a tree that did not see its fold."""
    from sklearn.tree import DecisionTreeClassifier

    guessed = np.zeros(len(inside), bool)
    leaf = max(2, int(inside.sum()) // 20)
    for number in range(FOLDS):
        seen = fold != number
        tree = DecisionTreeClassifier(
            max_depth=DEPTH, min_samples_leaf=leaf, class_weight="balanced", random_state=seed
        )
        guessed[~seen] = tree.fit(features[seen], inside[seen]).predict(features[~seen])
    return float((guessed[inside].mean() + (~guessed[~inside]).mean()) / 2)


def _folds(labels: np.ndarray, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """A fold for each row: groups whole, each cluster over all folds where its groups allow it.

    Groups are dealt in shuffled order, those of one leading cluster in turn.
    """
    if groups is None:
        groups = np.full(len(labels), -1)
    units = np.where(groups < 0, -1 - np.arange(len(labels)), groups)
    numbers, first = np.unique(units, return_index=True)
    order = np.random.default_rng(seed).permutation(len(numbers))
    leading = labels[first][order]
    dealt = np.empty(len(numbers), np.int64)
    by_label = np.argsort(leading, kind="stable")
    dealt[order[by_label]] = np.arange(len(numbers)) % FOLDS
    return dealt[np.searchsorted(numbers, units)]
