"""Which algorithm's best clustering to recommend: algorithms are compared at the same k."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streamclust.choice.indices import Scores, algorithm_of, is_known, of_all_rows

_SAMPLED = ("silhouette", "silhouette_low", "silhouette_high")
_EXACT = ("silhouette_simplified",) * 3


def winner(sound: Sequence[Scores], bests: dict[str, Scores]) -> tuple[str, str]:
    """The algorithm that wins most duels, and why in words.

    Of two algorithms, that wins whose silhouette is larger beyond the intervals of both; where they
    overlap, that whose stability times its balance is larger: one giant cluster among slivers is
    stable, and of no use. Balance is the effective number of clusters, of k. All are means over the
    k of the two bests that both algorithms have; where they have none in common, the clusterings
    nearest to these k are compared. Of several that win as many, the one that wins by the larger
    silhouettes is taken.

    Parameters
    ----------
    sound : sequence of dict
        All clusterings that may be recommended, as `choice.recommend` takes them.
    bests : dict of str to dict
        The best of each algorithm.
    """
    sweeps = {name: [s for s in sound if algorithm_of(s) == name] for name in bests}
    duels = {
        name: {other: _duel(sweeps, bests, name, other) for other in bests if other != name}
        for name in sorted(bests)
    }

    def worth(name: str) -> tuple[int, float]:
        own = duels[name].values()
        return sum(not duel.is_lost for duel in own), sum(duel.lead for duel in own)

    best = max(duels, key=worth)
    return best, _words(best, duels[best])


@dataclass(frozen=True)
class _Duel:
    """Two algorithms at the same k: (mean, low, high) silhouettes, stability and balance."""

    own: np.ndarray
    other: np.ndarray
    own_use: tuple[float, float]
    other_use: tuple[float, float]

    @property
    def is_tie(self) -> bool:
        """Whether the silhouettes' intervals overlap."""
        return bool(self.own[1] <= self.other[2] and self.other[1] <= self.own[2])

    @property
    def is_lost(self) -> bool:
        uses = math.prod(self.own_use), math.prod(self.other_use)
        if self.is_tie and not math.isnan(sum(uses)):
            return uses[1] > uses[0]
        return self.lead < 0

    @property
    def lead(self) -> float:
        """By how much the silhouette is larger than the other's."""
        return float(self.own[0] - self.other[0])


def _duel(sweeps: dict[str, list[Scores]], bests: dict[str, Scores], own: str, other: str) -> _Duel:
    pair = own, other
    ks = {bests[name]["n_clusters"] for name in pair}
    common = [k for k in ks if all(any(s["n_clusters"] == k for s in sweeps[n]) for n in pair)]
    compared = [[_nearest(sweeps[name], k) for k in sorted(common or ks)] for name in pair]
    sampled = all(is_known(s, column) for of in compared for s in of for column in _SAMPLED)
    columns = _SAMPLED if sampled else _EXACT
    return _Duel(
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


def _words(held: str, duels: dict[str, _Duel]) -> str:
    """What speaks for the winner, and against it, beside each other algorithm."""
    told: dict[str, list[str]] = {}
    for name, duel in duels.items():
        if not duel.is_tie:
            larger = "larger" if duel.own[0] > duel.other[0] else "smaller"
            words = f"{name} ({duel.own[0]:.3f} to {duel.other[0]:.3f})"
            told.setdefault(f"its silhouette is {larger} than that of", []).append(words)
        else:
            told.setdefault("as large, within intervals, as that of", []).append(
                f"{name} ({_pair('stability', duel, 0)}{_pair(', balance', duel, 1)})"
            )
    parts = [f"{what} {', '.join(names)}" for what, names in told.items()]
    return f"{held} is taken of the algorithms, compared at the same k: {'; '.join(parts)}"


def _pair(what: str, duel: _Duel, number: int) -> str:
    pair = duel.own_use[number], duel.other_use[number]
    return (
        f"{what} not known" if math.isnan(sum(pair)) else f"{what} {pair[0]:.2f} to {pair[1]:.2f}"
    )
