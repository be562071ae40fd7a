"""A uniform sample of bounded size, nested and independent of blocks, order and workers."""

from typing import Self

import numpy as np

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
