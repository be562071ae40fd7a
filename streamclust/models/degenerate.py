"""Splits that are none, whatever their scores."""

from collections.abc import Sequence

from streamclust.models.choice_words import listed
from streamclust.models.scored import Scores, algorithm_of

LARGEST_SHARE = 0.90
SMALLEST_SHARE = 0.001
LARGEST_TINY = 0.10
LARGEST_NOISE = 0.50

_LARGE = f"a cluster above {LARGEST_SHARE:.0%} of the rows"
_TINY = (
    f"more than {LARGEST_TINY:.0%} of the clusters are below {SMALLEST_SHARE:.1%} of the rows "
    "(outliers?)"
)
_NOISE = f"more than {LARGEST_NOISE:.0%} of the rows are noise"
_FEW = "fewer than two clusters"


def is_degenerate(scores: Scores) -> bool:
    """Whether a split is none: one cluster above 90 % of the rows, more than a tenth of the
    clusters below 0.1 %, or most rows noise."""
    return _cause(scores) is not None


def refusals(clusterings: Sequence[Scores]) -> list[str]:
    """Which clusterings are degenerate, and why, in words."""
    told = []
    for name in dict.fromkeys(map(algorithm_of, clusterings)):
        own = [s for s in clusterings if algorithm_of(s) == name]
        for cause in (_LARGE, _TINY, _NOISE, _FEW):
            ks = [s["n_clusters"] for s in own if _cause(s) == cause]
            if ks:
                several = len(own) < len(clusterings)
                who = f"{name}, k = {listed(ks)}" if several else f"k = {listed(ks)}"
                told.append(f"{who}: {cause}, refused as degenerate")
    return told


def _cause(scores: Scores) -> str | None:
    """Why a split is degenerate."""
    if scores["n_clusters"] < 2:
        return _FEW
    if scores["largest_cluster"] > LARGEST_SHARE:
        return _LARGE
    if (scores.get("noise") or 0) > LARGEST_NOISE:
        return _NOISE
    if scores["smallest_cluster"] >= SMALLEST_SHARE:
        return None
    sizes = scores.get("sizes")
    if sizes is None:
        return _TINY
    tiny = sum(size < SMALLEST_SHARE * sum(sizes) for size in sizes)
    return _TINY if tiny > LARGEST_TINY * len(sizes) else None
