"""Stored descriptions of clusterings: what is known of each cluster, in numbers, without words."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from streamclust.store.clusterings import DESCRIPTION, StoredClustering
from streamclust.store.workspace import store_array

# Rows that stand for a cluster, and those of its images that were measured.
EXAMPLES = ("typical", "varied", "borderline", "worst")
MEASURED_ROWS = "looked_at"
_NO_ROW = -1


class Finding(NamedTuple):
    """Something that holds of a cluster, with its number.

    Attributes
    ----------
    cluster : int
    kind : str
        ``colour``, ``measure``, ``picture`` (bad ones), ``attribute``, ``absent``, ``folders``,
        ``outliers``, ``set``; ``apart-colour``, ``apart-measure`` and ``apart-attribute`` tell
        the cluster from its nearest one, in place of the rest.
    name : str
        The measure, attribute or set that it is about.
    value : str
        The colours (parted by ``|``), ``higher`` or ``lower``, the value, the other's cluster.
    inside, outside : float
        Share, or median level, in the cluster and elsewhere.
    effect : float
        Lift; of levels the chance that an image of the cluster is above one of the rest.
    p : float
        Of the test, corrected for all tests of the clustering.
    n : int
        Rows of the cluster that were counted.
    """

    cluster: int
    kind: str
    name: str
    value: str
    inside: float
    outside: float
    effect: float
    p: float
    n: int


@dataclass(frozen=True, eq=False)
class Description:
    """What is known of the clusters of a clustering.

    Attributes
    ----------
    sizes : ndarray of int64, shape (k,)
    rows : dict of str to list of ndarray
        Row numbers of each cluster, for each of `EXAMPLES`, ``beyond`` (the clusters that
        borderline rows border on) and `MEASURED_ROWS`.
    nearest : ndarray of int64, shape (k,)
        The cluster of the nearest mean; -1 where there is none.
    outlier_shares : ndarray of shape (k,)
        NaN where outliers were not looked for.
    findings, against_nearest : list of Finding
        What sets clusters apart from all others, and from the nearest one.
    readability : dict of str to float
        ``readability``, ``accuracy``, ``chance``, ``rows``, ``consistency``,
        ``consistency_by_chance``; NaN where it is not known.
    cluster_readability : ndarray of shape (k,)
    """

    sizes: np.ndarray
    rows: dict[str, list[np.ndarray]]
    nearest: np.ndarray
    outlier_shares: np.ndarray
    findings: list[Finding]
    against_nearest: list[Finding]
    readability: dict[str, float]
    cluster_readability: np.ndarray


def description_fingerprint(clustering: StoredClustering) -> str | None:
    """What tells one description of a clustering from another; None where it was not described."""
    return clustering.workspace.fingerprint_of(_path(clustering))


def restore_description(clustering: StoredClustering, mark: str) -> bool:
    """Make the description with this fingerprint stand, if it was ever published."""
    return clustering.workspace.restore(_path(clustering), mark)


def load_description(clustering: StoredClustering) -> Description | None:
    """The description of a clustering; None where it was not described."""
    group = clustering.workspace.get(_path(clustering))
    if group is None:
        return None
    about = group.attrs
    return Description(
        sizes=clustering.sizes[...].astype(np.int64),
        rows={name: _without_padding(group[name][...]) for name in about["rows"]},
        nearest=group["nearest"][...],
        outlier_shares=group["outlier_shares"][...],
        findings=[_finding(line) for line in about["claims"]],
        against_nearest=[_finding(line) for line in about["apart"]],
        readability={name: _number(value) for name, value in about["readability"].items()},
        cluster_readability=group["readability"][...],
    )


def publish_description(
    staged: Any, clustering: StoredClustering, description: Description, mark: str
) -> None:
    """Write the description of a clustering into a group of its own in a staged one, and publish
    it."""
    group = staged.create_group(f"description-{len(list(staged.group_keys()))}")
    for name, rows in description.rows.items():
        store_array(group, name, _padded(rows))
    for name, values in (
        ("nearest", description.nearest),
        ("outlier_shares", description.outlier_shares),
        ("readability", description.cluster_readability),
    ):
        store_array(group, name, values)
    group.attrs.update(
        rows=list(description.rows),
        claims=[_line(finding) for finding in description.findings],
        apart=[_line(finding) for finding in description.against_nearest],
        readability={name: _json(value) for name, value in description.readability.items()},
    )
    clustering.workspace.publish(group, _path(clustering), mark)


def _path(clustering: StoredClustering) -> str:
    return f"{clustering.path}/{DESCRIPTION}"


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    table = np.full((len(rows), max(map(len, rows), default=0)), _NO_ROW, np.int64)
    for line, numbers in zip(table, rows, strict=True):
        line[: len(numbers)] = numbers
    return table


def _without_padding(table: np.ndarray) -> list[np.ndarray]:
    return [line[line != _NO_ROW] for line in table]


def _line(finding: Finding) -> list[Any]:
    return [_json(part) if isinstance(part, float) else part for part in finding]


def _finding(line: list[Any]) -> Finding:
    """A finding of which JSON could not write an infinite lift."""
    parts: list[Any] = [math.inf if part is None else part for part in line]
    return Finding(*parts)


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
