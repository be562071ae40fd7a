"""Which clustering of a sweep to recommend, by a written rule."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LARGEST_SHARE = 0.90
SMALLEST_SHARE = 0.001


@dataclass(frozen=True)
class Choice:
    """The recommended clustering, and what to know about it.

    Attributes
    ----------
    index : int or None
        Which of the clusterings; None where every one is degenerate.
    reasons : list of str
        In words, for people.
    warnings : list of str
        Where the choice should not be trusted without a look.
    """

    index: int | None
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def is_degenerate(scores: dict[str, Any]) -> bool:
    """Whether a split is none: one cluster above 90 % or one below 0.1 % of the rows."""
    return (
        scores["largest_cluster"] > LARGEST_SHARE
        or scores["smallest_cluster"] < SMALLEST_SHARE
        or scores["n_clusters"] < 2
    )


def recommend(clusterings: Sequence[dict[str, Any]]) -> Choice:
    """Recommend a clustering by Calinski-Harabasz, Davies-Bouldin and simplified silhouette.

    The rule: degenerate splits are refused; the others are ranked by each of the three indices,
    and the one with the least mean rank is recommended, the fewer clusters where two tie. A
    choice at either end of the sweep is reported as such: the best may lie beyond.

    Parameters
    ----------
    clusterings : sequence of dict
        Each with ``n_clusters``, ``calinski_harabasz``, ``davies_bouldin``,
        ``silhouette_simplified``, ``smallest_cluster`` and ``largest_cluster`` (shares).
    """
    sound = [i for i, scores in enumerate(clusterings) if not is_degenerate(scores)]
    warnings = _refusals(clusterings)
    if not sound:
        return Choice(None, warnings=[*warnings, "no clustering is recommended"])
    ranks = np.mean([_ranks(clusterings, sound, *index) for index in _INDICES], axis=0)
    ks = np.array([clusterings[i]["n_clusters"] for i in sound])
    order = np.lexsort((ks, ranks))
    best = sound[order[0]]
    k = clusterings[best]["n_clusters"]
    votes = _votes(clusterings, sound)
    reasons = [f"k = {k} has the best mean rank of {len(sound)} clusterings ({votes})"]
    if len(clusterings) == 1:
        reasons = [f"k = {k} is the only one computed"]
    elif len(sound) == 1:
        reasons = [f"k = {k} is the only one that is not refused"]
    return Choice(best, reasons, [*warnings, *_edges(clusterings, sound, k)])


def _refusals(clusterings: Sequence[dict[str, Any]]) -> list[str]:
    """Which clusterings are degenerate, and why."""
    causes = {
        f"a cluster above {LARGEST_SHARE:.0%} of the rows": True,
        f"a cluster below {SMALLEST_SHARE:.1%} of the rows (outliers?)": False,
    }
    told = []
    for cause, large in causes.items():
        ks = [
            scores["n_clusters"]
            for scores in clusterings
            if is_degenerate(scores) and (scores["largest_cluster"] > LARGEST_SHARE) == large
        ]
        if ks:
            told.append(f"k = {_listed(ks)}: {cause}, refused as degenerate")
    return told


def _edges(clusterings: Sequence[dict[str, Any]], sound: list[int], k: int) -> list[str]:
    """What to say where the choice lies at an end of what there was to choose from."""
    everything = [scores["n_clusters"] for scores in clusterings]
    allowed = [everything[i] for i in sound]
    if len(everything) == 1:
        return []
    if k == 2:
        return ["k = 2 is the least there can be: the indices see no finer structure"]
    if k in (min(everything), max(everything)):
        end = "lower" if k == min(everything) else "upper"
        return [f"k = {k} lies at the {end} end of the sweep: no optimum, widen --n-clusters"]
    if k in (min(allowed), max(allowed)) and len(allowed) > 1:
        end = "least" if k == min(allowed) else "largest"
        return [f"k = {k} is the {end} that is not refused: a better one may be among the refused"]
    return []


# Column, sign that makes the largest the best, name for people.
_INDICES = (
    ("calinski_harabasz", 1, "Calinski-Harabasz"),
    ("davies_bouldin", -1, "Davies-Bouldin"),
    ("silhouette_simplified", 1, "simplified silhouette"),
)


def _ranks(
    clusterings: Sequence[dict[str, Any]], sound: list[int], column: str, sign: int, name: str
) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata([-sign * clusterings[i][column] for i in sound])


def _listed(numbers: Sequence[int]) -> str:
    """``[3, 5, 6, 7]`` as ``3, 5:7``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}:{r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)


def _votes(clusterings: Sequence[dict[str, Any]], sound: list[int]) -> str:
    """What each index alone would have chosen."""
    votes = []
    for column, sign, name in _INDICES:
        best = max(sound, key=lambda i: sign * clusterings[i][column])
        votes.append(f"{name} alone: {clusterings[best]['n_clusters']}")
    return ", ".join(votes)
