"""Descriptions as files: in words, with the number of every claim, and how readable sets are."""

import math
from collections.abc import Iterator
from typing import Any

from streamclust.description.findings import Claim
from streamclust.description.sentences import Described
from streamclust.description.stored import ROWS, Description, description_path
from streamclust.store.clusterings import StoredClustering
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs, safe_cell
from streamclust.store.workspace import fingerprint

DESCRIPTIONS_FILE, EVIDENCE_FILE = "descriptions.csv", "description_evidence.csv"
READABILITY_FILE = "readability.csv"
DESCRIPTIONS = (
    *("set", "clustering", "cluster", "rows", "share", "name", "text", "nearest"),
    *("outlier_share", "readability", *ROWS),
)
EVIDENCE = (
    *("set", "clustering", "cluster", "claim", "name", "value", "in_cluster", "elsewhere"),
    *("effect", "p", "n"),
)
READABILITY = (
    *("set", "clustering", "k", "readability", "accuracy", "chance", "rows", "consistency"),
    "consistency_by_chance",
)


def write_descriptions(
    job: Job,
    outputs: Outputs,
    chosen: dict[str, StoredClustering],
    told: dict[str, Description],
    language: str,
) -> None:
    """Write descriptions.csv, description_evidence.csv and readability.csv, unless they are there.

    Parameters
    ----------
    job : Job
    outputs : Outputs
    chosen : dict of str to StoredClustering
        The clusterings, by set.
    told : dict of str to Description
    language : str
        One of `streamclust.language.LANGUAGES`.
    """
    made_of = [job.workspace.fingerprint_of(description_path(own)) for own in chosen.values()]
    mark = fingerprint("descriptions", 1, made_of, language)
    files = (DESCRIPTIONS_FILE, EVIDENCE_FILE, READABILITY_FILE)
    if all(outputs.is_current(file, mark) for file in files):
        return
    each = [(chosen[name], description) for name, description in told.items()]
    in_words = (
        line
        for own, description in each
        for line in _descriptions(own, description, description.in_words(language))
    )
    outputs.table(DESCRIPTIONS_FILE, DESCRIPTIONS, in_words, mark)
    numbers = (line for own, description in each for line in _evidence(own, description))
    outputs.table(EVIDENCE_FILE, EVIDENCE, numbers, mark)
    lines = (
        {**_own(own), "k": own.n_clusters, **_texts(description.readability)}
        for own, description in each
    )
    outputs.table(READABILITY_FILE, READABILITY, lines, mark)


def _own(own: StoredClustering) -> dict[str, Any]:
    return {"set": own.set_name, "clustering": own.name}


def _descriptions(
    own: StoredClustering, told: Description, described: list[Described]
) -> Iterator[dict[str, Any]]:
    total = max(1, int(told.sizes.sum()))
    for cluster, words in enumerate(described):
        rows = {kind: told.rows[kind][cluster].tolist() for kind in ROWS}
        yield {
            **_own(own),
            "cluster": cluster,
            "rows": told.sizes[cluster],
            "share": _text(told.sizes[cluster] / total),
            "name": safe_cell(words.name),
            "text": safe_cell(words.text),
            "nearest": told.nearest[cluster] if told.nearest[cluster] >= 0 else "",
            "outlier_share": _text(told.outlier_shares[cluster]),
            "readability": _text(told.of_clusters[cluster]),
            **{kind: " ".join(map(str, numbers)) for kind, numbers in rows.items()},
        }


def _evidence(own: StoredClustering, told: Description) -> Iterator[dict[str, Any]]:
    both = [*told.claims, *told.apart]
    for claim in sorted(both, key=lambda one: one.cluster):
        yield {**_own(own), **_numbers(claim)}


def _numbers(claim: Claim) -> dict[str, Any]:
    return {
        "cluster": claim.cluster,
        "claim": claim.claim,
        "name": safe_cell(claim.name),
        "value": safe_cell(claim.value),
        "in_cluster": _text(claim.inside),
        "elsewhere": _text(claim.outside),
        "effect": _text(claim.effect),
        "p": f"{claim.p:.2g}",
        "n": claim.n,
    }


def _texts(numbers: dict[str, float]) -> dict[str, str]:
    return {name: _text(value) for name, value in numbers.items()}


def _text(value: float) -> str:
    """Six digits; nothing where it is not known."""
    return "" if math.isnan(value) else f"{value:.6g}"
