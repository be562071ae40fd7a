"""What is shown of each cluster: names, sentences, shares, and the rows of its images."""

import math
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from streamclust.description import cluster_texts
from streamclust.labelling import LONGEST_NAME, clean_name, cluster_names
from streamclust.passes import Columns, Passes, Rows
from streamclust.passes.accumulators import Contingency
from streamclust.report.page import (
    BY_CHANCE,
    CARDS,
    CLUSTERINGS,
    GALLERIES,
    IMAGES,
    TEXT_CHARACTERS,
)
from streamclust.report.points import Points
from streamclust.steps import Job
from streamclust.store import (
    Description,
    StoredClustering,
    Workspace,
    load_description,
    recommended_clusterings,
    stored_clusterings,
    stored_outliers,
)

# Of a description's rows those on a card, in this order.
SHOWN = ("typical", "varied", "borderline")
CHANCE = "by chance"

Card = dict[str, Any]


def clusterings_with_cards(workspace: Workspace, descriptor: str) -> list[StoredClustering]:
    """The recommended clustering of a set, and others that were described."""
    chosen = list(recommended_clusterings(workspace, [descriptor]).values())
    taken = {clustering.name for clustering in chosen}
    others = (
        clustering
        for clustering in stored_clusterings(workspace, descriptor)
        if clustering.name not in taken
    )
    described = (clustering for clustering in others if load_description(clustering) is not None)
    return [*chosen, *described][:CLUSTERINGS]


def clusterings_with_labels(
    workspace: Workspace, descriptor: str, most: int
) -> list[StoredClustering]:
    """Of at most so many clusterings, those first that have cards of their own."""
    first = clusterings_with_cards(workspace, descriptor)
    taken = {clustering.name for clustering in first}
    return [*first, *(o for o in stored_clusterings(workspace, descriptor) if o.name not in taken)][
        :most
    ]


def cards(
    job: Job,
    passes: Passes,
    clustering: StoredClustering,
    points: Points,
    language: str,
    *,
    brief: bool = False,
) -> list[Card]:
    """The cards of a clustering, one a cluster, the `CARDS` largest, by number.

    Keys of a card: ``cluster``, ``size``, ``share``, ``suggested`` and ``name`` (empty where there
    is none), ``marked``, ``text``, ``nearest``, ``outliers`` and ``readability`` (or None) and
    ``rows``, lists of row numbers by kind. A `brief` one is without outliers: they take a pass.
    """
    workspace = job.workspace
    sizes = clustering.sizes[...].astype(np.int64)
    description = load_description(clustering)
    words = cluster_texts(description, language) if description else []
    naming = cluster_names(clustering)
    unknown = np.full(len(sizes), np.nan)
    outliers = (
        unknown if brief else _outlier_shares(passes, workspace, clustering, sizes, description)
    )
    readable = description.cluster_readability if description else unknown
    largest = np.argsort(-sizes, kind="stable")
    with_images = set(largest[:GALLERIES].tolist())
    made = []
    for cluster in sorted(largest[:CARDS].tolist()):
        rows = _rows(description, points.rows, points.labels[clustering.name], cluster)
        made.append(
            {
                "cluster": cluster,
                "size": int(sizes[cluster]),
                "share": float(sizes[cluster] / max(1, sizes.sum())),
                "suggested": clean_name(words[cluster].name)[:LONGEST_NAME] if words else "",
                "text": words[cluster].text[:TEXT_CHARACTERS] if words else "",
                "name": naming.names[cluster],
                "marked": bool(naming.outliers[cluster]),
                "nearest": int(description.nearest[cluster]) if description else -1,
                "outliers": _known(outliers[cluster]),
                "readability": _known(readable[cluster]),
                "rows": rows if cluster in with_images else {},
            }
        )
    return made


def wanted_images(groups: list[list[Card]]) -> Iterator[int]:
    """Rows of cards' images: the first of each card and kind, then the second of each, …"""
    lists = [rows for made in groups for card in made for rows in card["rows"].values()]
    for rank in zip_longest(*lists):
        yield from (row for row in rank if row is not None)


def _rows(
    description: Description | None, sampled: np.ndarray, labels: np.ndarray, cluster: int
) -> dict[str, list[int]]:
    if description is None:
        chance = sampled[labels == cluster][:BY_CHANCE].tolist()
        return {CHANCE: chance} if chance else {}
    shown: dict[str, list[int]] = {}
    taken: set[int] = set()
    for kind in SHOWN:
        others = [row for row in description.rows[kind][cluster].tolist() if row not in taken]
        shown[kind] = others[:IMAGES]
        taken |= set(shown[kind])
    return {kind: rows for kind, rows in shown.items() if rows}


def _outlier_shares(
    passes: Passes,
    workspace: Workspace,
    clustering: StoredClustering,
    sizes: np.ndarray,
    description: Description | None,
) -> np.ndarray:
    """Share of the rows of each cluster that are flagged; NaN where outliers are not known."""
    outliers = stored_outliers(workspace)
    if outliers is None:
        return np.full(len(sizes), np.nan)
    if description is not None and np.isfinite(description.outlier_shares).any():
        return description.outlier_shares
    flagged = Rows(Columns([clustering.labels, outliers.flagged]))
    counts = Contingency([len(sizes), 2], [(0, 1)])
    (table,) = passes.reduce("outliers by cluster", flagged, counts).result()
    return table[:, 1] / np.maximum(1, sizes)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
