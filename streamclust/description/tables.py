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
    stored_tables,
)

STEP = "describe"
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
# Text that people wrote, or that is made of it.
_SAFE = ("name", "text", "value")


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
    stored = stored_tables(job.workspace, STEP)
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
    stored.write(outputs, safe=_SAFE)


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
            "share": sizes[cluster] / total,
            "name": words.name,
            "text": words.text,
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
