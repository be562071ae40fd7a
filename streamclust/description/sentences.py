"""Clusters in a few plain sentences, and a short name for each, out of what is claimed of them."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.description.findings import SAID_CHANCE, Claim
from streamclust.language import words

# Parts of a name, and with those that are needed to tell it from those of other clusters.
NAME_PARTS, MOST_PARTS = 2, 3
# A value names a cluster that most of its rows have.
NAMING_SHARE = 0.5
# Claims of a kind that are told, the strongest; one of a kind that is not named.
_MOST = {"measure": 2, "attribute": 3}
_DETAILS = ("picture", "attribute", "absent", "outliers", "folders")
# A cluster of another set is told of where nearly all rows are in it; and of how many rows
# something is known, where it is not of nearly all.
_NEARLY_ALL = 0.8


@dataclass(frozen=True)
class Described:
    """A cluster in words.

    Attributes
    ----------
    name : str
        Short, and that of no other cluster of the clustering.
    text : str
        Two or three sentences.
    """

    name: str
    text: str


def describe(
    claims: Sequence[Claim],
    apart: Sequence[Claim],
    sizes: np.ndarray,
    nearest: np.ndarray,
    language: str,
) -> list[Described]:
    """Put claims into words.

    Parameters
    ----------
    claims, apart : sequence of Claim
        As `description.findings.claims` and `description.nearest.told_apart` give them.
    sizes : ndarray of int, shape (k,)
        Rows of each cluster.
    nearest : ndarray of int, shape (k,)
        The nearest cluster of each; -1 where there is none.
    language : str
        One of `streamclust.language.LANGUAGES`.
    """
    told = _Words(language, sizes)
    own: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        own[claim.cluster].append(claim)
    against = {claim.cluster: claim for claim in apart}
    strongest = [sorted(own[c], key=_strength, reverse=True) for c in range(len(nearest))]
    parts = [_parts(told, first, against.get(c)) for c, first in enumerate(strongest)]
    names = _names(parts, told)
    chosen = [_chosen(first) for first in strongest]
    described = []
    for cluster, other in enumerate(nearest.tolist()):
        neighbour = names[other] if other >= 0 else ""
        text = told.text(chosen[cluster], against.get(cluster), other, neighbour)
        described.append(Described(names[cluster], text))
    return described


def _chosen(claims: Sequence[Claim]) -> dict[str, list[Claim]]:
    """Of a cluster's claims, the strongest first, those to tell, by kind: one of an attribute."""
    abound = {claim.name for claim in claims if claim.claim == "attribute"}
    by_kind: dict[str, list[Claim]] = defaultdict(list)
    for claim in filter(_is_said, claims):
        kept = by_kind[claim.claim]
        told = abound if claim.claim == "absent" else {one.name for one in kept}
        is_new = claim.claim not in ("absent", "attribute") or claim.name not in told
        if is_new and len(kept) < _MOST.get(claim.claim, 1):
            kept.append(claim)
    if by_kind.keys() <= {"set"}:
        # What names a cluster that nothing else sets apart is told, too.
        by_kind["measure"] = [claim for claim in claims if claim.claim == "measure"][:1]
    return by_kind


def _is_said(claim: Claim) -> bool:
    if claim.claim == "measure":
        return abs(claim.effect - 0.5) >= SAID_CHANCE - 0.5
    return claim.claim != "set" or claim.inside >= _NEARLY_ALL


def _strength(claim: Claim) -> float:
    if claim.claim == "measure":
        return abs(claim.effect - 0.5)
    if claim.claim == "absent":
        return claim.outside
    lift = min(max(claim.effect, 1e-3), 1e3)
    return claim.inside * abs(math.log(lift))


class _Words:
    """Claims in a language."""

    def __init__(self, language: str, sizes: np.ndarray) -> None:
        self.of: Any = words(language)
        self.sizes = sizes

    def text(
        self, claims: dict[str, list[Claim]], apart: Claim | None, other: int, neighbour: str
    ) -> str:
        looks = [*map(self._claim, claims.get("colour", ())), self._measures(claims)]
        details = [self._claim(one) for kind in _DETAILS for one in claims.get(kind, ())]
        parts = [", ".join(filter(None, looks)), "; ".join(details)]
        if not any(parts) and "set" not in claims:
            parts = [self.of.SENTENCES["nothing"]]
        last = [self._claim(claim) for claim in claims.get("set", ())]
        if other >= 0:
            cluster = self.of.CLUSTER.format(cluster=other)
            named = cluster if neighbour == cluster else f"{cluster} ({neighbour})"
            near = self.of.SENTENCES["nearest"].format(other=named)
            last.append(f"{near}: {self._claim(apart)}" if apart is not None else near)
        sentences = [part for part in (*parts, "; ".join(last)) if part]
        return " ".join(f"{part[:1].upper()}{part[1:]}." for part in sentences)

    def _measures(self, claims: dict[str, list[Claim]]) -> str:
        told = [self._claim(claim) for claim in claims.get("measure", ())]
        return self.of.SENTENCES["measures"].format(listed=self.of.AND.join(told)) if told else ""

    def _claim(self, claim: Claim) -> str:
        above = claim.effect if claim.value != "lower" else 1 - claim.effect
        return self.of.SENTENCES[claim.claim].format(
            name=claim.name,
            value=self._value(claim),
            inside=self.of.percent(claim.inside),
            outside=self.of.percent(claim.outside),
            chance=self.of.percent(min(above, 1.0)) if claim.claim == "measure" else "",
            n=claim.n,
            images=self._noun("image", claim.n),
            folders=self._noun("folder", claim.n),
            known=self._known(claim),
        )

    def _known(self, claim: Claim) -> str:
        """Of how many rows an attribute is known, unless it is of nearly all."""
        if claim.n >= _NEARLY_ALL * self.sizes[claim.cluster]:
            return ""
        return self.of.SENTENCES["known"].format(n=claim.n, rows=self._noun("row", claim.n))

    def _noun(self, noun: str, number: int) -> str:
        return self.of.PLURALS_OF[noun][self.of.plural(number)]

    def _value(self, claim: Claim) -> str:
        kind = _kind(claim)
        if kind == "colour":
            *others, last = (self.of.COLOURS[name] for name in claim.value.split("|"))
            return self.of.OR.join([", ".join(others), last] if others else [last])
        if kind == "measure":
            return self.of.MEASURES[claim.name, claim.value][0]
        return self.of.PICTURES[claim.value][0] if kind == "picture" else claim.value

    def brief(self, claim: Claim) -> str:
        """A claim as part of a name; empty where most rows do not have it."""
        kind = _kind(claim)
        if kind == "measure":
            return self.of.MEASURES[claim.name, claim.value][1]
        if kind not in ("colour", "picture", "attribute"):
            return ""
        known = claim.n / self.sizes[claim.cluster] if kind == "attribute" else 1.0
        if known * claim.inside < NAMING_SHARE:
            return ""
        return self.of.PICTURES[claim.value][1] if kind == "picture" else self._value(claim)


def _kind(claim: Claim) -> str:
    """Of a claim, whether of a cluster among all or apart from its nearest one."""
    return claim.claim.removeprefix("apart-")


def _parts(told: _Words, claims: Sequence[Claim], apart: Claim | None) -> list[str]:
    """What a cluster can be named by, the best first; its nearest one alone is no measure."""
    kinds = ("colour", "picture", "attribute", "measure")
    own = [claim for kind in kinds for claim in claims if claim.claim == kind]
    if apart is not None and apart.claim != "apart-measure":
        own.append(apart)
    parts: list[str] = []
    colours = {name for claim in own if _kind(claim) == "colour" for name in claim.value.split("|")}
    for claim in own:
        part = told.brief(claim)
        # An attribute may tell of the colour, too, in whatever language.
        again = _kind(claim) == "attribute" and claim.value.lower() in colours
        if part and not again and not any(part.lower() in one.lower() for one in parts):
            parts.append(part)
    return parts[:MOST_PARTS]


def _names(parts: Sequence[Sequence[str]], told: _Words) -> list[str]:
    """Names of as many parts as tell them from each other; in the end the number does."""
    taken = [min(NAME_PARTS, len(own)) for own in parts]
    while True:
        names = [", ".join(own[:n]) for own, n in zip(parts, taken, strict=True)]
        times = Counter(names)
        longer = [
            n + 1 if times[name] > 1 and n < len(own) else n
            for own, n, name in zip(parts, taken, names, strict=True)
        ]
        if longer == taken:
            break
        taken = longer
    return [
        name if name and times[name] == 1 else _numbered(name, told.of.CLUSTER, cluster)
        for cluster, name in enumerate(names)
    ]


def _numbered(name: str, template: str, cluster: int) -> str:
    own = template.format(cluster=cluster)
    return f"{name}, {own}" if name else own
