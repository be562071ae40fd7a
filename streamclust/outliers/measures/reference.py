"""Distances to random reference samples: groups of alike outliers cannot hide from them; and
membership in a small group far from the others, which these tell."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from streamclust.outliers.measures.base import (
    FittedMeasure,
    InductiveColumns,
    MeasureColumn,
    MeasureInputs,
    ScaledColumns,
)
from streamclust.outliers.scores import RobustScale
from streamclust.passes import Passes, Rows, Transform
from streamclust.passes.accumulators import UniformSample
from streamclust.settings import Settings

# The columns of the near and the far distances.
NEAR, FAR = "reference", "reference_far"

SAMPLE_SIZE = 500
N_SAMPLES = 10
NEAR_SHARE, FAR_SHARE = 0.01, 0.05

PIECE_ROWS = 512

GAP = "reference_gap"


class ReferenceSamples:
    """Independent uniform samples of the rows, as an accumulator.

    Parameters
    ----------
    size : int
        Rows of a sample; all rows where there are fewer.
    draws : int
        How many samples.
    seed : int
    """

    def __init__(self, size: int = SAMPLE_SIZE, draws: int = N_SAMPLES, seed: int = 0) -> None:
        self.samples = [UniformSample(size, seed * draws + draw) for draw in range(draws)]

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See rows; the last extra holds their numbers (`Rows.numbered`)."""
        for sample in self.samples:
            sample.update(values, extras[-1])

    def merge(self, other: Self) -> None:
        for mine, others in zip(self.samples, other.samples, strict=True):
            mine.merge(others)

    def result(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each sample, the rows (size, n_columns) and their numbers (size,)."""
        return [(rows, numbers) for rows, numbers in (s.result() for s in self.samples)]


class ReferenceDistances:
    """Mean over the samples of the distance to the kth nearest row of each, for two k.

    A row among the samples is not its own reference. The *near* distance (k is 1 % of a sample)
    is the outlier score of Sugiyama & Borgwardt [1]_ with k above 1: of a group of alike rows a
    sample holds its share only, so k of 1 % sees through all groups smaller than that. The *far*
    distance (k is 5 %) is large for every member of a small far group however tight that is; it
    is a distance to a measure [2]_ of mass 5 %.

    Parameters
    ----------
    samples : list of (rows, numbers)
        As `ReferenceSamples.result` gives them; two rows each at least.
    near : int, optional
        The near k in place of 1 %; one less than the rows of a sample at most.

    References
    ----------
    .. [1] Sugiyama, M. & Borgwardt, K. (2013). Rapid distance-based outlier detection via
       sampling. NeurIPS 26.
    .. [2] Chazal, F., Cohen-Steiner, D. & Merigot, Q. (2011). Geometric inference for probability
       measures. Foundations of Computational Mathematics 11(6).
    """

    def __init__(
        self, samples: list[tuple[np.ndarray, np.ndarray]], near: int | None = None
    ) -> None:
        self.size = len(samples[0][0])
        others = self.size - 1  # One of the sample may be the row itself.
        self.near = min(near or max(1, round(NEAR_SHARE * self.size)), others)
        self.far = max(self.near, min(round(FAR_SHARE * self.size), others))
        rows = np.concatenate([rows for rows, _ in samples])
        # About the middle, squared lengths are small and their differences keep their digits.
        self.center = rows.mean(axis=0, dtype=np.float64).astype(rows.dtype)
        self.rows = rows - self.center
        self.lengths = np.einsum("ij,ij->i", self.rows, self.rows)
        numbers = np.concatenate([numbers for _, numbers in samples])
        self.order = np.argsort(numbers, kind="stable")
        self.numbers = numbers[self.order]

    @property
    def n_samples(self) -> int:
        return len(self.rows) // self.size

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        """Give the near and far distances (n_rows,), float32; the last extra numbers the rows."""
        near, far = np.empty((2, len(values)), np.float32)
        doubled = np.ascontiguousarray(-2 * self.rows.T)
        for start in range(0, len(values), PIECE_ROWS):
            part = slice(start, start + PIECE_ROWS)
            rows = values[part] - self.center
            squared = rows @ doubled
            squared += self.lengths
            squared += np.einsum("ij,ij->i", rows, rows)[:, None]
            for row, column in self._own(extras[-1][part]):
                squared[row, column] = np.inf
            # A whole sort is the faster selection here: numpy sorts short rows by vectors.
            squared = squared.reshape(len(rows), self.n_samples, self.size)
            squared.sort(axis=2)
            for out, k in ((near, self.near), (far, self.far)):
                out[part] = np.sqrt(np.maximum(squared[:, :, k - 1], 0)).mean(axis=1)
        return near, far

    def _own(self, numbers: np.ndarray) -> Iterator[tuple[int, int]]:
        """Which of the rows stands where among the references."""
        first = np.searchsorted(self.numbers, numbers, "left")
        last = np.searchsorted(self.numbers, numbers, "right")
        for row in np.flatnonzero(last > first):
            for place in range(first[row], last[row]):
                yield int(row), int(self.order[place])

    @staticmethod
    def nbytes(n_columns: int, itemsize: int) -> int:
        """Bytes held beside a block at the peak of a call, state included."""
        return itemsize * SAMPLE_SIZE * N_SAMPLES * (3 * n_columns + 2 * PIECE_ROWS + 8)


def reference_gap(near: np.ndarray, far: np.ndarray, floor: float) -> np.ndarray:
    """How much denser it is about a row than farther off: the far reference distance over the near
    one, of which what is smaller than `floor` (that of its `RobustScale`) counts as that: rows that
    are there many times over have a near distance of 0."""
    return far / np.maximum(near, floor)


class Reference(InductiveColumns):
    """The near distance to reference samples; the far one is kept for others."""

    version = 1
    depends_on = ("random_state",)
    columns = (MeasureColumn(NEAR), MeasureColumn(FAR))
    weight = 1.0
    title = "reference distances"

    def block_bytes(self, rows: Rows, n_neighbors: int) -> int:
        return ReferenceDistances.nbytes(rows.n_columns, rows.itemsize)

    def fit(self, inputs: MeasureInputs, settings: Settings, passes: Passes) -> FittedMeasure:
        samples = ReferenceSamples(seed=settings.random_state)
        numbered = inputs.rows.having(numbered=True)
        drawn = passes.reduce("drawing references", numbered, samples).result()
        rows, numbers = map(np.concatenate, zip(*drawn, strict=True))
        return FittedMeasure({"references": rows, "numbers": numbers}, {"size": len(drawn[0][0])})

    def transform(self, fitted: FittedMeasure) -> Transform:
        rows, numbers = fitted.arrays["references"], fitted.arrays["numbers"]
        size = int(fitted.attributes["size"])
        parts = [slice(start, start + size) for start in range(0, len(rows), size)]
        return ReferenceDistances([(rows[part], numbers[part]) for part in parts])


class MicroCluster(ScaledColumns):
    """Far from 5 % of all rows, yet in company: the lesser of the robust z of the far reference
    distance, and of its ratio to the near one."""

    version = 1
    reads = (NEAR, FAR)
    weight = 1 / 9

    def scales(self, columns: Mapping[str, Any]) -> dict[str, RobustScale]:
        near, far = columns[NEAR][...], columns[FAR][...]
        return {GAP: RobustScale.of(reference_gap(near, far, RobustScale.of(near).floor))}

    def z(self, columns: Mapping[str, np.ndarray], scales: Mapping[str, RobustScale]) -> np.ndarray:
        near, far = columns[NEAR], columns[FAR]
        gap = scales[GAP].z(reference_gap(near, far, scales[NEAR].floor))
        near, far = scales[NEAR].z(near), scales[FAR].z(far)
        return np.where(np.isnan(near), near, np.minimum(far, gap))
