"""Which clustering of a set to recommend, by a written rule."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from streamclust.choice.best_algorithm import (
    Scores,
    algorithm_of,
    best_algorithm,
    is_known,
    of_all_rows,
)
from streamclust.choice.gap_statistic import is_gap
from streamclust.choice.remarks import Remark, remark

LARGEST_SHARE = 0.90
SMALLEST_SHARE = 0.001
LARGEST_TINY = 0.10
LARGEST_NOISE = 0.50
_CAUSES = (
    remark("large", share=LARGEST_SHARE),
    remark("tiny", clusters=LARGEST_TINY, share=SMALLEST_SHARE),
    remark("noise", share=LARGEST_NOISE),
    remark("few"),
)
_LARGE, _TINY, _NOISE, _FEW = _CAUSES


def is_degenerate(scores: Scores) -> bool:
    """Whether a split is none: one cluster above 90 % of the rows, more than a tenth of the
    clusters below 0.1 %, or most rows noise."""
    return _cause(scores) is not None


def refusals(clusterings: Sequence[Scores]) -> list[Remark]:
    """Which clusterings are degenerate, and why."""
    refused = []
    for name in dict.fromkeys(map(algorithm_of, clusterings)):
        sweep = [s for s in clusterings if algorithm_of(s) == name]
        for cause in _CAUSES:
            ks = [s["n_clusters"] for s in sweep if _cause(s) == cause]
            if ks and len(sweep) < len(clusterings):
                refused.append(remark("refused-of", algorithm=name, ks=ks, cause=cause))
            elif ks:
                refused.append(remark("refused", ks=ks, cause=cause))
    return refused


def _cause(scores: Scores) -> Remark | None:
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


# With fewer, borders do not tell how many clusters there are.
LEAST_SEPARATED = 3
SEPARATED_SHARE = 2 / 3
# Of the most separated clusters: what a few more of, by chance or of outliers, do not outweigh.
AS_MANY = 0.95
# Below it, most pairs of rows that one half joins the other parts.
LEAST_STABILITY = 0.35
# Of the variance, within clusters of rows that are alike.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Choice:
    """The recommended clustering, and what to know about it.

    Attributes
    ----------
    index : int or None
        Which of the clusterings; None where every one is degenerate.
    reasons : list of Remark
    warnings : list of Remark
        Where the choice should not be trusted without a look.
    structure : bool or None
        Whether the data hold clusters at all; None where nothing was passed that could tell.
    edge : {"lower", "upper"} or None
        The end of the sweep at which the recommended k lies, if it does.
    """

    index: int | None
    reasons: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    structure: bool | None = None
    edge: Literal["lower", "upper"] | None = None

    @classmethod
    def stored(cls, data: Mapping[str, Any]) -> Self:
        """A choice as `dataclasses.asdict` wrote it."""
        lists = {name: list(map(Remark.stored, data[name])) for name in ("reasons", "warnings")}
        return cls(**{**data, **lists})


def recommend(clusterings: Sequence[Scores]) -> Choice:
    """Recommend one clustering.

    The rule: degenerate splits are refused. Of the others of an algorithm, that with the most
    separated clusters is the best; of those within 5 % of the most, the one of the fewest clusters,
    unless their number, still of two thirds, rises to the largest k, and none there is tiny.
    Where less than two thirds of its clusters are separated, or less than three, groups overlap:
    the best is that of as many clusters as a mixture finds groups; where that is not known, that of
    the most separated clusters if there are three, or else that of the largest simplified
    silhouette. Of a mixed set's labels, the best is that which agrees with them best. The next of
    these answers that is another one is the runner-up.

    Of several algorithms, `best_algorithm` takes one: by silhouette and stability at the same k.

    Data are without structure where no two clusters of a sound clustering are separated, and none
    that other rows would give again (a stability of 0.35) has a gap to structureless data that is
    more than chance: skewed columns alone make gaps. There, too, a clustering is recommended: it
    divides the rows into parts of alike ones, which may be of use; but a warning says that there
    are no groups, and a mixture is not asked for their number.

    Parameters
    ----------
    clusterings : sequence of dict
        Each with ``n_clusters``, ``smallest_cluster`` and ``largest_cluster`` (shares) and
        ``silhouette_simplified``. What else is known is used, and may be missing or NaN:
        ``algorithm``, ``calinski_harabasz``, ``davies_bouldin``, ``sizes``, ``noise`` (share),
        ``silhouette``, ``silhouette_low``, ``silhouette_high`` (sampled), ``separated``,
        ``groups``, ``consensus`` (`evidence`), ``gap``, ``gap_error`` (`structureless`),
        ``stability``.
    """
    sound = [scores for scores in clusterings if not is_degenerate(scores)]
    warnings = refusals(clusterings)
    structure = _structure(sound)
    if not sound:
        return Choice(None, [], [*warnings, remark("none")], structure)
    sweeps = {name: _sweep(sound, name) for name in dict.fromkeys(map(algorithm_of, sound))}
    answers = {name: _distinct(_answers(sweep, structure)) for name, sweep in sweeps.items()}
    bests = {name: ranked[0].scores for name, ranked in answers.items()}
    name, why_algorithm = best_algorithm(sound, bests)
    best, everything = answers[name][0].scores, _sweep(clusterings, name)
    why = [_reason(everything, sweeps[name], answers[name])]
    if len(answers) > 1:
        why.append(why_algorithm)
    no_structure = [remark("no-structure")] if structure is False else []
    at_edge, edge = _edges(everything, sweeps[name], best)
    return Choice(
        next(i for i, scores in enumerate(clusterings) if scores is best),
        [*why, *_about_sweep(everything, sweeps[name], best)],
        [*no_structure, *warnings, *at_edge, *_doubts(best, structure)],
        structure,
        edge,
    )


@dataclass(frozen=True)
class _Answer:
    """A clustering that a part of the rule would take, and why."""

    scores: Scores
    why: Remark


def _sweep(clusterings: Sequence[Scores], algorithm: str) -> list[Scores]:
    """An algorithm's clusterings, the fewest clusters first."""
    sweep = [scores for scores in clusterings if algorithm_of(scores) == algorithm]
    return sorted(sweep, key=lambda scores: scores["n_clusters"])


def _answers(sweep: Sequence[Scores], structure: bool | None) -> Iterator[_Answer]:
    """What each part of the rule says that can tell, the first that decides first."""
    agreeing = [scores for scores in sweep if is_known(scores, "consensus")]
    if agreeing:
        best = max(agreeing, key=lambda scores: scores["consensus"])
        yield _Answer(best, remark("agrees", ami=float(best["consensus"])))
    clear = clearest(sweep)
    if clear is not None:
        best = sweep[-1] if _still_rises(sweep) else sweep[clear]
        yield _Answer(best, _separated(best))
    groups = next((int(s["groups"]) for s in sweep if is_known(s, "groups")), None)
    if clear is None and groups is not None and structure is not False:
        best = min(sweep, key=lambda scores: abs(scores["n_clusters"] - groups))
        yield _Answer(best, remark("groups", groups=groups))
    most = _most_separated(sweep)
    if most is not None and sweep[most]["separated"] >= LEAST_SEPARATED:
        yield _Answer(sweep[most], _separated(sweep[most]))
    best = max(sweep, key=lambda scores: of_all_rows(scores, "silhouette_simplified"))
    yield _Answer(best, remark("largest-silhouette"))


def _distinct(answers: Iterator[_Answer]) -> list[_Answer]:
    """The first answer, and the first other one."""
    first = next(answers)
    other = next((one for one in answers if one.scores is not first.scores), None)
    return [first] if other is None else [first, other]


def _separated(scores: Scores) -> Remark:
    return remark("most-separated", separated=scores["separated"], k=scores["n_clusters"])


def _reason(everything: list[Scores], sound: list[Scores], answers: list[_Answer]) -> Remark:
    """Why this k, and which would be the next."""
    best, k = answers[0], answers[0].scores["n_clusters"]
    if len(everything) == 1:
        return remark("only", k=k)
    if len(sound) == 1:
        return remark("only-sound", k=k)
    if len(answers) == 1:
        return remark("best", k=k, why=best.why)
    other = answers[1]
    k_next = other.scores["n_clusters"]
    return remark("best-and-next", k=k, why=best.why, next=k_next, why_next=other.why)


def clearest(sweep: Sequence[Scores]) -> int | None:
    """Which clustering has the most separated clusters; None where too few are separated."""
    best = _most_separated(sweep)
    if best is None:
        return None
    least = max(LEAST_SEPARATED, SEPARATED_SHARE * sweep[best]["n_clusters"])
    return best if sweep[best]["separated"] >= least else None


def _still_rises(sweep: Sequence[Scores]) -> bool:
    """Whether the largest k, with no outliers' clusters, has more separated ones than any other,
    and most of its clusters are."""
    counts = [scores["separated"] for scores in sweep if is_known(scores, "separated")]
    rises = len(counts) == len(sweep) > 1 and counts[-1] > max(counts[:-1])
    most = rises and counts[-1] >= SEPARATED_SHARE * sweep[-1]["n_clusters"]
    return most and sweep[-1]["smallest_cluster"] >= SMALLEST_SHARE


def _most_separated(sweep: Sequence[Scores]) -> int | None:
    """The fewest clusters of which about as many are separated as of any."""
    known = [i for i, scores in enumerate(sweep) if is_known(scores, "separated")]
    if not known:
        return None
    enough = AS_MANY * max(sweep[i]["separated"] for i in known)
    several = [i for i in known if sweep[i]["separated"] >= enough]
    return min(several, key=lambda i: sweep[i]["n_clusters"])


def _doubts(best: Scores, structure: bool | None) -> list[Remark]:
    """What to say where most clusters run into each other, or other rows would give others."""
    doubts = []
    k, separated = best["n_clusters"], best.get("separated")
    if structure is not False and is_known(best, "separated") and separated < k / 2:
        some = remark("overlap", separated=separated, k=k)
        doubts.append(some if separated else remark("all-overlap", k=k))
    if _is_unstable(best):
        doubts.append(remark("unstable", stability=float(best["stability"])))
    return doubts


def _structure(sound: Sequence[Scores]) -> bool | None:
    """Whether there are clusters at all, as far as it is known."""
    if any(is_known(s, "separated") and s["separated"] >= 2 for s in sound):
        return True
    gaps = [s for s in sound if is_known(s, "gap") and is_known(s, "gap_error")]
    if not gaps:
        return None
    return any(is_gap(s["gap"], s["gap_error"]) and not _is_unstable(s) for s in gaps)


def _is_unstable(scores: Scores) -> bool:
    return is_known(scores, "stability") and scores["stability"] < LEAST_STABILITY


def _edges(
    sweep: Sequence[Scores], sound: Sequence[Scores], best: Scores
) -> tuple[list[Remark], Literal["lower", "upper"] | None]:
    """What to say where the choice lies at an end of what there was to choose from."""
    everything = [scores["n_clusters"] for scores in sweep]
    allowed = [scores["n_clusters"] for scores in sound]
    k = best["n_clusters"]
    if len(everything) == 1:
        return [], None
    if k == 2:
        return [remark("two")], "lower"
    if k == min(everything):
        return [remark("lower-end", k=k)], "lower"
    if k == max(everything):
        return ([], None) if _is_a_cluster_a_row(best) else ([remark("upper-end", k=k)], "upper")
    if k in (min(allowed), max(allowed)) and len(allowed) > 1:
        return [remark("least" if k == min(allowed) else "largest", k=k)], None
    return [], None


def _is_a_cluster_a_row(scores: Scores) -> bool:
    """Whether nothing differs within the clusters: there cannot be more of them."""
    return is_known(scores, "explained") and 1 - scores["explained"] < ROUNDING


# Sign that makes the largest the best, and code of the name, of each index.
_INDICES = {
    "calinski_harabasz": (1, "calinski_harabasz"),
    "davies_bouldin": (-1, "davies_bouldin"),
    "silhouette_simplified": (1, "silhouette_simplified"),
    "silhouette": (1, "silhouette"),
    "stability": (1, "stability-index"),
    "bic": (-1, "bic"),
}


def _about_sweep(sweep: Sequence[Scores], sound: Sequence[Scores], best: Scores) -> list[Remark]:
    """What else to know of a sweep by ascending k, and of the one that is recommended of it."""
    about = _votes(sound, best["n_clusters"]) if len(sound) > 1 else []
    values = [scores.get("calinski_harabasz", math.nan) for scores in sweep]
    peak = max(range(len(values)), key=lambda i: values[i])
    falling = values[peak:]
    if len(falling) > max(2, len(values) / 2) and all(
        b < a for a, b in itertools.pairwise(falling)
    ):
        since = sweep[peak]["n_clusters"]
        about.append(remark("falling-from", since=since) if peak else remark("falling"))
    if is_known(best, "stability"):
        about.append(remark("halves", stability=float(best["stability"])))
    return about


def _votes(sound: Sequence[Scores], k: int) -> list[Remark]:
    """What each index alone would take, and how many of them agree on k within one or 10 %."""
    votes: list[Remark] = []
    agreeing: list[Remark] = []
    for column, (sign, code) in _INDICES.items():
        known = [(sign * s[column], s["n_clusters"]) for s in sound if is_known(s, column)]
        if known:
            best, index = max(known, key=lambda pair: pair[0])[1], remark(code)
            votes.append(remark("vote", index=index, k=best))
            agreeing += [index] * (abs(best - k) <= max(1, 0.1 * k))
    if not votes:
        return []
    if not agreeing:
        return [remark("no-votes", k=k, votes=votes)]
    return [remark("votes", agreeing=agreeing, k=k, votes=votes)]
