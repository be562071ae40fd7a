"""Exact nearest neighbours of an array in memory."""

import numpy as np

from streamclust.models.neighbors.pairs import Members, as_members
from streamclust.models.neighbors.search import Neighbors, Search

_QUERIES = 8192


def exact_neighbors(
    values: np.ndarray, k: int, groups: np.ndarray | None = None
) -> tuple[Neighbors, Neighbors | None]:
    """Find each row's k nearest other rows, by comparing all rows with all.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Finite.
    k : int
    groups : ndarray of int of shape (n_rows,), optional
        Rows of one group, such as the images of one vehicle; below 0 for a row of its own.

    Returns
    -------
    plain : Neighbors
    of_groups : Neighbors or None
        The nearest with at most one row of each group, the row's own group included.
    """
    members = as_members(values, np.arange(len(values)), groups, values.mean(axis=0))
    return nearest_among(members, members, k)


def nearest_among(queries: Members, members: Members, k: int) -> tuple[Neighbors, Neighbors | None]:
    """Find each query's k nearest of the members, and with groups those of distinct groups."""
    plain = Neighbors.none(len(queries), k)
    of_groups = None if queries.groups is None else Neighbors.none(len(queries), k)
    for start in range(0, len(queries), _QUERIES):
        part = slice(start, start + _QUERIES)
        search = Search(queries[part], k)
        everyone = np.arange(len(search.queries))
        search.see(everyone, members)
        plain.replace(part, search.result())
        if of_groups is not None:
            found = search.result(of_groups=True)
            lacking = np.flatnonzero(~found.complete)
            if len(lacking):
                again = Search(search.queries[lacking], k, thorough=True)
                again.see(np.arange(len(lacking)), members)
                found.replace(lacking, again.result(of_groups=True))
            of_groups.replace(part, found)
    return plain, of_groups
