"""Whose best clustering to recommend of several algorithms, which are compared at the same k."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.choice.remarks import Remark, remark

Scores = dict[str, Any]

_SAMPLED = ("silhouette", "silhouette_low", "silhouette_high")
_EXACT = ("silhouette_simplified",) * 3


def best_algorithm(sound: Sequence[Scores], bests: dict[str, Scores]) -> tuple[str, Remark]:
    """The algorithm that is better than most others, and why.

    Of two algorithms, that is better whose silhouette is larger beyond the intervals of both; where
    they overlap, that whose stability times its balance is larger: one giant cluster among slivers
    is stable, and of no use. Balance is the effective number of clusters, of k. All are means over
    the k of the two bests that both algorithms have; where they have none in common, the
    clusterings nearest to these k are compared. Of several that are better than as many, the one
    that is so by the larger silhouettes is taken.

    Parameters
    ----------
    sound : sequence of dict
        All clusterings that may be recommended, as `choice.recommend` takes them.
    bests : dict of str to dict
        The best of each algorithm.
    """
    sweeps = {name: [s for s in sound if algorithm_of(s) == name] for name in bests}
    compared = {
        name: {other: _compare(sweeps, bests, name, other) for other in bests if other != name}
        for name in sorted(bests)
    }

    def worth(name: str) -> tuple[int, float]:
        others = compared[name].values()
        return sum(not one.is_worse for one in others), sum(one.lead for one in others)

    best = max(compared, key=worth)
    return best, _why(best, compared[best])


@dataclass(frozen=True)
class _Comparison:
    """Two algorithms at the same k: (mean, low, high) silhouettes, stability and balance."""

    silhouette: np.ndarray
    of_other: np.ndarray
    use: tuple[float, float]
    use_of_other: tuple[float, float]

    @property
    def is_tie(self) -> bool:
        """Whether the silhouettes' intervals overlap."""
        mine, other = self.silhouette, self.of_other
        return bool(mine[1] <= other[2] and other[1] <= mine[2])

    @property
    def is_worse(self) -> bool:
        uses = math.prod(self.use), math.prod(self.use_of_other)
        if self.is_tie and not math.isnan(sum(uses)):
            return uses[1] > uses[0]
        return self.lead < 0

    @property
    def lead(self) -> float:
        """By how much the silhouette is larger than the other's."""
        return float(self.silhouette[0] - self.of_other[0])


def _compare(
    sweeps: dict[str, list[Scores]], bests: dict[str, Scores], name: str, other: str
) -> _Comparison:
    pair = name, other
    ks = {bests[one]["n_clusters"] for one in pair}
    common = [k for k in ks if all(any(s["n_clusters"] == k for s in sweeps[n]) for n in pair)]
    compared = [[_nearest(sweeps[one], k) for k in sorted(common or ks)] for one in pair]
    sampled = all(is_known(s, column) for of in compared for s in of for column in _SAMPLED)
    columns = _SAMPLED if sampled else _EXACT
    return _Comparison(
        *(np.mean([[of_all_rows(s, c) for c in columns] for s in of], axis=0) for of in compared),
        *((_mean_of(of, _stability), _mean_of(of, _balance)) for of in compared),
    )


def _mean_of(clusterings: Sequence[Scores], value: Callable[[Scores], float]) -> float:
    return float(np.mean([value(scores) for scores in clusterings]))


def _stability(scores: Scores) -> float:
    return float(scores["stability"]) if is_known(scores, "stability") else math.nan


def _balance(scores: Scores) -> float:
    known = is_known(scores, "effective_clusters")
    return scores["effective_clusters"] / scores["n_clusters"] if known else 1.0


def _nearest(sweep: Sequence[Scores], k: int) -> Scores:
    return min(sweep, key=lambda scores: (abs(scores["n_clusters"] - k), scores["n_clusters"]))


def _why(best: str, compared: dict[str, _Comparison]) -> Remark:
    """What speaks for the best, and against it, beside each other algorithm."""
    others: dict[str, list[Remark]] = {}
    for name, one in compared.items():
        if one.is_tie:
            uses = (_pair(what, one, i) for i, what in enumerate(("stability", "balance")))
            why = dict(zip(("stability", "balance"), uses, strict=True))
            others.setdefault("alike", []).append(remark("by-use", algorithm=name, **why))
        else:
            mine, other = float(one.silhouette[0]), float(one.of_other[0])
            by = remark("by-silhouette", algorithm=name, own=mine, other=other)
            others.setdefault("larger" if mine > other else "smaller", []).append(by)
    parts = [remark(code, others=those) for code, those in others.items()]
    return remark("algorithm", algorithm=best, compared=parts)


def _pair(what: str, compared: _Comparison, number: int) -> Remark:
    mine, other = compared.use[number], compared.use_of_other[number]
    if math.isnan(mine + other):
        return remark(f"{what}-unknown")
    return remark(what, own=float(mine), other=float(other))


def is_known(scores: Scores, column: str) -> bool:
    """Whether there is a number in a column."""
    value = scores.get(column)
    return value is not None and not math.isnan(value)


def algorithm_of(scores: Scores) -> str:
    """The algorithm's name; k-means where none is told."""
    return str(scores.get("algorithm", "kmeans"))


def of_all_rows(scores: Scores, column: str) -> float:
    """A mean silhouette of all rows, noise counting 0; the least there is where it is not known."""
    if not is_known(scores, column):
        return -1.0
    return float(scores[column]) * (1 - (scores.get("noise") or 0.0))
