"""What the clusters of a clustering are called, also when it was computed anew."""

from dataclasses import dataclass

import numpy as np

from streamclust.passes import Columns, Part, Passes, Rows
from streamclust.passes.accumulators import Contingency
from streamclust.store import (
    DescriptorSet,
    StoredClustering,
    StoredNames,
    Workspace,
    load_names,
    rows_with_mark,
    stored_paths,
)

# A cluster takes over a name, or a mark, that more than this share of its rows had.
LEAST_SHARE = 0.5
NAME, MARK = "name", "outlier"


@dataclass(frozen=True)
class Naming:
    """What the clusters of a clustering are called.

    Attributes
    ----------
    names : tuple of str
        One a cluster; empty for those without, equal for those that are merged.
    outliers : tuple of bool
        Whether a cluster's rows are outliers.
    """

    names: tuple[str, ...]
    outliers: tuple[bool, ...]

    @classmethod
    def none(cls, n_clusters: int) -> "Naming":
        """Clusters without names."""
        return cls(("",) * n_clusters, (False,) * n_clusters)

    @property
    def distinct(self) -> tuple[str, ...]:
        """Each name once, in order of the clusters."""
        return tuple(dict.fromkeys(name for name in self.names if name))


@dataclass(frozen=True)
class Lost:
    """A name, or the mark of an outlier, that no cluster took over.

    Attributes
    ----------
    what : str
        `NAME` or `MARK`.
    clusters : tuple of int
        Those that had it.
    name : str
        Theirs; may be empty for a mark.
    rows : int
        How many rows had it.
    into : int
        The new cluster with the most of them, -1 where all of them are in none.
    share : float
        Of that cluster's rows that had it: `LEAST_SHARE` or less.
    """

    what: str
    clusters: tuple[int, ...]
    name: str
    rows: int
    into: int
    share: float


def match_names(naming: Naming, table: np.ndarray, sizes: np.ndarray) -> tuple[Naming, list[Lost]]:
    """Give the names of old clusters to the new ones that overlap with them.

    A new cluster takes over the name that more than half of its rows had; merged clusters count
    together. A name that was one cluster's may become that of several.

    Parameters
    ----------
    naming : Naming
        Of the old clusters.
    table : ndarray of int, shape (n_old, n_new)
        The rows that each old cluster shares with each new one.
    sizes : ndarray of int, shape (n_new,)
        Rows of the new clusters, also those that were in no old one.

    Returns
    -------
    Naming
        Of the new clusters.
    list of Lost
        What none of them took over.
    """
    distinct = naming.distinct
    of_name = np.array([[one == name for one in naming.names] for name in distinct])
    shared = of_name.reshape(len(distinct), len(naming.names)).astype(np.int64) @ table
    shares = shared / np.maximum(sizes, 1)
    names = [
        distinct[int(of_cluster.argmax())]
        if of_cluster.size and of_cluster.max() > LEAST_SHARE
        else ""
        for of_cluster in shares.T
    ]
    lost = [
        _lost(NAME, name, np.flatnonzero(of_name[i]), shared[i], shares[i])
        for i, name in enumerate(distinct)
        if name not in names
    ]
    marked = np.array(naming.outliers, bool)
    of_marked = table[marked].sum(axis=0) / np.maximum(sizes, 1)
    outliers = of_marked > LEAST_SHARE
    for cluster in np.flatnonzero(marked):
        if not table[cluster][outliers].any():
            share = table[cluster] / np.maximum(sizes, 1)
            name = naming.names[cluster]
            lost.append(_lost(MARK, name, np.array([cluster]), table[cluster], share))
    return Naming(tuple(names), tuple(outliers.tolist())), lost


def _lost(
    what: str, name: str, clusters: np.ndarray, shared: np.ndarray, shares: np.ndarray
) -> Lost:
    into = int(shared.argmax()) if shared.any() else -1
    share = float(shares[into]) if into >= 0 else 0.0
    return Lost(what, tuple(clusters.tolist()), name, int(shared.sum()), into, share)


@dataclass(frozen=True, eq=False)
class AppliedNames:
    """The names of a clustering as it is now.

    Attributes
    ----------
    clustering : StoredClustering
    naming : Naming
    lost : list of Lost
        What was matched to none of its clusters; empty where it is the one that was named.
    """

    clustering: StoredClustering
    naming: Naming
    lost: list[Lost]


def applied_names(clustering: StoredClustering) -> AppliedNames | None:
    """The names of a clustering; None where it has none, or they are of other rows.

    Where it was computed anew, `match_names` tells which of its clusters have them.
    """
    stored = load_names(clustering)
    if stored is None or why_unused(clustering):
        return None
    naming = Naming(stored.names, stored.outliers)
    if stored.clusters.fingerprint == clustering.fingerprint:
        return AppliedNames(clustering, naming, [])
    n_clusters = len(naming.names), clustering.n_clusters
    labels = [stored.clusters.labels, Part(clustering.labels, 0, stored.clusters.n_rows)]
    # Of the rows that they were given on, also those that were in no cluster then.
    counts = Contingency(n_clusters, [(0, 1), (1, 1)])
    table, of_now = Passes().reduce("matching names", Rows(Columns(labels)), counts).result()
    return AppliedNames(clustering, *match_names(naming, table, of_now.diagonal()))


def cluster_names(clustering: StoredClustering) -> Naming:
    """What the clusters of a clustering are called; nothing where it has no names."""
    applied = applied_names(clustering)
    return Naming.none(clustering.n_clusters) if applied is None else applied.naming


def why_unused(clustering: StoredClustering) -> str:
    """Why stored names are not in use; empty where they are."""
    workspace = clustering.workspace
    about = f"the names of {clustering.set_name} {clustering.name} are kept, and not used"
    if clustering.fingerprint is None:
        return f"{about}: there is no such clustering now"
    named_set = DescriptorSet(workspace, clustering.set_name)
    if named_set.stale_sources:
        return f"{about}: its sets changed since they were mixed"
    stored = load_names(clustering)
    assert stored is not None
    n_rows = stored.clusters.n_rows
    if not _are_known(workspace, named_set, stored) or n_rows > clustering.labels.shape[0]:
        return f"{about}: they were given to the rows of another case"
    return ""


def _are_known(workspace: Workspace, named_set: DescriptorSet, stored: StoredNames) -> bool:
    """Whether the rows that names were given on are the first ones of a set."""
    if stored.paths is not None or stored_paths(workspace) is not None:
        return rows_with_mark(workspace, stored.paths) == stored.clusters.n_rows
    return stored.clusters.n_rows in named_set.row_counts
