"""Which clustering of a set to recommend, by a written rule.

What is known of a clustering, as one dict of scores, and how to ask for it.

Splits that are none, whatever their scores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from streamclust.choice.algorithms import winner
from streamclust.choice.gap import is_gap
from streamclust.choice.indices import Scores, algorithm_of, is_known, of_all_rows
from streamclust.choice.words import about_sweep, listed

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


# With fewer, borders do not tell how many clusters there are.
LEAST_SEPARATED = 3
SEPARATED_SHARE = 2 / 3
# Of the most separated clusters: what a few more of, by chance or of outliers, do not outweigh.
AS_MANY = 0.95
# Below it, most pairs of rows that one half joins the other parts.
LEAST_STABILITY = 0.35


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

    Of several algorithms, one is taken by `duel.winner`: by silhouette and stability at the same k.

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
        return Choice(None, [], [*warnings, "no clustering is recommended"], structure)
    sweeps = {name: _sweep(sound, name) for name in dict.fromkeys(map(algorithm_of, sound))}
    answers = {name: _distinct(_answers(sweep, structure)) for name, sweep in sweeps.items()}
    name, won = winner(sound, {name: own[0].scores for name, own in answers.items()})
    best, everything = answers[name][0].scores, _sweep(clusterings, name)
    why = [_reason(everything, sweeps[name], answers[name])]
    if len(answers) > 1:
        why.append(won)
    at_edge, edge = _edges(everything, sweeps[name], best)
    return Choice(
        next(i for i, scores in enumerate(clusterings) if scores is best),
        [*why, *about_sweep(everything, sweeps[name], best)],
        [*_on_structure(structure), *warnings, *at_edge, *_doubts(best, structure)],
        structure,
        edge,
    )


@dataclass(frozen=True)
class _Answer:
    """A clustering that a part of the rule would take, and why."""

    scores: Scores
    why: str


def _sweep(clusterings: Sequence[Scores], algorithm: str) -> list[Scores]:
    """An algorithm's clusterings, the fewest clusters first."""
    own = [scores for scores in clusterings if algorithm_of(scores) == algorithm]
    return sorted(own, key=lambda scores: scores["n_clusters"])


def _answers(sweep: Sequence[Scores], structure: bool | None) -> Iterator[_Answer]:
    """What each part of the rule says that can tell, the first that decides first."""
    agreeing = [scores for scores in sweep if is_known(scores, "consensus")]
    if agreeing:
        best = max(agreeing, key=lambda scores: scores["consensus"])
        told = f"agrees best with the labels that it mixes (mean AMI {best['consensus']:.2f})"
        yield _Answer(best, told)
    clear = clearest(sweep)
    if clear is not None:
        best = sweep[-1] if _still_rises(sweep) else sweep[clear]
        yield _Answer(best, _separated(best))
    groups = next((int(s["groups"]) for s in sweep if is_known(s, "groups")), None)
    if clear is None and groups is not None and structure is not False:
        best = min(sweep, key=lambda scores: abs(scores["n_clusters"] - groups))
        told = f"is nearest to a rough count of groups that overlap: {groups} by a Gaussian mixture"
        yield _Answer(best, told)
    most = _most_separated(sweep)
    if most is not None and sweep[most]["separated"] >= LEAST_SEPARATED:
        yield _Answer(sweep[most], _separated(sweep[most]))
    best = max(sweep, key=lambda scores: of_all_rows(scores, "silhouette_simplified"))
    yield _Answer(best, "has the largest simplified silhouette")


def _distinct(answers: Iterator[_Answer]) -> list[_Answer]:
    """The first answer, and the first other one."""
    first = next(answers)
    other = next((one for one in answers if one.scores is not first.scores), None)
    return [first] if other is None else [first, other]


def _separated(scores: Scores) -> str:
    return f"has the most separated clusters: {scores['separated']} of its {scores['n_clusters']}"


def _reason(everything: list[Scores], sound: list[Scores], answers: list[_Answer]) -> str:
    """Why this k, and which would be the next."""
    reason = f"k = {answers[0].scores['n_clusters']} "
    if len(everything) == 1:
        return f"{reason}is the only one computed"
    if len(sound) == 1:
        return f"{reason}is the only one that is not refused"
    reason += answers[0].why
    for other in answers[1:]:
        reason += f"; runner-up: k = {other.scores['n_clusters']}, which {other.why}"
    return reason


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


def _on_structure(structure: bool | None) -> list[str]:
    if structure is not False:
        return []
    return [
        "no structure: no clusters are set off from each other, and none that other rows would "
        "give again are tighter than those of structureless data; the recommended labels divide "
        "rows, they find no groups"
    ]


def _doubts(best: Scores, structure: bool | None) -> list[str]:
    """What to say where most clusters run into each other, or other rows would give others."""
    told = []
    k, separated = best["n_clusters"], best.get("separated")
    if structure is not False and is_known(best, "separated") and separated < k / 2:
        which = f"only {separated}" if separated else "none"
        told.append(
            f"{which} of the {k} clusters are set off from their neighbours: groups overlap, and "
            "other k may serve as well"
        )
    if _is_unstable(best):
        told.append(
            f"its labels are not stable: two halves of the rows agree on them to "
            f"{best['stability']:.2f} (adjusted Rand), other rows would give others"
        )
    return told


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
) -> tuple[list[str], Literal["lower", "upper"] | None]:
    """What to say where the choice lies at an end of what there was to choose from."""
    everything = [scores["n_clusters"] for scores in sweep]
    allowed = [scores["n_clusters"] for scores in sound]
    k = best["n_clusters"]
    if len(everything) == 1:
        return [], None
    if k == 2:
        return ["k = 2 is the least there can be: look at the runner-up, too"], "lower"
    if k == min(everything):
        return [f"k = {k} lies at the lower end of the sweep: widen --n-clusters"], "lower"
    if k == max(everything):
        return [f"k = {k} lies at the upper end of the sweep: widen --n-clusters"], "upper"
    if k in (min(allowed), max(allowed)) and len(allowed) > 1:
        end = "least" if k == min(allowed) else "largest"
        words = f"k = {k} is the {end} that is not refused: a better one may be among the refused"
        return [words], None
    return [], None
