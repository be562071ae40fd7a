"""Stored clusterings: where they lie, what is known of each, and which one a command means."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.store.workspace import Workspace

# A clustering's arrays that tell of rows and clusters; the others are what labels further rows.
LABELS, SIZES, MEANS = "labels", "sizes", "means"
OF_ROWS = (LABELS, SIZES, MEANS)
DESCRIPTION = "description"


@dataclass(frozen=True)
class StoredClustering:
    """One clustering of a descriptor set, published in the store.

    Parameters
    ----------
    workspace : Workspace
    set_name : str
        Its descriptor set.
    name : str
        Its name in the store, such as ``"kmeans-12"``.
    """

    workspace: Workspace
    set_name: str
    name: str

    @property
    def path(self) -> str:
        """Where it is in the store."""
        return clustering_path(self.set_name, self.name)

    @property
    def group(self) -> Any:
        """Its Zarr group."""
        return self.workspace.root[self.path]

    @property
    def fingerprint(self) -> str | None:
        return self.workspace.fingerprint_of(self.path)

    @property
    def algorithm(self) -> str:
        return str(self.group.attrs["algorithm"])

    @property
    def n_clusters(self) -> int:
        return int(self.group.attrs["n_clusters"])

    @property
    def labels(self) -> Any:
        """Zarr array of int32, (n_rows,): below 0 for rows in no cluster."""
        return self.group[LABELS]

    @property
    def sizes(self) -> Any:
        """Zarr array of int64, (n_clusters,): rows of each cluster."""
        return self.group[SIZES]

    @property
    def means(self) -> Any:
        """Zarr array, (n_clusters, n_components): means of the reduced rows of each cluster."""
        return self.group[MEANS]

    @property
    def tree(self) -> tuple[np.ndarray, np.ndarray]:
        """Of a cut of a tree: its merges, a linkage matrix of scipy, and the rows that each of its
        points stands for."""
        return self.group["merges"][...], self.group["weights"][...]

    def known(self, name: str, default: Any = None) -> Any:
        """What was annotated under `name`, such as ``scores``, ``stability`` or ``evidence``."""
        return self.group.attrs.get(name, default)

    def annotate(self, **attributes: Any) -> None:
        """Add what was found out about it."""
        self.workspace.annotate(self.path, **attributes)

    def archive(self) -> None:
        """Put it aside under its fingerprint."""
        self.workspace.archive(self.path)


def clustering_name(algorithm: str, n_clusters: int | None) -> str:
    """What a clustering is called: ``kmeans-12``; without a number where the algorithm finds it."""
    return algorithm if n_clusters is None else f"{algorithm}-{n_clusters}"


def clustering_path(set_name: str, name: str) -> str:
    """Where a clustering of a set is, or will be, in the store."""
    return f"descriptors/{set_name}/clusterings/{name}"


def stored_clusterings(workspace: Workspace, set_name: str) -> list[StoredClustering]:
    """All clusterings of a set, by algorithm and number of clusters."""
    names = workspace.clusterings(set_name)
    return [StoredClustering(workspace, set_name, name) for name in names]


def named_clustering(workspace: Workspace, set_name: str, name: str) -> StoredClustering:
    """The clustering of a set that has this name.

    Raises
    ------
    SettingsError
        When there is none.
    """
    names = workspace.clusterings(set_name)
    if name not in names:
        raise SettingsError(
            f"{set_name} has no clustering {name}: there are {', '.join(names) or 'none'}; "
            "--descriptors names sets"
        )
    return StoredClustering(workspace, set_name, name)


def staged_clusterings(group: Any) -> Iterator[tuple[str, Any]]:
    """Names and groups of the clusterings in a staged or stored group of a set."""
    yield from group["clusterings"].groups()
