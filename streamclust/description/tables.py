"""Descriptions as files: in words, with the number of every finding, and how readable sets are."""

from collections.abc import Iterator
from typing import Any

from streamclust.description.sentences import ClusterText, cluster_texts
from streamclust.store import (
    EXAMPLES,
    Description,
    Finding,
    Job,
    Outputs,
    StoredClustering,
    description_fingerprint,
    fingerprint,
    number_cell,
    safe_cell,
)

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


def write_descriptions(
    job: Job,
    outputs: Outputs,
    chosen: dict[str, StoredClustering],
    descriptions: dict[str, Description],
    language: str,
) -> None:
    """Write descriptions.csv, description_evidence.csv and readability.csv, unless they are there.

    Parameters
    ----------
    job : Job
    outputs : Outputs
    chosen : dict of str to StoredClustering
        The clusterings, by set.
    descriptions : dict of str to Description
    language : str
        One of `streamclust.language.LANGUAGES`.
    """
    made_of = [description_fingerprint(clustering) for clustering in chosen.values()]
    mark = fingerprint("descriptions", 1, made_of, language)
    files = (DESCRIPTIONS_FILE, EVIDENCE_FILE, READABILITY_FILE)
    if all(outputs.is_current(file, mark) for file in files):
        return
    each = [(chosen[name], description) for name, description in descriptions.items()]
    in_words = (
        line
        for clustering, description in each
        for line in _descriptions(clustering, description, cluster_texts(description, language))
    )
    outputs.table(DESCRIPTIONS_FILE, DESCRIPTIONS, in_words, mark)
    numbers = (line for one in each for line in _evidence(*one))
    outputs.table(EVIDENCE_FILE, EVIDENCE, numbers, mark)
    lines = (
        {**_about(clustering), "k": clustering.n_clusters, **_cells(description.readability)}
        for clustering, description in each
    )
    outputs.table(READABILITY_FILE, READABILITY, lines, mark)


def _about(clustering: StoredClustering) -> dict[str, Any]:
    return {"set": clustering.set_name, "clustering": clustering.name}


def _descriptions(
    clustering: StoredClustering, description: Description, texts: list[ClusterText]
) -> Iterator[dict[str, Any]]:
    sizes, nearest = description.sizes, description.nearest
    total = max(1, int(sizes.sum()))
    for cluster, words in enumerate(texts):
        rows = {kind: description.rows[kind][cluster].tolist() for kind in EXAMPLES}
        yield {
            **_about(clustering),
            "cluster": cluster,
            "rows": sizes[cluster],
            "share": number_cell(sizes[cluster] / total),
            "name": safe_cell(words.name),
            "text": safe_cell(words.text),
            "nearest": nearest[cluster] if nearest[cluster] >= 0 else "",
            "outlier_share": number_cell(description.outlier_shares[cluster]),
            "readability": number_cell(description.cluster_readability[cluster]),
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
        "name": safe_cell(finding.name),
        "value": safe_cell(finding.value),
        "in_cluster": number_cell(finding.inside),
        "elsewhere": number_cell(finding.outside),
        "effect": number_cell(finding.effect),
        "p": f"{finding.p:.2g}",
        "n": finding.n,
    }


def _cells(numbers: dict[str, float]) -> dict[str, str]:
    return {name: number_cell(value) for name, value in numbers.items()}
