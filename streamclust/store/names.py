"""Names of clusters as a person gave them, with the labels of all rows that they were given on.

What clusters are called now follows from these each time, so nothing is lost on the way when
settings change and come back.
"""

from dataclasses import dataclass

import numpy as np

from streamclust.passes import Columns, Passes, Rows
from streamclust.store.clusterings import Labels, StoredClustering
from streamclust.store.images import mark_of_rows
from streamclust.store.workspace import Workspace, fingerprint, stage_array

NAMES = "names"
LABEL_STEP = "label"
_LABELS = "labels"
_CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class NamedClusters:
    """The clusters that names were, or are to be, given to.

    Attributes
    ----------
    fingerprint : str
        Of their clustering.
    n_clusters : int
    labels : Labels
    """

    fingerprint: str
    n_clusters: int
    labels: Labels

    @property
    def n_rows(self) -> int:
        return int(self.labels.shape[0])


@dataclass(frozen=True, eq=False)
class StoredNames:
    """Names of a clustering's clusters.

    Attributes
    ----------
    names : tuple of str
        One a cluster; empty for those without.
    outliers : tuple of bool
        Whether a cluster's rows are outliers.
    clusters : NamedClusters
    paths : str or None
        The fingerprint of the paths of the rows; None where they had none.
    """

    names: tuple[str, ...]
    outliers: tuple[bool, ...]
    clusters: NamedClusters
    paths: str | None


def named_clusterings(workspace: Workspace) -> list[StoredClustering]:
    """All clusterings with stored names; some of them may be no more."""
    files = (workspace.store / NAMES).glob("*/*/zarr.json")
    places = sorted((file.parent.parent.name, file.parent.name) for file in files)
    return [StoredClustering(workspace, *place) for place in places]


def load_names(clustering: StoredClustering) -> StoredNames | None:
    """The names of a clustering, and of those that were called like it; None where there are
    none."""
    group = clustering.workspace.get(_path(clustering))
    if group is None:
        return None
    names = tuple(group.attrs["names"])
    return StoredNames(
        names,
        tuple(group.attrs["outliers"]),
        NamedClusters(group.attrs["named"], len(names), Labels(group[_LABELS], len(names))),
        group.attrs["paths"],
    )


def clusters_to_name(clustering: StoredClustering, mark: str) -> NamedClusters | None:
    """The clusters of the clustering of this name that has the fingerprint `mark`: the present
    one, one in the archive, or one whose names are stored, which stand in for it."""
    group = clustering.workspace.find(clustering.path, mark)
    if group is not None:
        n_clusters = int(group.attrs["n_clusters"])
        labels = Labels(group[_LABELS], n_clusters)
        return NamedClusters(group.attrs["fingerprint"], n_clusters, labels)
    known = load_names(clustering)
    return known.clusters if known and known.clusters.fingerprint == mark else None


def save_names(
    passes: Passes,
    clustering: StoredClustering,
    names: tuple[str, ...],
    outliers: tuple[bool, ...],
    clusters: NamedClusters,
) -> None:
    """Store names; those that the clustering had before go to the archive."""
    workspace, path = clustering.workspace, _path(clustering)
    paths = mark_of_rows(workspace, clusters.n_rows)
    of_clusters = [list(names), list(outliers)]
    mark = fingerprint(LABEL_STEP, 1, clusters.fingerprint, paths, of_clusters)
    if workspace.restore(path, mark):
        return
    with workspace.staging() as staged:
        group = staged.create_group(NAMES)
        shape = (clusters.n_rows,)
        labels = stage_array(group, _LABELS, shape, np.int32, _CHUNK, -1, compress=True)
        rows = Rows(Columns([clusters.labels]))
        passes.write("storing names", rows, _first_column, [labels])
        group.attrs.update(
            names=of_clusters[0],
            outliers=of_clusters[1],
            named=clusters.fingerprint,
            paths=paths,
            n_clusters=len(names),
        )
        workspace.publish(group, path, mark)


def archive_names(clustering: StoredClustering) -> bool:
    """Put the names of a clustering aside; tells whether there were any."""
    path = _path(clustering)
    is_named = clustering.workspace.get(path) is not None
    clustering.workspace.archive(path)
    return is_named


def _path(clustering: StoredClustering) -> str:
    return f"{NAMES}/{clustering.set_name}/{clustering.name}"


def _first_column(values: np.ndarray) -> tuple[np.ndarray, ...]:
    return (values[:, 0],)
