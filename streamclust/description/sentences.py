"""Clusters in a few plain sentences, and a short name for each, out of what is found of them; as
files, with the number of every finding, and how readable sets are."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.description.findings import SAID_CHANCE
from streamclust.language import words
from streamclust.steps import Job
from streamclust.store import (
    EXAMPLES,
    Description,
    Finding,
    StoredClustering,
    description_fingerprint,
    fingerprint,
    stored_tables,
)

# Parts of a name, and with those that are needed to tell it from those of other clusters.
NAME_PARTS, MOST_PARTS = 2, 3
# A value names a cluster that most of its rows have.
NAMING_SHARE = 0.5
# Findings of a kind that are told, the strongest; one of a kind that is not named.
_MOST = {"measure": 2, "attribute": 3}
_DETAILS = ("picture", "attribute", "absent", "outliers", "folders")
# A cluster of another set is told of where nearly all rows are in it; and of how many rows
# something is known, where it is not of nearly all.
_NEARLY_ALL = 0.8

DESCRIPTIONS_FILE, EVIDENCE_FILE = "descriptions.csv", "description_evidence.csv"
READABILITY_FILE = "readability.csv"
DESCRIPTIONS = (
    *("set", "clustering", "cluster", "rows", "share", "name", "text", "nearest"),
    *("outlier_share", "readability", *EXAMPLES),
)
EVIDENCE = (
    *("set", "clustering", "cluster", "claim", "name", "value", "in_cluster", "elsewhere"),
    *("effect", "p", "n"),
)
READABILITY = (
    *("set", "clustering", "k", "readability", "accuracy", "chance", "rows", "consistency"),
    "consistency_by_chance",
)


@dataclass(frozen=True)
class ClusterText:
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


def cluster_texts(description: Description, language: str) -> list[ClusterText]:
    """Put what is known of each cluster into words, in one of the
    `streamclust.language.LANGUAGES`."""
    in_words = _Words(language, description.sizes)
    by_cluster: dict[int, list[Finding]] = defaultdict(list)
    for finding in description.findings:
        by_cluster[finding.cluster].append(finding)
    against = {finding.cluster: finding for finding in description.against_nearest}
    clusters = range(len(description.nearest))
    strongest = [sorted(by_cluster[c], key=_strength, reverse=True) for c in clusters]
    parts = [_parts(in_words, first, against.get(c)) for c, first in enumerate(strongest)]
    names = _names(parts, in_words)
    texts = []
    for cluster, other in enumerate(description.nearest.tolist()):
        neighbour = names[other] if other >= 0 else ""
        chosen = _chosen(strongest[cluster])
        text = in_words.text(chosen, against.get(cluster), other, neighbour)
        texts.append(ClusterText(names[cluster], text))
    return texts


def _chosen(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Of a cluster's findings, the strongest first, those to tell, by kind: one of an attribute."""
    with_value = {finding.name for finding in findings if finding.kind == "attribute"}
    by_kind: dict[str, list[Finding]] = defaultdict(list)
    for finding in filter(_is_said, findings):
        kept = by_kind[finding.kind]
        named = with_value if finding.kind == "absent" else {one.name for one in kept}
        is_new = finding.kind not in ("absent", "attribute") or finding.name not in named
        if is_new and len(kept) < _MOST.get(finding.kind, 1):
            kept.append(finding)
    if by_kind.keys() <= {"set"}:
        # What names a cluster that nothing else sets apart is told, too.
        by_kind["measure"] = [finding for finding in findings if finding.kind == "measure"][:1]
    return by_kind


def _is_said(finding: Finding) -> bool:
    if finding.kind == "measure":
        return abs(finding.effect - 0.5) >= SAID_CHANCE - 0.5
    return finding.kind != "set" or finding.inside >= _NEARLY_ALL


def _strength(finding: Finding) -> float:
    if finding.kind == "measure":
        return abs(finding.effect - 0.5)
    if finding.kind == "absent":
        return finding.outside
    lift = min(max(finding.effect, 1e-3), 1e3)
    return finding.inside * abs(math.log(lift))


class _Words:
    """Findings in a language."""

    def __init__(self, language: str, sizes: np.ndarray) -> None:
        self.of: Any = words(language)
        self.sizes = sizes

    def text(
        self,
        findings: dict[str, list[Finding]],
        against: Finding | None,
        other: int,
        neighbour: str,
    ) -> str:
        appearance = [*map(self._sentence, findings.get("colour", ())), self._measures(findings)]
        details = [self._sentence(one) for kind in _DETAILS for one in findings.get(kind, ())]
        parts = [", ".join(filter(None, appearance)), "; ".join(details)]
        if not any(parts) and "set" not in findings:
            parts = [self.of.SENTENCES["nothing"]]
        last = [self._sentence(finding) for finding in findings.get("set", ())]
        if other >= 0:
            cluster = self.of.CLUSTER.format(cluster=other)
            named = cluster if neighbour == cluster else f"{cluster} ({neighbour})"
            near = self.of.SENTENCES["nearest"].format(other=named)
            last.append(f"{near}: {self._sentence(against)}" if against is not None else near)
        sentences = [part for part in (*parts, "; ".join(last)) if part]
        return " ".join(f"{part[:1].upper()}{part[1:]}." for part in sentences)

    def _measures(self, findings: dict[str, list[Finding]]) -> str:
        measures = [self._sentence(finding) for finding in findings.get("measure", ())]
        listed = self.of.AND.join(measures)
        return self.of.SENTENCES["measures"].format(listed=listed) if measures else ""

    def _sentence(self, finding: Finding) -> str:
        above = finding.effect if finding.value != "lower" else 1 - finding.effect
        return self.of.SENTENCES[finding.kind].format(
            name=finding.name,
            value=self._value(finding),
            inside=self.of.percent(finding.inside),
            outside=self.of.percent(finding.outside),
            chance=self.of.percent(min(above, 1.0)) if finding.kind == "measure" else "",
            n=finding.n,
            images=self._noun("image", finding.n),
            folders=self._noun("folder", finding.n),
            known=self._known(finding),
        )

    def _known(self, finding: Finding) -> str:
        """Of how many rows an attribute is known, unless it is of nearly all."""
        if finding.n >= _NEARLY_ALL * self.sizes[finding.cluster]:
            return ""
        return self.of.SENTENCES["known"].format(n=finding.n, rows=self._noun("row", finding.n))

    def _noun(self, noun: str, number: int) -> str:
        return self.of.PLURALS_OF[noun][self.of.plural(number)]

    def _value(self, finding: Finding) -> str:
        kind = _kind(finding)
        if kind == "colour":
            *others, last = (self.of.COLOURS[name] for name in finding.value.split("|"))
            return self.of.OR.join([", ".join(others), last] if others else [last])
        if kind == "measure":
            return self.of.MEASURES[finding.name, finding.value][0]
        return self.of.PICTURES[finding.value][0] if kind == "picture" else finding.value

    def brief(self, finding: Finding) -> str:
        """A finding as part of a name; empty where most rows do not have it."""
        kind = _kind(finding)
        if kind == "measure":
            return self.of.MEASURES[finding.name, finding.value][1]
        if kind not in ("colour", "picture", "attribute"):
            return ""
        known = finding.n / self.sizes[finding.cluster] if kind == "attribute" else 1.0
        if known * finding.inside < NAMING_SHARE:
            return ""
        return self.of.PICTURES[finding.value][1] if kind == "picture" else self._value(finding)


def _kind(finding: Finding) -> str:
    """Of a finding, whether of a cluster among all or against its nearest one."""
    return finding.kind.removeprefix("apart-")


def _parts(words: _Words, findings: Sequence[Finding], against: Finding | None) -> list[str]:
    """What a cluster can be named by, the best first; its nearest one alone is no measure."""
    kinds = ("colour", "picture", "attribute", "measure")
    naming = [finding for kind in kinds for finding in findings if finding.kind == kind]
    if against is not None and against.kind != "apart-measure":
        naming.append(against)
    coloured = (finding for finding in naming if _kind(finding) == "colour")
    colours = {name for finding in coloured for name in finding.value.split("|")}
    parts: list[str] = []
    for finding in naming:
        part = words.brief(finding)
        # An attribute may tell of the colour, too, in whatever language.
        again = _kind(finding) == "attribute" and finding.value.lower() in colours
        if part and not again and not any(part.lower() in one.lower() for one in parts):
            parts.append(part)
    return parts[:MOST_PARTS]


def _names(parts: Sequence[Sequence[str]], words: _Words) -> list[str]:
    """Names of as many parts as tell them from each other; in the end the number does."""
    taken = [min(NAME_PARTS, len(of_cluster)) for of_cluster in parts]
    while True:
        names = [", ".join(some[:n]) for some, n in zip(parts, taken, strict=True)]
        times = Counter(names)
        longer = [
            n + 1 if times[name] > 1 and n < len(some) else n
            for some, n, name in zip(parts, taken, names, strict=True)
        ]
        if longer == taken:
            break
        taken = longer
    return [
        name if name and times[name] == 1 else _numbered(name, words.of.CLUSTER, cluster)
        for cluster, name in enumerate(names)
    ]


def _numbered(name: str, template: str, cluster: int) -> str:
    number = template.format(cluster=cluster)
    return f"{name}, {number}" if name else number


def write_descriptions(
    job: Job,
    chosen: dict[str, StoredClustering],
    descriptions: dict[str, Description],
    language: str,
) -> None:
    """Write descriptions.csv, description_evidence.csv and readability.csv, unless they are there.

    Parameters
    ----------
    job : Job
    chosen : dict of str to StoredClustering
        The clusterings, by set.
    descriptions : dict of str to Description
    language : str
        One of `streamclust.language.LANGUAGES`.
    """
    made_of = [description_fingerprint(clustering) for clustering in chosen.values()]
    mark = fingerprint("descriptions", 1, made_of, language)
    stored = stored_tables(job.workspace, "describe")
    if not stored.restore(mark):
        each = [(chosen[name], description) for name, description in descriptions.items()]
        in_words = (
            line
            for clustering, description in each
            for line in _descriptions(clustering, description, cluster_texts(description, language))
        )
        numbers = (line for one in each for line in _evidence(*one))
        shares = ((clustering, description.readability) for clustering, description in each)
        readable = (
            {**_about(own), "k": own.n_clusters, **told, "rows": int(told["rows"])}
            for own, told in shares
        )
        tables = {
            DESCRIPTIONS_FILE: (DESCRIPTIONS, in_words),
            EVIDENCE_FILE: (EVIDENCE, numbers),
            READABILITY_FILE: (READABILITY, readable),
        }
        stored.publish(tables, mark)
    stored.write(job.outputs)


def _about(clustering: StoredClustering) -> dict[str, Any]:
    return {"set": clustering.set_name, "clustering": clustering.name}


def _descriptions(
    clustering: StoredClustering, description: Description, texts: list[ClusterText]
) -> Iterator[dict[str, Any]]:
    sizes, nearest = description.sizes, description.nearest
    total = max(1, int(sizes.sum()))
    for cluster, text in enumerate(texts):
        rows = {kind: description.rows[kind][cluster].tolist() for kind in EXAMPLES}
        yield {
            **_about(clustering),
            "cluster": cluster,
            "rows": sizes[cluster],
            "share": sizes[cluster] / total,
            "name": text.name,
            "text": text.text,
            "nearest": nearest[cluster] if nearest[cluster] >= 0 else None,
            "outlier_share": description.outlier_shares[cluster],
            "readability": description.cluster_readability[cluster],
            **{kind: " ".join(map(str, numbers)) for kind, numbers in rows.items()},
        }


def _evidence(clustering: StoredClustering, description: Description) -> Iterator[dict[str, Any]]:
    both = [*description.findings, *description.against_nearest]
    for finding in sorted(both, key=lambda one: one.cluster):
        yield {**_about(clustering), **_numbers(finding)}


def _numbers(finding: Finding) -> dict[str, Any]:
    return {
        "cluster": finding.cluster,
        "claim": finding.kind,
        "name": finding.name,
        "value": finding.value,
        "in_cluster": finding.inside,
        "elsewhere": finding.outside,
        "effect": finding.effect,
        "p": float(f"{finding.p:.2g}"),
        "n": finding.n,
    }
