"""What the indices of a sweep say, in words for people."""

import itertools
import math
from collections.abc import Sequence

from streamclust.models.scored import Scores, is_known

# Column, sign that makes the largest the best, name for people.
_INDICES = (
    ("calinski_harabasz", 1, "Calinski-Harabasz"),
    ("davies_bouldin", -1, "Davies-Bouldin"),
    ("silhouette_simplified", 1, "simplified silhouette"),
)


def about_sweep(sweep: Sequence[Scores], sound: Sequence[Scores], best: Scores) -> list[str]:
    """What else to know of a sweep by ascending k, and of the one that is recommended of it."""
    told = []
    if len(sound) > 1:
        told += _votes(sound)
    values = [scores.get("calinski_harabasz", math.nan) for scores in sweep]
    if len(values) > 2 and all(b < a for a, b in itertools.pairwise(values)):
        told.append("Calinski-Harabasz falls with every further cluster: it says nothing about k")
    if is_known(best, "stability"):
        words = f"two halves of the rows agree on its labels to {best['stability']:.2f}"
        told.append(f"{words} (adjusted Rand)")
    return told


def _votes(sound: Sequence[Scores]) -> list[str]:
    """What each index alone would take."""
    told = []
    for column, sign, name in _INDICES:
        known = [(sign * s[column], s["n_clusters"]) for s in sound if is_known(s, column)]
        if known:
            told.append(f"{name} {max(known, key=lambda pair: pair[0])[1]}")
    return [f"alone, each index would take: {', '.join(told)}"] if told else []


def listed(numbers: Sequence[int]) -> str:
    """``[3, 5, 6, 7]`` as ``3, 5:7``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}:{r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)
