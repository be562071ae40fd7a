"""What clusters are worth for labelling: rows that get the right value by their cluster's name, and
groups of rows, such as the images of one vehicle, that are kept together."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streamclust.passes.accumulators import count_pairs

# Total variation distance from which on known rows lie in other clusters than all rows.
FAR_APART = 0.25
# Quantile of the normal distribution for 95 %.
_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class LabellingYield:
    """The yield of naming each cluster once, by the commonest value of its rows.

    Attributes
    ----------
    share : float
        Of all rows, those that get their right value; rows in no cluster get none.
    low, high : float
        Its interval of 95 %; both are `share` where every row's value is known.
    baseline : float
        The share where all rows get the commonest value of all.
    n_known : int
        Rows whose value is known.
    """

    share: float
    low: float
    high: float
    baseline: float
    n_known: int


def known_apart(known: np.ndarray, sizes: np.ndarray) -> float:
    """How far the clusters' shares among the known rows are from those among all rows.

    Parameters
    ----------
    known, sizes : ndarray of int, shape (n_clusters,)
        Rows of each cluster: those whose value is known, and all.

    Returns
    -------
    float
        The total variation distance: 0 (as a uniform sample) to 1 (no cluster in common); NaN
        where no row of a cluster is known.
    """
    if not known.sum():
        return math.nan
    return float(np.abs(known / known.sum() - sizes / sizes.sum()).sum() / 2)


def are_elsewhere(known: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether the known rows lie in other clusters than all rows, by `FAR_APART` more than a
    uniform sample of so many would on the average.

    Its shares differ from those of all rows as those of a hypergeometric distribution do, near to
    normal: their mean deviation is √(2 / π) standard deviations.
    """
    n, n_rows = int(known.sum()), int(sizes.sum())
    if not 0 < n < n_rows:
        return False
    shares = sizes / n_rows
    variances = shares * (1 - shares) / n * (n_rows - n) / (n_rows - 1)
    by_chance = math.sqrt(2 / math.pi) * float(np.sqrt(variances).sum()) / 2
    return known_apart(known, sizes) > FAR_APART + by_chance


def labelling_yield(table: np.ndarray, totals: np.ndarray, n_rows: int) -> LabellingYield:
    """The yield of a clustering for one attribute; exact where the value of every row is known.

    Where values are known for some rows, these count as drawn from all rows uniformly. The share
    of a cluster's known rows with their commonest value is then too large on the average, as the
    same rows name the cluster and judge the name; with each row judged by the name that the
    others give (leave-one-out, which follows from the table) it is too small. The estimate is
    half way between, or what one name for all gives, if that is more. The interval runs from the
    lower bound of the second to the upper bound of the first (Wilson's, with as many rows as the
    finite population makes the sample worth); it held the true share in 96 % of generated cases
    or more.

    Parameters
    ----------
    table : ndarray of int, shape (n_values, n_clusters)
        Known rows of each value in each cluster.
    totals : ndarray of int, shape (n_values,)
        All known rows of each value, those in no cluster too.
    n_rows : int
        All rows.

    References
    ----------
    Stone, M. (1974). Cross-validatory choice and assessment of statistical predictions. JRSS B 36;
    Efron, B. (1983). Estimating the error rate of a prediction rule. JASA 78, for the two biases;
    Wilson, E. B. (1927). Probable inference. JASA 22; Cochran, W. G. (1977). Sampling Techniques,
    section 2.6, for the finite population.
    """
    n_known = int(totals.sum())
    if not n_known:
        return LabellingYield(math.nan, math.nan, math.nan, math.nan, 0)
    unknown = 1 - n_known / n_rows
    optimistic = float(table.max(axis=0).sum() / n_known)
    optimism = (optimistic - _leave_one_out(table) / n_known) * unknown
    worth = n_known * (n_rows - 1) / (n_rows - n_known) if unknown else math.inf
    # One name for all clusters is the least that naming each gives.
    least = float(table.sum(axis=1).max() / n_known)
    return LabellingYield(
        share=max(optimistic - optimism / 2, least),
        low=_wilson(optimistic - optimism, worth)[0],
        high=_wilson(optimistic, worth)[1],
        baseline=float(totals.max() / n_known),
        n_known=n_known,
    )


def _leave_one_out(table: np.ndarray) -> float:
    """Rows whose value is the commonest of the other rows of their cluster.

    Only rows of the commonest value can be, and only where it leads by two. Where it leads by
    one, the others tie, and each of the values that do is as likely to be the name.
    """
    ordered = np.sort(np.pad(table, ((1, 0), (0, 0))), axis=0)
    first, second = ordered[-1], ordered[-2]
    leads = first > second + 1
    ties = (first == second + 1) & (second > 0)
    names = 1 + (table == second).sum(axis=0)
    return float(first[leads].sum() + (first[ties] / names[ties]).sum())


def _wilson(share: float, n_rows: float) -> tuple[float, float]:
    """The interval of 95 % of a share seen in so many independent rows (may be infinite)."""
    if math.isinf(n_rows):
        return share, share
    z = _NORMAL**2 / n_rows
    middle = (share + z / 2) / (1 + z)
    reach = math.sqrt(z * share * (1 - share) + z**2 / 4) / (1 + z)
    return max(0.0, middle - reach), min(1.0, middle + reach)


# Cells of groups × labels that are counted together, and rows that chance is told from.
_CELLS = 2**20
_SHUFFLED_ROWS = 2**20
_MOST_SHUFFLES = 20
# Of the groups while they are put in order, and of the labels while they are counted.
BYTES_A_ROW = 48
FIXED_BYTES = 4 * 8 * _CELLS


class GroupConsistency:
    """Share of rows that have the commonest label of their group, and groups inside one cluster.

    Any number of groups: they are counted some at a time, in `BYTES_A_ROW` and `FIXED_BYTES`.

    Parameters
    ----------
    groups : ndarray of int, shape (n_rows,)
        Any numbers; below 0 a row of no group.
    """

    def __init__(self, groups: np.ndarray) -> None:
        order = np.argsort(groups, kind="stable")
        self._order = order[np.searchsorted(groups, 0, sorter=order) :]
        ordered = groups[self._order]
        self._numbers = np.cumsum(np.diff(ordered, prepend=ordered[:1]) != 0, dtype=np.int32)

    def shares(self, labels: np.ndarray, seed: int) -> tuple[float, float, int]:
        """What it is for one clustering, over the groups of two labelled rows or more.

        Parameters
        ----------
        labels : ndarray of int, shape (n_rows,)
            Below 0: not labelled, not counted.
        seed : int

        Returns
        -------
        share : float
            NaN where no group has two labelled rows.
        by_chance : float
            The same of the labels shuffled among these rows, a million rows or 20 shuffles long.
        n_rows : int
            Rows of those groups.
        """
        labels, numbers = _of_several(*self._labelled(labels))
        n_rows = len(labels)
        if not n_rows:
            return math.nan, math.nan, 0
        share = _in_majority(numbers, labels) / n_rows
        rng = np.random.default_rng(seed)
        n_shuffles = max(1, min(_MOST_SHUFFLES, _SHUFFLED_ROWS // n_rows))
        chance = sum(_in_majority(numbers, rng.permutation(labels)) for _ in range(n_shuffles))
        return share, chance / n_shuffles / n_rows, n_rows

    def whole(self, labels: np.ndarray, n_clusters: int) -> np.ndarray:
        """Groups met in each cluster: those that are split, those that are wholly inside, and how
        many would be by chance.

        Parameters
        ----------
        labels : ndarray of int, shape (n_rows,)
            Below 0: not labelled, not counted.
        n_clusters : int

        Returns
        -------
        ndarray of float64, shape (3, n_clusters)
            Of groups of two labelled rows or more; by chance, were labels dealt to rows at random.
        """
        labels, numbers = self._labelled(labels)
        shares = np.bincount(labels, minlength=n_clusters) / max(1, len(labels))
        labels, numbers = _of_several(labels, numbers)
        split, inside = np.zeros((2, n_clusters))
        for counts in _tables(numbers, labels, n_clusters):
            met = counts > 0
            whole = met.sum(axis=1) == 1
            inside += met[whole].sum(axis=0)
            split += met[~whole].sum(axis=0)
        lengths, times = np.unique(np.bincount(numbers), return_counts=True)
        chance = (times[:, None] * shares ** lengths[:, None]).sum(axis=0)
        return np.stack([split, inside, chance])

    def _labelled(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels of the rows that have one, by group, and the numbers of their groups."""
        labels = labels[self._order]
        known = labels >= 0
        return labels[known], self._numbers[known]


def _of_several(labels: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of the groups of two rows or more, which are numbered from 0 again."""
    several = np.bincount(numbers, minlength=1)[numbers] > 1
    labels, numbers = labels[several], numbers[several]
    return labels, np.cumsum(np.diff(numbers, prepend=numbers[:1]) != 0, dtype=np.int32)


def _in_majority(numbers: np.ndarray, labels: np.ndarray) -> int:
    """Rows of the commonest label of their group."""
    tables = _tables(numbers, labels, int(labels.max()) + 1)
    return sum(int(counts.max(axis=1).sum()) for counts in tables)


def _tables(numbers: np.ndarray, labels: np.ndarray, n_labels: int) -> Iterator[np.ndarray]:
    """Rows of each group with each label, some groups at a time; these are numbered from 0,
    ascending."""
    step = max(1, _CELLS // n_labels)
    n_groups = int(numbers[-1]) + 1 if len(numbers) else 0
    for first in range(0, n_groups, step):
        shape = (min(step, n_groups - first), n_labels)
        start, stop = np.searchsorted(numbers, [first, first + shape[0]])
        yield count_pairs(numbers[start:stop] - first, labels[start:stop], shape)
