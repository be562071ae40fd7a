"""Rows that are kept of all: a uniform sample, of each cluster such as stand for it, and what a
transform makes of every row, for columns that are held whole anyway.

Samples are of bounded size, nested, and independent of blocks, order and workers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

from streamclust.passes.accumulators.clusters import SLICE_ROWS

# Constants of SplitMix64, the finaliser of java.util.SplittableRandom (Steele, Lea & Flood 2014,
# "Fast splittable pseudorandom number generators", OOPSLA).
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def priorities(numbers: np.ndarray, seed: int) -> np.ndarray:
    """A random 64-bit priority for each row number: a function of seed and number alone."""
    with np.errstate(over="ignore"):
        mixed = (numbers.astype(np.uint64) + np.uint64(seed) * _MIX_2 + np.uint64(1)) * _STEP
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        return mixed ^ (mixed >> np.uint64(31))


class UniformSample:
    """The `size` rows of least random priority (a bottom-k sample, without replacement).

    Its result is in order of priority, so its first m rows are themselves a uniform sample of
    size m: a sweep takes as many as each k asks for, and a k's share does not depend on the
    other k of the sweep.

    Parameters
    ----------
    size : int
        Rows to keep.
    seed : int
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.seed = seed
        self.keys = np.empty(0, np.uint64)
        self.columns: list[np.ndarray] = []

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See rows; the last extra holds their numbers (`Rows.numbered`)."""
        keys = priorities(extras[-1], self.seed)
        if len(keys) > self.size:
            taken = np.argpartition(keys, self.size)[: self.size]
        else:
            taken = np.arange(len(keys))
        if len(self.keys) == self.size:
            taken = taken[keys[taken] < self.keys[-1]]
        self._join(keys[taken], [column[taken] for column in (values, *extras)])

    def merge(self, other: Self) -> None:
        self._join(other.keys, other.columns)

    def _join(self, keys: np.ndarray, columns: list[np.ndarray]) -> None:
        if len(keys) == 0:
            return
        if self.columns:
            keys = np.concatenate([self.keys, keys])
            columns = [np.concatenate(pair) for pair in zip(self.columns, columns, strict=True)]
        order = np.argsort(keys)[: self.size]
        self.keys = keys[order]
        self.columns = [column[order] for column in columns]

    def result(self) -> list[np.ndarray]:
        """Values and extras (the row numbers last) of the sampled rows, by priority."""
        return self.columns


class Sampled(NamedTuple):
    """A uniform sample of each cluster: by cluster, then by random priority.

    The first m rows of a cluster are themselves a uniform sample of it.
    """

    labels: np.ndarray
    rows: np.ndarray
    distances: np.ndarray
    values: np.ndarray


class Bordering(NamedTuple):
    """Rows by cluster, then by `margin`: the difference of the distances to the own mean and to
    the nearest other one, as a part of their sum; `other` is the cluster of that."""

    labels: np.ndarray
    rows: np.ndarray
    margins: np.ndarray
    others: np.ndarray


class Farthest(NamedTuple):
    """Rows by cluster, then by distance to its mean, the farthest first."""

    labels: np.ndarray
    rows: np.ndarray
    distances: np.ndarray


class Picks(NamedTuple):
    """What `ClusterPicks` tells."""

    sample: Sampled
    border: Bordering
    far: Farthest


class ClusterPicks:
    """Of each cluster a uniform sample, the rows at its border, and those farthest from its mean.

    Memory is that of the rows kept: `nbytes`.

    Parameters
    ----------
    means : ndarray of shape (n_clusters, n_columns)
        Label means; NaN where a cluster has no rows.
    size : int
        Rows of the sample of each cluster, a bottom-k sample as `UniformSample`.
    n_extreme : int
        Rows at the border, and farthest rows, of each.
    seed : int
    """

    def __init__(self, means: np.ndarray, size: int, n_extreme: int, seed: int) -> None:
        self.means = np.asarray(means, np.float64)
        self.seed = seed
        self.sample, self.border, self.far = (LeastOfEach(n) for n in (size, n_extreme, n_extreme))

    def update(self, values: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> None:
        """See rows (n_rows, n_columns), their labels (n_rows,), below 0 in no cluster, and their
        numbers (n_rows,)."""
        inside = labels >= 0
        if not inside.all():
            values, labels, rows = values[inside], labels[inside], rows[inside]
        for start in range(0, len(values), SLICE_ROWS):
            piece = slice(start, start + SLICE_ROWS)
            self._see(values[piece], labels[piece], rows[piece])

    def _see(self, values: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> None:
        own = _distances(values, self.means[labels])
        others = _nearest_others(values, self.means, labels)
        away = np.full(len(values), np.inf)
        told = others >= 0
        away[told] = _distances(values[told], self.means[others[told]])
        with np.errstate(invalid="ignore", divide="ignore"):
            margins = np.where(told, np.abs(away - own) / (away + own), np.inf)
        # Where three means coincide the row is at the border.
        margins = np.nan_to_num(margins, nan=0.0, posinf=np.inf)
        keys = priorities(rows, self.seed)
        self.sample.add(labels, keys, rows, distances=own, values=values)
        self.border.add(labels, margins, rows, others=others)
        self.far.add(labels, -own, rows)

    def merge(self, other: Self) -> None:
        for mine, theirs in zip(self._kept(), other._kept(), strict=True):
            mine.join(theirs)

    def _kept(self) -> "tuple[LeastOfEach, LeastOfEach, LeastOfEach]":
        return self.sample, self.border, self.far

    def result(self) -> Picks:
        """The rows that are kept."""
        sample, border, far = self._kept()
        empty = np.empty(0)
        values = sample.columns.get("values", np.empty((0, self.means.shape[1])))
        distances = sample.columns.get("distances", empty)
        others = border.columns.get("others", empty.astype(np.int64))
        return Picks(
            Sampled(sample.labels, sample.rows, distances, values),
            Bordering(border.labels, border.rows, border.keys, others),
            Farthest(far.labels, far.rows, -far.keys),
        )

    @staticmethod
    def nbytes(n_clusters: int, n_columns: int, itemsize: int, size: int, n_extreme: int) -> int:
        """Memory of the rows kept, while two of these are joined."""
        sampled = size * (n_columns * itemsize + 32)
        return n_clusters * (3 * (sampled + 64 * n_extreme) + 8 * n_columns)


class LeastOfEach:
    """The rows of least key of each label, `size` at most; of equal keys the least row."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.labels = np.empty(0, np.int64)
        self.keys = np.empty(0)
        self.rows = np.empty(0, np.int64)
        self.columns: dict[str, np.ndarray] = {}

    def add(
        self, labels: np.ndarray, keys: np.ndarray, rows: np.ndarray, **columns: np.ndarray
    ) -> None:
        if not len(labels):
            return
        taken = self._promising(labels, keys)
        labels, keys, rows = labels[taken], keys[taken], rows[taken]
        columns = {name: column[taken] for name, column in columns.items()}
        if len(self.labels):
            labels, keys, rows = (
                np.concatenate(pair)
                for pair in ((self.labels, labels), (self.keys, keys), (self.rows, rows))
            )
            columns = {
                name: np.concatenate([self.columns[name], column])
                for name, column in columns.items()
            }
        order = np.lexsort((rows, keys, labels))
        ordered = labels[order]
        rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        kept = order[rank < self.size]
        self.labels, self.keys, self.rows = labels[kept].astype(np.int64), keys[kept], rows[kept]
        self.columns = {name: column[kept] for name, column in columns.items()}

    def _promising(self, labels: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Which rows may be among the least: most of a long pass are not."""
        counts = np.bincount(self.labels, minlength=int(labels.max()) + 1)
        full = counts >= self.size
        limits = np.zeros(len(counts), keys.dtype)
        ends = np.cumsum(counts)
        limits[full] = self.keys[ends[full] - 1]
        return np.flatnonzero(~full[labels] | (keys <= limits[labels]))

    def join(self, other: Self) -> None:
        self.add(other.labels, other.keys, other.rows, **other.columns)


def _distances(values: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Each row's to a mean of its own: summed by row, so that no cut of the rows changes a bit."""
    return np.sqrt(((values - means) ** 2).sum(axis=1))


def _nearest_others(values: np.ndarray, means: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The cluster of the nearest mean that is not the own; -1 where there is none."""
    occupied = np.flatnonzero(np.isfinite(means).all(axis=1))
    if len(occupied) < 2:
        return np.full(len(values), -1)
    shift = means[occupied].mean(axis=0)
    centers = means[occupied] - shift
    squared = np.einsum("ij,ij->i", centers, centers) - 2 * (values - shift) @ centers.T
    place = np.searchsorted(occupied, labels)
    squared[np.arange(len(values)), np.minimum(place, len(occupied) - 1)] = np.inf
    return occupied[squared.argmin(axis=1)]


class Collected:
    """The results of a transform, in the order of the rows, as an accumulator.

    Parameters
    ----------
    transform : callable
        As of `Passes.write`; called with blocks of rows and their extras; can be pickled.
    """

    def __init__(self, transform: Callable[..., tuple[np.ndarray, ...]]) -> None:
        self.transform = transform
        self._parts: list[tuple[np.ndarray, ...]] = []

    def __deepcopy__(self, memo: Any) -> Self:
        # A transform has no state that rows change: blocks' accumulators share it.
        other = type(self)(self.transform)
        other._parts = list(self._parts)
        return other

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See rows."""
        self._parts.append(self.transform(values, *extras))

    def merge(self, other: Self) -> None:
        self._parts += other._parts

    def result(self) -> tuple[np.ndarray, ...]:
        """What was made of all rows seen, an array a result; nothing where there were none."""
        return tuple(map(np.concatenate, zip(*self._parts, strict=True)))
