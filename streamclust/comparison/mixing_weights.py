"""The search for the weights of a mixture whose clusters keep most of each set, on a sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import MIB, Need
from streamclust.passes import Rows
from streamclust.passes.accumulators import UniformSample
from streamclust.steps import Job
from streamclust.store import recommended_clustering

STEP = "mixing weights"
SAMPLE_ROWS = 8192
# Clusters of the trial clusterings where no set has a recommendation.
_CLUSTERS = 24
_LEAST_ROWS_A_CLUSTER = 8
# A weight is doubled or halved in a step.
_STEP = 2.0
_MOST_ROUNDS = 8
_LEAST_GAIN = 0.002
_RESTARTS = 3


@dataclass(frozen=True)
class SharesKept:
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
        joined = [np.sqrt(w) * block for w, block in zip(weights, self.blocks, strict=True)]
        labels = self._labels(np.hstack(joined).astype(np.float32))
        return [explained(block, labels) for block in self.blocks]

    def alone(self, number: int) -> float:
        """The variance that clusters of one set alone explain."""
        block = self.blocks[number]
        return explained(block, self._labels(block.astype(np.float32)))

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
    neighbours: list[tuple[float, ...]] = []
    for number in range(len(weights)):
        for factor in (_STEP, 1 / _STEP):
            changed = list(weights)
            changed[number] *= factor
            neighbours.append(tuple(weight / changed[0] for weight in changed))
    return list(dict.fromkeys(neighbours))


def find_weights(job: Job, sets: Sequence[str]) -> tuple[list[float], dict[str, Any]]:
    """Weights at which the set that is served worst is served best, and what that came to.

    Raises
    ------
    SettingsError
        When a set is not reduced, or its rows are all equal.
    MemoryBudgetError
        When it does not fit the budget.
    """
    rows = [_reduced(job, name) for name in sets]
    needs = weight_needs(rows)
    with job.step(STEP, "+".join(sets), needs, rows[0].n_rows) as passes:
        drawn = UniformSample(SAMPLE_ROWS, job.settings.random_state)
        samples = [
            passes.reduce(f"sampling {name}", of_set.having(numbered=True), drawn).result()
            for name, of_set in zip(sets, rows, strict=True)
        ]
        numbers = [sample[-1] for sample in samples]
        common = set(numbers[0].tolist()).intersection(*(n.tolist() for n in numbers[1:]))
        blocks = [
            _unit_variance(name, sample[0][np.isin(sample[-1], list(common))])
            for name, sample in zip(sets, samples, strict=True)
        ]
        k = min(_n_clusters(job, sets), max(2, len(common) // _LEAST_ROWS_A_CLUSTER))
        kept = SharesKept(blocks, k, job.settings.random_state)
        alone = passes.map("clusters of each set", kept.alone, range(len(sets)), "set")

        def worst(choices: list[tuple[float, ...]]) -> list[float]:
            kept_shares = passes.map("weights", kept, choices, "choice")
            return [min(np.divide(shares, alone)) for shares in kept_shares]

        weights, best, equal = search_weights(worst, len(sets))
    about = {"n_clusters": k, "rows": len(common), "kept": best, "kept_by_equal": equal}
    job.events.note(
        f"weights of {', '.join(sets)}: {', '.join(f'{w:g}' for w in weights)}: the set served "
        f"worst keeps {best:.0%} of what clusters of its own explain ({equal:.0%} with equal ones)"
    )
    return list(weights), about


def weight_needs(rows: Sequence[Rows]) -> list[Need]:
    """Memory of the samples, and of a trial clustering's copies of them."""
    sample = sum(SAMPLE_ROWS * of_set.n_columns * 8 for of_set in rows)
    block = max(of_set.rows_a_block * of_set.n_columns * 8 for of_set in rows)
    return [
        Need(fixed=2 * sample, per_block=2 * block),
        Need(fixed=sample, per_block=2 * sample + 8 * MIB),
    ]


def _reduced(job: Job, name: str) -> Rows:
    if job.set(name).reduced is None:
        raise SettingsError(
            f"{name} is not reduced yet, which a search for weights takes: run streamclust "
            "reduce first, or name the weights"
        )
    return job.set(name).rows()


def _unit_variance(name: str, values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0, dtype=np.float64)
    length = np.sqrt(np.einsum("ij,ij->", centred, centred) / len(centred))
    if not length > 0:
        raise SettingsError(f"{name}: all rows are equal: leave the set out of the mixture")
    return centred / length


def _n_clusters(job: Job, sets: Sequence[str]) -> int:
    """The median of the sets' recommended numbers."""
    chosen = [recommended_clustering(job.workspace, name) for name in sets]
    numbers = [clustering.n_clusters for clustering in chosen if clustering is not None]
    return int(np.median(numbers)) if numbers else _CLUSTERS
