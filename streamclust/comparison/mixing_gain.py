"""Whether mixing helped: a mixed set's clusters against those of the best of its sets."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np

from streamclust.comparison.comparable_clusterings import Key
from streamclust.store import LABELS, DescriptorSet, Workspace

COLUMNS = (
    *("mixed_set", "measure", "attribute", "rows", "clusterings", "mixed", "best_set", "best"),
    "gain",
)
# A smaller difference of adjusted mutual information is none: other seeds make as much.
LEAST_GAIN = 0.02
# Fewer known rows tell no difference of so much.
LEAST_ROWS = 200
# In place of an attribute: the mean over those that are named behind it.
MEAN_OF = "mean of "
# Columns on equal footing in which more is better.
_FOOTING = ("same_silhouette_simplified", "same_gap")
# Attributes that are averaged without having been named: among more, copies of each other and
# what has no meaning would weigh as much as what matters.
MOST_UNNAMED = 3
# Attributes that a sentence lists of a kind.
_LISTED = 4


class _Pair(NamedTuple):
    """A measure of a mixed set and of one of its sets: the mean over so many clusterings."""

    mixed: float
    unmixed: float
    clusterings: int


def gain_lines(
    workspace: Workspace,
    sound: Mapping[str, Set[Key]],
    agreement: Iterable[dict[str, Any]],
    footing: dict[str, dict[str, Any]],
    *,
    named: bool = False,
) -> list[dict[str, Any]]:
    """Lines of ``mixing.csv``.

    Of each attribute the adjusted mutual information is compared, as the mean over the clusterings
    (algorithm and number of clusters) that the mixed set and the other have in common, and that
    are refused of neither; and the indices on equal footing. The mean over attributes is told where
    these were `named`, or are `MOST_UNNAMED` at most.

    Parameters
    ----------
    workspace : Workspace
    sound : mapping of str to set of (str, int)
        Of each set, the clusterings that are not refused (`choice.sound`). Sets of a mixed set that
        are not in it are left out.
    agreement : iterable of dict
        Lines of ``attributes.csv``.
    footing : dict of str to dict
        `equal_footing`.
    named : bool
        Whether a person chose the attributes.
    """
    scores, rows = _scores(sound, agreement)
    lines = []
    for name in sound:
        mixture = DescriptorSet(workspace, name).mixture
        if mixture is None:
            continue
        sets = [one for one in mixture["sets"] if one in sound]
        for attribute in rows:
            pairs = {one: _common(scores, name, one, attribute) for one in sets}
            lines += _line(name, "ami", attribute, rows[attribute], pairs)
        if named or len(rows) <= MOST_UNNAMED:
            lines += _mean_line(name, scores, sets, rows)
        # Columns of 0 and 1 fall into few places: their clusters are tight whatever they mean.
        for column in () if mixture["of"] == LABELS else _FOOTING:
            lines += _footing_line(name, column, sets, footing)
    return lines


def gains_in_words(lines: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence a mixed set of which attributes are known."""
    sentences = []
    for name in dict.fromkeys(line["mixed_set"] for line in lines):
        scores = [x for x in lines if x["mixed_set"] == name and x["measure"] == "ami"]
        few = [x["attribute"] for x in scores if x["rows"] < LEAST_ROWS]
        scores = [x for x in scores if x["rows"] >= LEAST_ROWS]
        n_averaged = sum(not _is_mean(x) for x in scores)
        parts = []
        for words, chosen in (
            ("better", [x for x in scores if x["gain"] >= LEAST_GAIN]),
            ("as well", [x for x in scores if abs(x["gain"]) < LEAST_GAIN]),
            ("worse", [x for x in scores if x["gain"] <= -LEAST_GAIN]),
        ):
            if chosen:
                chosen.sort(key=lambda x: (not _is_mean(x), -abs(x["gain"])))
                parts.append(f"{words} {_listed([_compared(x, n_averaged) for x in chosen])}")
        if few:
            parts.append(f"too few known rows to tell {_listed(few)}")
        if parts:
            mean = f"mean AMI over {_numbers(scores)}" if scores else "mean AMI"
            sentences.append(f"{name} against the best of its sets ({mean}): {'; '.join(parts)}")
    return sentences


def _is_mean(line: dict[str, Any]) -> bool:
    return str(line["attribute"]).startswith(MEAN_OF)


def _compared(line: dict[str, Any], n_averaged: int) -> str:
    many = _is_mean(line) and n_averaged > _LISTED
    name = f"{MEAN_OF}{n_averaged} attributes" if many else line["attribute"]
    return f"{name} ({line['mixed']:.2f}; {line['best_set']} {line['best']:.2f})"


def _listed(parts: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(parts) - _LISTED
    return ", ".join(parts[:_LISTED]) + (f" and {more} more (mixing.csv)" if more > 0 else "")


def _numbers(lines: Sequence[dict[str, Any]]) -> str:
    """Over how many clusterings their means are."""
    least, most = (end(line["clusterings"] for line in lines) for end in (min, max))
    if least == most:
        return "1 clustering" if most == 1 else f"{most} clusterings"
    return f"{least} to {most} clusterings"


_Scores = dict[tuple[str, str], dict[Key, float]]


def _scores(
    sound: Mapping[str, Set[Key]], agreement: Iterable[dict[str, Any]]
) -> tuple[_Scores, dict[str, int]]:
    """AMI by set and attribute of the clusterings that count, and the known rows of attributes.

    It is NaN where no row with a known value is in a cluster.
    """
    scores: _Scores = defaultdict(dict)
    rows: dict[str, int] = {}
    for line in agreement:
        if "ami" in line:
            rows[line["attribute"]] = max(line["rows"], rows.get(line["attribute"], 0))
            key = line["algorithm"], line["n_clusters"]
            if key in sound[line["set"]] and not math.isnan(line["ami"]):
                scores[line["set"], line["attribute"]][key] = line["ami"]
    return scores, rows


def _common(scores: _Scores, mixed_set: str, name: str, attribute: str) -> _Pair | None:
    """Mean AMI of the mixed set and of one set, over the clusterings that both have."""
    mixed, unmixed = scores[mixed_set, attribute], scores[name, attribute]
    both = sorted(set(mixed) & set(unmixed))
    if not both:
        return None
    means = [float(np.mean([values[key] for key in both])) for values in (mixed, unmixed)]
    return _Pair(means[0], means[1], len(both))


def _mean_line(
    mixed_set: str, scores: _Scores, sets: list[str], rows: dict[str, int]
) -> list[dict[str, Any]]:
    """All attributes of which enough rows are known in one clustering, which no set may carry that
    carries one best."""
    attributes = [attribute for attribute in rows if rows[attribute] >= LEAST_ROWS]
    if len(attributes) < 2:
        return []
    pairs: dict[str, _Pair | None] = {}
    for name in sets:
        of_attributes = (_common(scores, mixed_set, name, one) for one in attributes)
        known = [pair for pair in of_attributes if pair]
        if known:
            mixed, unmixed, _ = np.mean(known, axis=0)
            pairs[name] = _Pair(float(mixed), float(unmixed), known[0].clusterings)
    named = MEAN_OF + ", ".join(attributes)
    return _line(mixed_set, "ami", named, min(rows[one] for one in attributes), pairs)


def _footing_line(
    mixed_set: str, column: str, sets: list[str], footing: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """An index of one clustering a set, of the same number of clusters."""
    mixed = footing.get(mixed_set, {})
    if column not in mixed:
        return []
    pairs = {
        name: _Pair(mixed[column], footing[name][column], 1)
        for name in sets
        if column in footing.get(name, {})
    }
    return _line(mixed_set, column, "", mixed["same_rows"], pairs)


def _line(
    mixed_set: str, measure: str, attribute: str, rows: int, pairs: Mapping[str, _Pair | None]
) -> list[dict[str, Any]]:
    """The mixed set against the best of the sets that can be compared with it, if there is one."""
    known = {name: pair for name, pair in pairs.items() if pair and not math.isnan(pair.unmixed)}
    if not known:
        return []
    best = max(known, key=lambda name: known[name].unmixed)
    mixed, unmixed, clusterings = known[best]
    about = (mixed_set, measure, attribute, rows, clusterings)
    values = (*about, mixed, best, unmixed, mixed - unmixed)
    return [dict(zip(COLUMNS, values, strict=True))]
