"""Weights of a mixture, by what its clusters keep of each set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# A weight is doubled or halved in a step.
_STEP = 2.0
_MOST_ROUNDS = 8
_LEAST_GAIN = 0.002
_RESTARTS = 3


@dataclass(frozen=True)
class Kept:
    """How well the clusters of a mixture serve the set that they serve worst.

    The mixture's rows are clustered by k-means; in the space of each set the variance that these
    clusters explain is compared with what as many clusters of the set alone explain.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_rows, n_columns)
        Sampled rows of each set, centred, their variances summing to 1.
    n_clusters : int
    seed : int
    """

    blocks: Sequence[np.ndarray]
    n_clusters: int
    seed: int

    def __call__(self, weights: Sequence[float]) -> list[float]:
        """The share that each set keeps, for one choice of weights."""
        joined = [np.sqrt(w) * own for w, own in zip(weights, self.blocks, strict=True)]
        labels = self._labels(np.hstack(joined).astype(np.float32))
        return [explained(own, labels) for own in self.blocks]

    def alone(self, number: int) -> float:
        """The variance that clusters of one set alone explain."""
        own = self.blocks[number]
        return explained(own, self._labels(own.astype(np.float32)))

    def _labels(self, values: np.ndarray) -> np.ndarray:
        from sklearn.cluster import KMeans

        model = KMeans(self.n_clusters, n_init=_RESTARTS, random_state=self.seed)
        return model.fit(values).labels_


def explained(values: np.ndarray, labels: np.ndarray) -> float:
    """Share of the variance of centred rows that the means of labels explain."""
    k = int(labels.max()) + 1
    sizes = np.bincount(labels, minlength=k)
    sums = np.zeros((k, values.shape[1]))
    np.add.at(sums, labels, values)
    total = float(np.einsum("ij,ij->", values, values, dtype=np.float64))
    between = (np.einsum("ij,ij->i", sums, sums) / np.maximum(sizes, 1)).sum()
    return float(between / total)


def search_weights(
    worst: Callable[[list[tuple[float, ...]]], list[float]], n_sets: int
) -> tuple[tuple[float, ...], float, float]:
    """Double or halve one weight after the other as long as that serves the worst-served set.

    Parameters
    ----------
    worst : callable
        For a list of choices of weights, what the set that each serves worst keeps.
    n_sets : int

    Returns
    -------
    weights : tuple of float
        The first one is 1.
    kept, kept_equal : float
        What the worst-served set keeps with them, and with equal weights.
    """
    weights = (1.0,) * n_sets
    seen: dict[tuple[float, ...], float] = dict(zip([weights], worst([weights]), strict=True))
    equal = seen[weights]
    for _ in range(_MOST_ROUNDS):
        beside = [w for w in _neighbours(weights) if w not in seen]
        if beside:
            seen |= dict(zip(beside, worst(beside), strict=True))
        best = max(_neighbours(weights), key=lambda w: seen[w])
        if seen[best] < seen[weights] + _LEAST_GAIN:
            break
        weights = best
    return weights, seen[weights], equal


def _neighbours(weights: tuple[float, ...]) -> list[tuple[float, ...]]:
    found: list[Any] = []
    for number in range(len(weights)):
        for factor in (_STEP, 1 / _STEP):
            changed = list(weights)
            changed[number] *= factor
            found.append(tuple(weight / changed[0] for weight in changed))
    return list(dict.fromkeys(found))
