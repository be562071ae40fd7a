"""What the indices of a sweep say, in words for people."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

# Column, sign that makes the largest the best, name for people.
_INDICES = (
    ("calinski_harabasz", 1, "Calinski-Harabasz"),
    ("davies_bouldin", -1, "Davies-Bouldin"),
    ("silhouette_simplified", 1, "simplified silhouette"),
)


def algorithm_of(scores: dict[str, Any]) -> str:
    """The algorithm's name; k-means where none is told."""
    return str(scores.get("algorithm", "kmeans"))


def votes(clusterings: Sequence[dict[str, Any]]) -> str:
    """What each index alone would have chosen of the clusterings."""
    told = []
    for column, sign, name in _INDICES:
        known = [s for s in clusterings if not math.isnan(s.get(column, math.nan))]
        if known:
            best = max(known, key=lambda s: sign * s[column])
            told.append(f"{name} alone: {best['n_clusters']}")
    return ", ".join(told)


def about_sweep(sweep: Sequence[dict[str, Any]], best: dict[str, Any]) -> list[str]:
    """What else to know of a sweep, and of the one that is recommended of it."""
    told = []
    by_k = sorted(sweep, key=lambda s: s["n_clusters"])
    values = [s.get("calinski_harabasz", math.nan) for s in by_k]
    if len(values) > 2 and all(b < a for a, b in itertools.pairwise(values)):
        told.append("Calinski-Harabasz falls with every further cluster: it says nothing about k")
    stability = best.get("stability")
    if stability is not None and not math.isnan(stability):
        told.append(
            f"two halves of the rows agree on its labels to {stability:.2f} (adjusted Rand)"
        )
    return told


def listed(numbers: Sequence[int]) -> str:
    """``[3, 5, 6, 7]`` as ``3, 5:7``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}:{r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)
