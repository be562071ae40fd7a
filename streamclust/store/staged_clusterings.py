"""Clusterings while they are written: of what was fitted, or out of stored ones, with more rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from streamclust.store.clusterings import (
    DESCRIPTION,
    EVIDENCE,
    LABELS,
    MEANS,
    OF_ROWS,
    SCORES,
    SIZES,
    STABILITY,
)
from streamclust.store.clusterings import StoredClustering as Stored
from streamclust.store.links import extend_array, link_group
from streamclust.store.set_content import StagedSet
from streamclust.store.workspace import stage_array, store_array

# The attribute of a clustering that tells what an update changed.
CHANGES = "update"
# What is found out of labels, and is not true of others.
_MEASURED = (SCORES, STABILITY, EVIDENCE)


@dataclass(frozen=True)
class LabelChanges:
    """What an update changed in a clustering.

    Attributes
    ----------
    rows_before, rows_added : int
    changed : int
        Rows that were there and have another label now; of those in a cluster before and now.
    share : float
        Of them.
    adjusted_rand : float
        Of the labels before and now.
    largest_move : float or None
        Of a cluster's mean, in parts of its distance to the nearest other one.
    before, gained, moved_in, moved_out : list of int
        Rows of each cluster: before, new ones, and those that came from or went to others.
    """

    rows_before: int
    rows_added: int
    changed: int
    share: float
    adjusted_rand: float
    largest_move: float | None
    before: list[int]
    gained: list[int]
    moved_in: list[int]
    moved_out: list[int]


def label_changes(clustering: Stored) -> LabelChanges | None:
    """What the last update changed in a clustering; None where there was none."""
    changes = clustering.known(CHANGES)
    return None if changes is None else LabelChanges(**changes)


@dataclass(frozen=True)
class StagedClustering:
    """A clustering that is being written.

    Parameters
    ----------
    group : Zarr group
    """

    group: Any

    @property
    def n_clusters(self) -> int:
        return int(self.group.attrs["n_clusters"])

    @property
    def labels(self) -> Any:
        """Zarr array of int32, (n_rows,)."""
        return self.group[LABELS]

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each cluster."""
        return np.asarray(self.group[SIZES][...])

    @property
    def means(self) -> np.ndarray:
        """Means of the reduced rows of each cluster."""
        return np.asarray(self.group[MEANS][...])

    def save_sums(self, sizes: np.ndarray, means: np.ndarray) -> None:
        """Write sizes and means of the clusters."""
        store_array(self.group, SIZES, sizes)
        store_array(self.group, MEANS, means)

    def save_changes(self, before: Stored, changes: LabelChanges) -> None:
        """Write what an update changed, and what made the clustering."""
        made_by = {"algorithm": before.algorithm, "settings": before.settings}
        self.group.attrs.update({**made_by, CHANGES: asdict(changes)})

    def save_origin(
        self, algorithm: str, sweep: str, settings: Mapping[str, Any], cost: Mapping[str, Any]
    ) -> None:
        """Write what made it: its algorithm, the fingerprint of its sweep, the settings that it
        follows from, and what it took."""
        self.group.attrs.update(algorithm=algorithm, sweep=sweep, settings=settings, cost=cost)

    def save_marks(self, sweep: str, fingerprint: str, cost: Mapping[str, Any]) -> None:
        """Write the fingerprints of its sweep and its own, and what it took."""
        self.group.attrs.update(sweep=sweep, fingerprint=fingerprint, cost=cost)


def staged_clustering(
    group: Any,
    name: str,
    n_clusters: int,
    arrays: Mapping[str, np.ndarray],
    attributes: Mapping[str, Any],
    n_rows: int,
    chunk_rows: int,
) -> StagedClustering:
    """What an algorithm fitted in a staged group, with room for the labels of all rows."""
    made = group.create_group(name)
    for array, values in arrays.items():
        store_array(made, array, values)
    made.attrs.update(n_clusters=n_clusters, **attributes)
    # Labels compress tenfold, and there may be hundreds of clusterings.
    stage_array(made, LABELS, (n_rows,), np.int32, chunk_rows, fill_value=-1, compress=True)
    return StagedClustering(made)


def extended_clustering(made: StagedSet, before: Stored) -> tuple[StagedClustering, int]:
    """A stored clustering in a staged set, with room for the labels of all its rows, but without
    what is of the rows before.

    Returns
    -------
    StagedClustering
    first : int
        The first row whose label is still to be written.
    """
    of_rows = (*OF_ROWS, DESCRIPTION)
    group = link_group(made.clusterings, before.name, before.group, of_rows)
    for attribute in set(group.attrs) & set(_MEASURED):
        del group.attrs[attribute]
    reduced = made.reduced
    n_rows, chunk = reduced.shape[0], reduced.chunks[0]
    _, first = extend_array(group, LABELS, before.label_array, n_rows, chunk)
    return StagedClustering(group), first
