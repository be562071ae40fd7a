"""Names of clusters, and how they follow when the clusters are computed anew."""

from dataclasses import dataclass

import numpy as np

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


def carried(naming: Naming, table: np.ndarray, sizes: np.ndarray) -> tuple[Naming, list[Lost]]:
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
    of_name = np.array([[own == name for own in naming.names] for name in distinct])
    shared = of_name.reshape(len(distinct), len(naming.names)).astype(np.int64) @ table
    shares = shared / np.maximum(sizes, 1)
    names = [
        distinct[int(own.argmax())] if own.size and own.max() > LEAST_SHARE else ""
        for own in shares.T
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
            own = table[cluster] / np.maximum(sizes, 1)
            told = naming.names[cluster]
            lost.append(_lost(MARK, told, np.array([cluster]), table[cluster], own))
    return Naming(tuple(names), tuple(outliers.tolist())), lost


def _lost(
    what: str, name: str, clusters: np.ndarray, shared: np.ndarray, shares: np.ndarray
) -> Lost:
    into = int(shared.argmax()) if shared.any() else -1
    share = float(shares[into]) if into >= 0 else 0.0
    return Lost(what, tuple(clusters.tolist()), name, int(shared.sum()), into, share)
