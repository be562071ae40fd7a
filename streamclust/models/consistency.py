"""How consistent labels are within groups of rows, such as the images of one vehicle."""

import math

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
    """Share of rows that have the commonest label of their group.

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
        labels = labels[self._order]
        known = labels >= 0
        labels, numbers = labels[known], self._numbers[known]
        several = np.bincount(numbers, minlength=1)[numbers] > 1
        labels, numbers = labels[several], numbers[several]
        n_rows = len(labels)
        if not n_rows:
            return math.nan, math.nan, 0
        numbers = np.cumsum(np.diff(numbers, prepend=numbers[:1]) != 0, dtype=np.int32)
        share = _in_majority(numbers, labels) / n_rows
        rng = np.random.default_rng(seed)
        n_shuffles = max(1, min(_MOST_SHUFFLES, _SHUFFLED_ROWS // n_rows))
        chance = sum(_in_majority(numbers, rng.permutation(labels)) for _ in range(n_shuffles))
        return share, chance / n_shuffles / n_rows, n_rows


def _in_majority(numbers: np.ndarray, labels: np.ndarray) -> int:
    """Rows of the commonest label of their group; groups are numbered from 0, ascending."""
    n_labels = int(labels.max()) + 1
    step = max(1, _CELLS // n_labels)
    n_groups, total = int(numbers[-1]) + 1, 0
    for first in range(0, n_groups, step):
        shape = (min(step, n_groups - first), n_labels)
        start, stop = np.searchsorted(numbers, [first, first + shape[0]])
        counts = count_pairs(numbers[start:stop] - first, labels[start:stop], shape)
        total += int(counts.max(axis=1).sum())
    return total
