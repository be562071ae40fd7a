"""How consistent labels are within groups of rows, such as the images of one vehicle."""

import math
from collections.abc import Iterator

import numpy as np

from streamclust.accumulators.contingency import count_pairs

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
