"""How clusters differ from the rest of the rows, in shares and in levels, and how surely; and how
easily a person tells them by that.

Findings are of the rows of the case and of no others. So rows of one vehicle count as they are: of
a uniform sample of rows, tests tell what all rows would show. Rows of a sample stand for as many
rows as their weight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Questions that a person would ask one after the other.
DEPTH = 4
FOLDS = 5
# Of each cluster; fewer say nothing.
LEAST_ROWS = 10


class Contrast(NamedTuple):
    """Each cluster against the rest of the rows, by feature: arrays of shape (k, n_features).

    Attributes
    ----------
    inside, outside : ndarray
        Share, or median level, in the cluster and in the rest; NaN where nothing is known.
    effect : ndarray
        Lift, `inside` as a multiple of `outside`; or of levels the chance that a row of the cluster
        has a larger one than a row of the rest (0.5: no difference).
    p : ndarray
        Two-sided; 1 where there is nothing to test.
    n : ndarray
        Known rows of the cluster that were counted.
    """

    inside: np.ndarray
    outside: np.ndarray
    effect: np.ndarray
    p: np.ndarray
    n: np.ndarray


@dataclass(frozen=True, eq=False)
class Sample:
    """Sampled rows of all clusters.

    Parameters
    ----------
    labels : ndarray of int, shape (n_rows,)
        0 to k - 1.
    sizes : ndarray of shape (k,)
        Rows of each cluster, of which these are a uniform sample.
    """

    labels: np.ndarray
    sizes: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """Rows that each row stands for, (n_rows,)."""
        counts = np.bincount(self.labels, minlength=len(self.sizes))
        return (self.sizes / np.maximum(counts, 1))[self.labels]

    def sides(self) -> "list[Sides]":
        """Of each cluster its rows, those of the rest, and how much both are worth in a test."""
        weights = self.weights
        return [
            Sides.of(self.labels == cluster, self.labels != cluster, weights)
            for cluster in range(len(self.sizes))
        ]

    def between(self, cluster: int, other: int) -> "Sides":
        """The rows of one cluster, against those of another."""
        return Sides.of(self.labels == cluster, self.labels == other, self.weights)


class Sides(NamedTuple):
    """Rows of two sides, (n_rows,) bool, their weights, and the equal rows that they are worth."""

    inside: np.ndarray
    outside: np.ndarray
    weights: np.ndarray
    worth: tuple[float, float]

    @classmethod
    def of(cls, inside: np.ndarray, outside: np.ndarray, weights: np.ndarray) -> "Sides":
        worth = equal_rows(weights[inside]), equal_rows(weights[outside])
        return cls(inside, outside, weights, worth)


def equal_rows(weights: np.ndarray) -> float:
    """Rows of equal weight that would tell as much of a mean: the square of the sum of weights over
    the sum of their squares (Kish 1965, "Survey Sampling", section 11.7)."""
    return float(weights.sum() ** 2 / np.square(weights).sum()) if len(weights) else 0.0


def contrast_shares(has: np.ndarray, sides: Sequence[Sides]) -> Contrast:
    """Shares of rows with each feature.

    Parameters
    ----------
    has : ndarray of bool, shape (n_rows, n_features)
    sides : sequence of Sides
        One line of the result each.
    """
    shares = np.full((2, len(sides), has.shape[1]), np.nan)
    counts = np.zeros((len(sides), has.shape[1]))
    for line, pair in enumerate(sides):
        for side, rows in enumerate((pair.inside, pair.outside)):
            if rows.any():
                shares[side, line] = np.average(has[rows], axis=0, weights=pair.weights[rows])
        counts[line] = pair.inside.sum()
    worth = np.array([pair.worth for pair in sides]).T[:, :, None]
    inside, outside = shares
    return Contrast(inside, outside, _lift(inside, outside), fisher(*shares, *worth), counts)


def contrast_counts(table: np.ndarray) -> Contrast:
    """Shares of the values of an attribute, of all rows.

    Parameters
    ----------
    table : ndarray of int, shape (n_values, k)
        Rows of each value in each cluster.
    """
    here = table.sum(axis=0)[:, None].astype(np.float64)
    rest = here.sum() - here
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = table.T / here
        outside = (table.sum(axis=1) - table.T) / rest
    p = fisher(inside, outside, here, rest)
    return Contrast(inside, outside, _lift(inside, outside), p, np.broadcast_to(here, p.shape))


def contrast_levels(values: np.ndarray, sides: Sequence[Sides]) -> Contrast:
    """Levels of measures, by ranks: the normal approximation of Mann & Whitney (1947), "On a test
    of whether one of two random variables is stochastically larger than the other", Annals of
    Mathematical Statistics 18, without its correction for ties, which would lower p.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_measures)
    sides : sequence of Sides
    """
    from scipy.stats import norm

    shape = (len(sides), values.shape[1])
    medians, above, p = np.full((2, *shape), np.nan), np.full(shape, 0.5), np.ones(shape)
    for line, pair in enumerate(sides):
        if not (pair.inside.any() and pair.outside.any()):
            continue
        for column in range(shape[1]):
            level = values[:, column]
            medians[0, line, column] = np.median(level[pair.inside])
            medians[1, line, column] = np.quantile(
                level[pair.outside], 0.5, weights=pair.weights[pair.outside], method="inverted_cdf"
            )
            above[line, column] = _chance_above(level, pair)
        n, m = pair.worth
        error = np.sqrt((n + m + 1) / (12 * n * m))
        p[line] = 2 * norm.sf(np.abs(above[line] - 0.5) / error)
    counts = np.array([pair.inside.sum() for pair in sides])[:, None]
    counts = np.broadcast_to(counts, shape)
    return Contrast(medians[0], medians[1], above, np.minimum(p, 1), counts)


def _chance_above(values: np.ndarray, sides: Sides) -> float:
    """Chance that a row inside has a larger value than one outside, ties counted half."""
    order = np.argsort(values[sides.outside], kind="stable")
    below = np.concatenate([[0.0], np.cumsum(sides.weights[sides.outside][order])])
    ordered, inside = values[sides.outside][order], values[sides.inside]
    first, last = (np.searchsorted(ordered, inside, side) for side in ("left", "right"))
    return float(((below[first] + below[last]) / 2).mean() / below[-1])


def fisher(
    inside: np.ndarray, outside: np.ndarray, n_inside: np.ndarray, n_outside: np.ndarray
) -> np.ndarray:
    """Fisher's exact test that two shares differ, two-sided (twice the smaller tail).

    Counts are rounded, towards no difference where rows are worth less than one each.
    """
    from scipy.stats import hypergeom

    n, m = np.floor(n_inside), np.floor(n_outside)
    here, there = np.nan_to_num(inside) * n, np.nan_to_num(outside) * m
    more = here * m > there * n
    x = np.where(more, np.floor(here), np.ceil(here)).astype(np.int64)
    y = np.where(more, np.ceil(there), np.floor(there)).astype(np.int64)
    total, having = (n + m).astype(np.int64), x + y
    drawn = np.broadcast_to(n, x.shape).astype(np.int64)
    total = np.broadcast_to(total, x.shape)
    upper = hypergeom.sf(x - 1, total, having, drawn)
    lower = hypergeom.cdf(x, total, having, drawn)
    p = np.minimum(1.0, 2 * np.minimum(upper, lower))
    return np.where((n < 1) | (m < 1) | np.isnan(p), 1.0, p)


def adjusted_p(p: np.ndarray) -> np.ndarray:
    """Adjusted p of all tests of a family: of those below a level, that part at most is expected
    to be owed to chance (Benjamini & Hochberg 1995, "Controlling the false discovery rate",
    Journal of the Royal Statistical Society B 57).

    Parameters
    ----------
    p : ndarray of shape (n_tests,)
        0 to 1.
    """
    from scipy.stats import false_discovery_control

    return false_discovery_control(p)


def _lift(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """`inside` as a multiple of `outside`; infinite where none is outside."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(inside == outside, 1.0, inside / outside)


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
        Readability of each; NaN for clusters of fewer than `LEAST_ROWS` rows, and for those that
        no tree can be grown for without the rows that it judges: all of the cluster, or all of the
        rest, is in one group.
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
        Rows with the same number, at least 0, are never on both sides of a cut. A single group of
        all rows tells nothing of siblings: rows are then taken one by one.
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
        inside = labels == cluster
        # Judged by trees that never saw the cluster, or nothing else, it would look unreadable.
        if _is_split(fold[inside]) and _is_split(fold[~inside]):
            of_clusters[cluster] = 2 * _accuracy(features, inside, fold, seed) - 1
    judged = of_clusters[~np.isnan(of_clusters)]
    if not len(judged):
        return Readability(math.nan, math.nan, 0.5, of_clusters)
    mean = float(judged.mean())
    return Readability(mean, (1 + mean) / 2, 0.5, of_clusters)


def _is_split(fold: np.ndarray) -> bool:
    return len(fold) > 0 and bool((fold != fold[0]).any())


def _accuracy(features: np.ndarray, inside: np.ndarray, fold: np.ndarray, seed: int) -> float:
    """Balanced accuracy over all rows, each judged by a tree that did not see its fold."""
    from sklearn.tree import DecisionTreeClassifier

    guessed = np.zeros(len(inside), bool)
    leaf = max(2, int(inside.sum()) // 20)
    for number in np.unique(fold):
        seen = fold != number
        tree = DecisionTreeClassifier(
            max_depth=DEPTH, min_samples_leaf=leaf, class_weight="balanced", random_state=seed
        )
        guessed[~seen] = tree.fit(features[seen], inside[seen]).predict(features[~seen])
    return float((guessed[inside].mean() + (~guessed[~inside]).mean()) / 2)


def _folds(labels: np.ndarray, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """A fold for each row: groups whole, each cluster over all folds where its groups allow it.

    Groups are dealt in shuffled order, those of one leading cluster in turn. There are as many
    folds as groups, where these are few.
    """
    if groups is None or (groups[0] >= 0 and not _is_split(groups)):
        groups = np.full(len(labels), -1)
    units = np.where(groups < 0, -1 - np.arange(len(labels)), groups)
    numbers, first = np.unique(units, return_index=True)
    order = np.random.default_rng(seed).permutation(len(numbers))
    leading = labels[first][order]
    dealt = np.empty(len(numbers), np.int64)
    by_label = np.argsort(leading, kind="stable")
    dealt[order[by_label]] = np.arange(len(numbers)) % FOLDS
    return dealt[np.searchsorted(numbers, units)]
