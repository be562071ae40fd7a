"""Splits that cut slots of rows in two, rows taken down them, and the sums of a 2-means of many.

Splits are kept in the order in which they are taken. A split cuts one slot: the rows nearer to its
first centre keep the slot's number, the others get the next new one.
"""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from streamclust.passes.accumulators.clusters import SLICE_ROWS, ClusterSums


class Splits(NamedTuple):
    """Splits in the order in which they are taken.

    Attributes
    ----------
    slots : ndarray of int64 of shape (n_splits,)
        That each split cuts; slot 0 is all rows, split i makes slot i + 1.
    centers : ndarray of shape (n_splits, 2, n_columns)
        Rows nearer to the second go to the new slot.
    """

    slots: np.ndarray
    centers: np.ndarray

    def __len__(self) -> int:
        return len(self.slots)


class Descent:
    """Takes rows down the splits, one after another.

    Parameters
    ----------
    splits : Splits
    shift : ndarray of shape (n_columns,)
        Subtracted from rows and centres first, so that a large common offset costs no digits.
    """

    def __init__(self, splits: Splits, shift: np.ndarray) -> None:
        self.splits = splits
        self.shift = np.asarray(shift, np.float64)
        first, second = np.moveaxis(splits.centers - self.shift, 1, 0)
        self.normals = (second - first).T
        self.bounds = (second**2 - first**2).sum(axis=1) / 2

    def sides(self, values: np.ndarray) -> np.ndarray:
        """Whether rows lie nearer to the second centre, bool of shape (n_splits, n_rows)."""
        dtype = np.result_type(values.dtype, np.float32)
        normals, found = self.normals.T.astype(dtype), []
        for start in range(0, len(values), SLICE_ROWS):
            rows = (values[start : start + SLICE_ROWS] - self.shift).astype(dtype)
            found.append(normals @ rows.T > self.bounds[:, None].astype(dtype))
        return np.concatenate(found, axis=1) if found else np.zeros((len(self.splits), 0), bool)

    def slots(self, values: np.ndarray) -> Iterator[np.ndarray]:
        """Slots of rows after no split, after the first, after the first two, and so on; the
        same array is written to all along."""
        slots = np.zeros(len(values), np.int32)
        yield slots
        for i, (cut, side) in enumerate(zip(self.splits.slots, self.sides(values), strict=True)):
            slots[side & (slots == cut)] = i + 1
            yield slots


class SplitSums:
    """Sizes and means of the two sides of every split, of the rows that come to it."""

    def __init__(self, descent: Descent) -> None:
        self.descent = descent
        self.clusters = ClusterSums([2] * len(descent.splits), descent.shift)

    def update(self, values: np.ndarray) -> None:
        """See rows (n_rows, n_columns)."""
        sides, cuts = self.descent.sides(values), self.descent.splits.slots
        labels = np.full(sides.T.shape, -1, np.int32)
        # After the last split its slots are told, too, and no split comes to them.
        for i, slots in zip(range(len(cuts)), self.descent.slots(values), strict=False):
            own = slots == cuts[i]
            labels[own, i] = sides[i, own]
        self.clusters.update(values, labels)

    def merge(self, other: Self) -> None:
        self.clusters.merge(other.clusters)

    def result(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Sizes (2,) and means (2, n_columns) of the sides of each split; NaN where there are no
        rows."""
        return self.clusters.result()


class SplitStep:
    """One exact Lloyd iteration of the 2-means of several slots.

    Parameters
    ----------
    splits : Splits
        Taken so far.
    trials : Splits
        Of slots of `splits`, to be improved.
    shift : ndarray of shape (n_columns,)
    """

    def __init__(self, splits: Splits, trials: Splits, shift: np.ndarray) -> None:
        joined = Splits(*map(np.concatenate, zip(splits, trials, strict=True)))
        self.descent = Descent(joined, shift)
        self.n_taken = len(splits)
        self.clusters = ClusterSums([2 * len(trials)], shift)
        self.inertia = np.zeros(2 * len(trials))
        self.farthest = np.full(2 * len(trials), -1.0)
        self.far_rows = np.zeros((2 * len(trials), len(shift)))

    def update(self, values: np.ndarray) -> None:
        """See rows (n_rows, n_columns)."""
        labels = self._labels(self.descent.sides(values))
        self.clusters.update(values, labels[:, None])
        centers = self.descent.splits.centers[self.n_taken :].reshape(-1, values.shape[1])
        for j in range(len(centers)):
            own = np.flatnonzero(labels == j)
            for start in range(0, len(own), SLICE_ROWS):
                self._see(j, values[own[start : start + SLICE_ROWS]], centers[j])

    def _labels(self, sides: np.ndarray) -> np.ndarray:
        """Of a trial's rows twice its number, one more on its second side; -1 elsewhere."""
        splits = self.descent.splits
        slots = np.zeros(sides.shape[1], np.int64)
        for i in range(self.n_taken):
            slots[sides[i] & (slots == splits.slots[i])] = i + 1
        labels = np.full(len(slots), -1)
        for i, slot in enumerate(splits.slots[self.n_taken :]):
            own = slots == slot
            labels[own] = 2 * i + sides[self.n_taken + i, own]
        return labels

    def _see(self, j: int, rows: np.ndarray, center: np.ndarray) -> None:
        # float64 differences: identical rows must show an inertia of nothing.
        apart = rows - center
        squared = np.einsum("ij,ij->i", apart, apart)
        self.inertia[j] += squared.sum()
        farthest = int(squared.argmax())
        if squared[farthest] > self.farthest[j]:
            self.farthest[j], self.far_rows[j] = squared[farthest], rows[farthest]

    def merge(self, other: Self) -> None:
        self.clusters.merge(other.clusters)
        self.inertia += other.inertia
        beyond = other.farthest > self.farthest
        self.farthest = np.where(beyond, other.farthest, self.farthest)
        self.far_rows = np.where(beyond[:, None], other.far_rows, self.far_rows)

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Sizes, means, inertia about the trial's centres, and the row farthest from them, of the
        two sides of every trial in turn; of an empty side NaN means, and zeros."""
        ((sizes, means),) = self.clusters.result()
        return sizes, means, self.inertia.copy(), self.far_rows.copy()
