"""What the indices of a sweep say, in words for people."""

import itertools
import math
from collections.abc import Sequence

from streamclust.choice.indices import Scores, is_known

# Column, sign that makes the largest the best, name for people.
_INDICES = (
    ("calinski_harabasz", 1, "Calinski-Harabasz"),
    ("davies_bouldin", -1, "Davies-Bouldin"),
    ("silhouette_simplified", 1, "simplified silhouette"),
    ("silhouette", 1, "silhouette"),
    ("stability", 1, "stability"),
    ("bic", -1, "BIC"),
)


def about_sweep(sweep: Sequence[Scores], sound: Sequence[Scores], best: Scores) -> list[str]:
    """What else to know of a sweep by ascending k, and of the one that is recommended of it."""
    told = []
    if len(sound) > 1:
        told += _votes(sound, best["n_clusters"])
    values = [scores.get("calinski_harabasz", math.nan) for scores in sweep]
    peak = max(range(len(values)), key=lambda i: values[i])
    falling = values[peak:]
    if len(falling) > max(2, len(values) / 2) and all(
        b < a for a, b in itertools.pairwise(falling)
    ):
        since = f" from k = {sweep[peak]['n_clusters']} on" if peak else ""
        told.append(
            f"Calinski-Harabasz falls with every further cluster{since}: it says nothing about k"
        )
    if is_known(best, "stability"):
        words = f"two halves of the rows agree on its labels to {best['stability']:.2f}"
        told.append(f"{words} (adjusted Rand)")
    return told


def _votes(sound: Sequence[Scores], k: int) -> list[str]:
    """What each index alone would take, and how many of them agree on k within one or 10 %."""
    taken = {}
    for column, sign, name in _INDICES:
        known = [(sign * s[column], s["n_clusters"]) for s in sound if is_known(s, column)]
        if known:
            taken[name] = max(known, key=lambda pair: pair[0])[1]
    if not taken:
        return []
    agreeing = [name for name, other in taken.items() if abs(other - k) <= max(1, 0.1 * k)]
    which = ", ".join(agreeing) or "none"
    each = ", ".join(f"{name} {other}" for name, other in taken.items())
    return [f"of the indices, each alone, {which} would take about k = {k} ({each})"]


def listed(numbers: Sequence[int]) -> str:
    """``[3, 5, 6, 7]`` as ``3, 5:7``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}:{r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)
