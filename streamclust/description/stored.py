"""Stored descriptions of clusterings, without words: how they are kept, and read again."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.description.findings import Claim
from streamclust.description.sentences import Described, describe
from streamclust.store.clusterings import StoredClustering
from streamclust.store.workspace import Workspace, store_array

# Rows that stand for a cluster, and those of its images that were looked at.
ROWS = ("typical", "varied", "borderline", "worst")
LOOKED_AT = "looked_at"
_NO_ROW = -1


@dataclass(frozen=True, eq=False)
class Description:
    """What is known of the clusters of a clustering, in numbers.

    Attributes
    ----------
    sizes : ndarray of int64, shape (k,)
    rows : dict of str to list of ndarray
        Row numbers of each cluster, for each of `ROWS`, ``beyond`` (the clusters that borderline
        rows border on) and ``looked_at``.
    nearest : ndarray of int64, shape (k,)
        The cluster of the nearest mean; -1 where there is none.
    outlier_shares : ndarray of shape (k,)
        NaN where outliers were not looked for.
    claims, apart : list of Claim
        See `streamclust.description.findings` and `streamclust.description.nearest`.
    readability : dict of str to float
        ``readability``, ``accuracy``, ``chance``, ``rows``, ``consistency``,
        ``consistency_by_chance``; NaN where it is not known.
    of_clusters : ndarray of shape (k,)
        The readability of each cluster.
    """

    sizes: np.ndarray
    rows: dict[str, list[np.ndarray]]
    nearest: np.ndarray
    outlier_shares: np.ndarray
    claims: list[Claim]
    apart: list[Claim]
    readability: dict[str, float]
    of_clusters: np.ndarray

    def in_words(self, language: str) -> list[Described]:
        """Name and sentences of each cluster, in one of the `languages`."""
        return describe(self.claims, self.apart, self.sizes, self.nearest, language)


def description_path(own: StoredClustering) -> str:
    """Where the description of a clustering is in the store."""
    return f"{own.path}/description"


def load_description(workspace: Workspace, own: StoredClustering) -> Description | None:
    """The description of a clustering; None where it was not described."""
    group = workspace.get(description_path(own))
    if group is None:
        return None
    told = group.attrs
    return Description(
        sizes=workspace.root[own.path]["sizes"][...].astype(np.int64),
        rows={name: _unpadded(group[name][...]) for name in told["rows"]},
        nearest=group["nearest"][...],
        outlier_shares=group["outlier_shares"][...],
        claims=[_claim(line) for line in told["claims"]],
        apart=[_claim(line) for line in told["apart"]],
        readability={name: _number(value) for name, value in told["readability"].items()},
        of_clusters=group["readability"][...],
    )


def store_description(group: Any, told: Description) -> None:
    """Write a description into a staged group."""
    for name, rows in told.rows.items():
        store_array(group, name, _padded(rows))
    for name, values in (
        ("nearest", told.nearest),
        ("outlier_shares", told.outlier_shares),
        ("readability", told.of_clusters),
    ):
        store_array(group, name, values)
    group.attrs.update(
        rows=list(told.rows),
        claims=[_written(claim) for claim in told.claims],
        apart=[_written(claim) for claim in told.apart],
        readability={name: _json(value) for name, value in told.readability.items()},
    )


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    table = np.full((len(rows), max(map(len, rows), default=0)), _NO_ROW, np.int64)
    for line, own in zip(table, rows, strict=True):
        line[: len(own)] = own
    return table


def _unpadded(table: np.ndarray) -> list[np.ndarray]:
    return [line[line != _NO_ROW] for line in table]


def _written(claim: Claim) -> list[Any]:
    return [_json(part) if isinstance(part, float) else part for part in claim]


def _claim(line: list[Any]) -> Claim:
    """A claim of which JSON could not write an infinite lift."""
    parts: list[Any] = [math.inf if part is None else part for part in line]
    return Claim(*parts)


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
