"""Whether mixing helped: a mixture's clusters against those of the best of its sets."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from streamclust.steps.raw import LABELS, is_mixture
from streamclust.workspace import Workspace

COLUMNS = ("mixture", "measure", "attribute", "rows", "mixed", "best_set", "best", "gain")
# A smaller difference of adjusted mutual information is none: other seeds make as much.
LEAST_GAIN = 0.02
# Fewer known rows tell no difference of so much.
LEAST_ROWS = 200
# In place of an attribute: the mean over them.
ALL = "mean of all"
# Columns on equal footing in which more is better.
_FOOTING = ("same_silhouette_simplified", "same_gap")


def gain_lines(
    workspace: Workspace,
    names: Sequence[str],
    agreement: Iterable[dict[str, Any]],
    footing: dict[str, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Lines of ``mixing.csv``.

    Of each attribute the adjusted mutual information is compared, as the mean over all clusterings
    (algorithm and number of clusters) that the mixture and the set have in common; and the indices
    on equal footing. Sets of a mixture that are not among `names` are left out.
    """
    scores: dict[tuple[str, str], dict[tuple[str, int], float]] = defaultdict(dict)
    rows: dict[str, int] = {}
    for line in agreement:
        if "ami" in line:
            key = line["algorithm"], line["n_clusters"]
            scores[line["set"], line["attribute"]][key] = line["ami"]
            rows[line["attribute"]] = max(line["rows"], rows.get(line["attribute"], 0))
    attributes = list(rows)
    lines = []
    for mixture in names:
        if not is_mixture(workspace, mixture):
            continue
        mixed = workspace.root[f"descriptors/{mixture}"].attrs["mixture"]["sets"]
        sets = [name for name in mixed if name in names]
        for attribute in attributes:
            pairs = {name: _common(scores, mixture, name, attribute) for name in sets}
            known = {name: pair for name, pair in pairs.items() if pair}
            lines += _line(mixture, "ami", attribute, rows[attribute], known)
        lines += _mean_line(mixture, scores, sets, rows)
        is_consensus = workspace.root[f"descriptors/{mixture}"].attrs["mixture"]["of"] == LABELS
        # Columns of 0 and 1 fall into few places: their clusters are tight whatever they mean.
        for column in () if is_consensus else _FOOTING:
            judged = [name for name in sets if column in footing.get(name, {})]
            if column in footing.get(mixture, {}):
                own = footing[mixture][column]
                compared = {name: (own, footing[name][column]) for name in judged}
                lines += _line(mixture, column, "", footing[mixture]["same_rows"], compared)
    return lines


def in_words(lines: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence a mixture of which attributes are known."""
    told = []
    for mixture in dict.fromkeys(line["mixture"] for line in lines):
        own = [line for line in lines if line["mixture"] == mixture and line["measure"] == "ami"]
        few = [line["attribute"] for line in own if line["rows"] < LEAST_ROWS]
        own = [line for line in own if line["rows"] >= LEAST_ROWS]
        parts = []
        for words, chosen in (
            ("better", [x for x in own if x["gain"] >= LEAST_GAIN]),
            ("as well", [x for x in own if abs(x["gain"]) < LEAST_GAIN]),
            ("worse", [x for x in own if x["gain"] <= -LEAST_GAIN]),
        ):
            if chosen:
                which = ", ".join(
                    f"{x['attribute']} ({x['mixed']:.2f}; {x['best_set']} {x['best']:.2f})"
                    for x in chosen
                )
                parts.append(f"{words} {which}")
        if few:
            parts.append(f"too few known rows to tell {', '.join(few)}")
        if parts:
            sentence = "; ".join(parts)
            told.append(f"{mixture} against the best of its sets (mean AMI over k): {sentence}")
    return told


def _common(
    scores: dict[tuple[str, str], dict[tuple[str, int], float]],
    mixture: str,
    name: str,
    attribute: str,
) -> tuple[float, float] | None:
    """Mean AMI of the mixture and of one set, over the clusterings that both have."""
    mixed, own = scores[mixture, attribute], scores[name, attribute]
    both = sorted(set(mixed) & set(own))
    if not both:
        return None
    return float(np.mean([mixed[k] for k in both])), float(np.mean([own[k] for k in both]))


def _mean_line(
    mixture: str,
    scores: dict[tuple[str, str], dict[tuple[str, int], float]],
    sets: list[str],
    rows: dict[str, int],
) -> list[dict[str, Any]]:
    """All attributes in one clustering, which no set may carry that carries one best."""
    pairs = {}
    for name in sets:
        found = [_common(scores, mixture, name, attribute) for attribute in rows]
        known = [pair for pair in found if pair]
        if known:
            mixed, own = np.mean(known, axis=0)
            pairs[name] = float(mixed), float(own)
    return _line(mixture, "ami", ALL, min(rows.values()), pairs) if len(rows) > 1 else []


def _line(
    mixture: str, measure: str, attribute: str, rows: int, pairs: dict[str, Any]
) -> list[dict[str, Any]]:
    if not pairs:
        return []
    best = max(pairs, key=lambda name: pairs[name][1])
    mixed, other = pairs[best]
    values = (mixture, measure, attribute, rows, mixed, best, other, mixed - other)
    return [dict(zip(COLUMNS, values, strict=True))]
