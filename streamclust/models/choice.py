"""Which clustering of a set to recommend, by a written rule."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from streamclust.models.choice_words import about_sweep, algorithm_of, listed, votes
from streamclust.models.structureless import is_gap

# With fewer, borders do not tell how many clusters there are.
LEAST_SEPARATED = 3
SEPARATED_SHARE = 2 / 3
# Of the most separated clusters: what a few more of, by chance or of outliers, do not outweigh.
AS_MANY = 0.95
# A mixture of which hardly any components were merged has too few to tell the number of groups.
HARDLY_MERGED = 0.9
LARGEST_SHARE = 0.90
SMALLEST_SHARE = 0.001
LARGEST_TINY = 0.10
LARGEST_NOISE = 0.50
# Below it, most pairs of rows that one half joins the other parts.
LEAST_STABILITY = 0.35

Scores = dict[str, Any]


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
    structure : bool or None
        Whether the data hold clusters at all; None where nothing was passed that could tell.
    edge : {"lower", "upper"} or None
        The end of the sweep at which the recommended k lies, if it does.
    """

    index: int | None
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    structure: bool | None = None
    edge: Literal["lower", "upper"] | None = None


def is_degenerate(scores: Scores) -> bool:
    """Whether a split is none: one cluster above 90 % of the rows, more than a tenth of the
    clusters below 0.1 %, or most rows noise."""
    return _cause(scores) is not None


def recommend(clusterings: Sequence[Scores]) -> Choice:
    """Recommend one clustering.

    The rule: degenerate splits are refused. Of the others of an algorithm, that with the most
    separated clusters is the best; of those within 5 % of the most, the one of the fewest clusters,
    unless their number rises to the largest k, and none there is tiny.
    Where less than two thirds of its clusters are separated, or less than three, groups overlap:
    the best is that of as many clusters as a mixture finds groups; where that is not known or
    hardly any of its components were merged, that of the most separated clusters if there are
    three, or else that of the largest simplified silhouette. Of the best of several algorithms,
    the one with the largest silhouette is recommended, noise counting 0.

    Data are without structure where no two clusters are separated, and no gap to structureless
    data is more than chance. There, too, a clustering is recommended: it divides the rows into
    parts of alike ones, which may be of use; but a warning says that there are no groups.

    Parameters
    ----------
    clusterings : sequence of dict
        Each with ``n_clusters``, ``smallest_cluster`` and ``largest_cluster`` (shares) and
        ``silhouette_simplified``. What else is known is used, and may be missing or NaN:
        ``algorithm``, ``calinski_harabasz``, ``davies_bouldin``, ``sizes``, ``noise`` (share),
        ``silhouette`` (sampled), ``separated``, ``groups`` (`evidence`), ``gap``, ``gap_error``
        (`structureless`), ``stability``.
    """
    sound = [i for i, scores in enumerate(clusterings) if not is_degenerate(scores)]
    warnings = _refusals(clusterings)
    structure = _structure(clusterings)
    if not sound:
        return Choice(None, [], [*warnings, "no clustering is recommended"], structure)
    best, why = _best_of_all(clusterings, sound)
    own = [i for i in sound if algorithm_of(clusterings[i]) == algorithm_of(clusterings[best])]
    sweep = [s for s in clusterings if algorithm_of(s) == algorithm_of(clusterings[best])]
    told, edge = _edges(sweep, [clusterings[i]["n_clusters"] for i in own], clusterings[best])
    if structure is False:
        warnings.insert(
            0,
            "no structure: no clusters are set off from each other, and none are tighter than "
            "those of structureless data; the recommended labels divide rows, they find no groups",
        )
    elif _known(clusterings[best], "separated"):
        told += _overlap(clusterings[best]["separated"], clusterings[best]["n_clusters"])
    if _known(clusterings[best], "stability") and clusterings[best]["stability"] < LEAST_STABILITY:
        told.append(
            f"its labels are not stable: two halves of the rows agree on them to "
            f"{clusterings[best]['stability']:.2f} (adjusted Rand), other rows would give others"
        )
    reasons = [*why, *about_sweep(sweep, clusterings[best])]
    if len(own) > 1:
        reasons[0] += f" ({votes([clusterings[i] for i in own])})"
    return Choice(best, reasons, [*warnings, *told], structure, edge)


def _best_of_all(clusterings: Sequence[Scores], sound: list[int]) -> tuple[int, list[str]]:
    """The recommended of the sound clusterings, and why."""
    algorithms = list(dict.fromkeys(algorithm_of(clusterings[i]) for i in sound))
    best: dict[str, tuple[int, str]] = {}
    for name in algorithms:
        own = [i for i in sound if algorithm_of(clusterings[i]) == name]
        best[name] = _best_k(clusterings, own)
    if len(best) == 1:
        index, why = best[algorithms[0]]
        k = clusterings[index]["n_clusters"]
        if len(clusterings) == 1:
            return index, [f"k = {k} is the only one computed"]
        if len(sound) == 1:
            return index, [f"k = {k} is the only one that is not refused"]
        return index, [why]
    column = "silhouette"
    if not all(_known(clusterings[i], column) for i, _ in best.values()):
        column = "silhouette_simplified"
    worth = {name: _silhouette(clusterings[i], column) for name, (i, _) in best.items()}
    winner = max(algorithms, key=lambda name: worth[name])
    index, why = best[winner]
    kind = "simplified silhouette" if column == "silhouette_simplified" else "silhouette"
    compared = ", ".join(
        f"{name} (k = {clusterings[i]['n_clusters']}) {worth[name]:.3f}"
        for name, (i, _) in best.items()
    )
    return index, [
        why,
        f"of each algorithm's best k, that of {winner} has the largest {kind}: {compared}",
    ]


def _silhouette(scores: Scores, column: str) -> float:
    """Mean silhouette of all rows, noise counting 0; the least there is where it is not known."""
    value = scores[column] if _known(scores, column) else -1.0
    return value * (1 - (scores.get("noise") or 0.0))


def _best_k(clusterings: Sequence[Scores], own: list[int]) -> tuple[int, str]:
    """The best clustering of one algorithm by the rule, and why."""
    own = sorted(own, key=lambda i: clusterings[i]["n_clusters"])
    sweep = [clusterings[i] for i in own]
    best = clearest(sweep)
    if best is not None and _still_rises(sweep):
        best = len(sweep) - 1
    if best is None:
        groups = _groups(sweep)
        if groups is not None:
            distances = [abs(s["n_clusters"] - groups) for s in sweep]
            best = distances.index(min(distances))
            k = sweep[best]["n_clusters"]
            return (
                own[best],
                f"groups overlap: a Gaussian mixture finds {groups} at most, k = {k} is nearest",
            )
        best = _most_separated(sweep)
    if best is not None and sweep[best]["separated"] >= LEAST_SEPARATED:
        number, k = sweep[best]["separated"], sweep[best]["n_clusters"]
        return own[best], f"k = {k} has the most separated clusters: {number} of its {k}"
    index = max(own, key=lambda i: _silhouette(clusterings[i], "silhouette_simplified"))
    return index, f"k = {clusterings[index]['n_clusters']} has the largest simplified silhouette"


def clearest(sweep: Sequence[Scores]) -> int | None:
    """Which clustering has the most separated clusters; None where too few are separated."""
    best = _most_separated(sweep)
    if best is None:
        return None
    least = max(LEAST_SEPARATED, SEPARATED_SHARE * sweep[best]["n_clusters"])
    return best if sweep[best]["separated"] >= least else None


def _still_rises(sweep: Sequence[Scores]) -> bool:
    """Whether the largest k, with no outliers' clusters, has more separated ones than any other."""
    counts = [scores["separated"] for scores in sweep if _known(scores, "separated")]
    rises = len(counts) == len(sweep) > 1 and counts[-1] > max(counts[:-1])
    return rises and sweep[-1]["smallest_cluster"] >= SMALLEST_SHARE


def _most_separated(sweep: Sequence[Scores]) -> int | None:
    """The fewest clusters of which about as many are separated as of any."""
    known = [i for i, scores in enumerate(sweep) if _known(scores, "separated")]
    if not known:
        return None
    enough = AS_MANY * max(sweep[i]["separated"] for i in known)
    several = [i for i in known if sweep[i]["separated"] >= enough]
    return min(several, key=lambda i: sweep[i]["n_clusters"])


def _groups(sweep: Sequence[Scores]) -> int | None:
    """Groups of the mixture that began with the most clusters, where it tells."""
    fitted = [scores for scores in sweep if _known(scores, "groups")]
    if not fitted:
        return None
    most = max(fitted, key=lambda scores: scores["n_clusters"])
    return int(most["groups"]) if most["groups"] <= HARDLY_MERGED * most["n_clusters"] else None


def _overlap(separated: int, k: int) -> list[str]:
    """What to say where most clusters run into each other."""
    if separated >= k / 2:
        return []
    words = f"only {separated} of the {k} clusters are set off from their neighbours"
    return [f"{words}: groups overlap, and other k may serve as well"]


def _structure(clusterings: Sequence[Scores]) -> bool | None:
    """Whether there are clusters at all, as far as it is known."""
    if any(_known(s, "separated") and s["separated"] >= 2 for s in clusterings):
        return True
    gaps = [s for s in clusterings if _known(s, "gap") and _known(s, "gap_error")]
    if not gaps:
        return None
    return any(is_gap(s["gap"], s["gap_error"]) for s in gaps)


def _known(scores: Scores, column: str) -> bool:
    value = scores.get(column)
    return value is not None and not math.isnan(value)


_LARGE = f"a cluster above {LARGEST_SHARE:.0%} of the rows"
_TINY = f"clusters below {SMALLEST_SHARE:.1%} of the rows (outliers?)"
_NOISE = f"more than {LARGEST_NOISE:.0%} of the rows are noise"
_FEW = "fewer than two clusters"


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


def _refusals(clusterings: Sequence[Scores]) -> list[str]:
    """Which clusterings are degenerate, and why."""
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


def _edges(
    sweep: Sequence[Scores], allowed: list[int], best: Scores
) -> tuple[list[str], Literal["lower", "upper"] | None]:
    """What to say where the choice lies at an end of what there was to choose from."""
    everything = [scores["n_clusters"] for scores in sweep]
    k = best["n_clusters"]
    if len(everything) == 1:
        return [], None
    if k == 2:
        return ["k = 2 is the least there can be: no finer structure is seen"], "lower"
    if k == min(everything):
        return [f"k = {k} lies at the lower end of the sweep: widen --n-clusters"], "lower"
    if k == max(everything):
        return [f"k = {k} lies at the upper end of the sweep: widen --n-clusters"], "upper"
    if k in (min(allowed), max(allowed)) and len(allowed) > 1:
        end = "least" if k == min(allowed) else "largest"
        words = f"k = {k} is the {end} that is not refused: a better one may be among the refused"
        return [words], None
    return [], None
