"""NN-descent on rows in memory, by pynndescent, with its gaps filled and its distances taken anew.

Source: Dong, Moses & Li 2011, "Efficient k-nearest neighbor graph construction for generic
similarity measures", WWW. What it needs is compiled in each process, which takes about 20 s, and
twice that for the first time on a machine: pynndescent keeps on disk what it can. Keeping the rest
too was tried (numba told to keep everything while pynndescent is imported): 10 s are left, since
numba refuses the outermost functions, at the price of changing numba under others that use it.
"""

import threading

import numpy as np

from streamclust.memory import MIB
from streamclust.models.neighbors.exact import nearest_among
from streamclust.models.neighbors.pairs import Members
from streamclust.models.neighbors.search import Neighbors, Search

# Candidates asked for beyond k; of rows with groups, in multiples of k, since the nearest rows of
# most are of their own group.
_SPARE = 5
_SPARE_TIMES = 3
_PIECE_ROWS = 2048
# Measured: pynndescent, numba and what they compile.
COMPILED = 330 * MIB
# Measured, in bytes a candidate of each row, of NN-descent and of its heaps' growth.
_HELD_A_CANDIDATE = 40

# Numba's threading layers may forbid two at once, and their memory would add up.
_one_at_a_time = threading.Lock()


def candidates_a_row(k: int, *, grouped: bool) -> int:
    """Candidates that NN-descent is asked for, the row itself included."""
    return k + _SPARE + 1 + (_SPARE_TIMES * k if grouped else 0)


def descent_bytes(n_rows: int, k: int, *, grouped: bool) -> int:
    """Memory that NN-descent holds besides the rows and the libraries."""
    return n_rows * candidates_a_row(k, grouped=grouped) * _HELD_A_CANDIDATE


def descend(members: Members, k: int, seed: int) -> tuple[Neighbors, Neighbors | None]:
    """Find each row's k nearest others, and with groups those of distinct groups.

    Parameters
    ----------
    members : Members
        More than `candidates_a_row`.
    k : int
    seed : int
        The same gives the same neighbours, on any number of threads: one is used.

    Returns
    -------
    plain : Neighbors
    of_groups : Neighbors or None
    """
    candidates = _candidates(members, k, seed)
    plain = Neighbors.none(len(members), k)
    of_groups = None if members.groups is None else Neighbors.none(len(members), k)
    for start in range(0, len(members), _PIECE_ROWS):
        part = slice(start, start + _PIECE_ROWS)
        search = Search(members[part], k)
        search.compare(*_distinct(candidates[part]), members)
        plain.replace(part, search.result())
        if of_groups is not None:
            of_groups.replace(part, search.result(of_groups=True))
    complete = plain.complete if of_groups is None else plain.complete & of_groups.complete
    lacking = np.flatnonzero(~complete)
    if len(lacking):
        again, of_others = nearest_among(members[lacking], members, k)
        plain.replace(lacking, again)
        if of_groups is not None and of_others is not None:
            of_groups.replace(lacking, of_others)
    return plain, of_groups


def _candidates(members: Members, k: int, seed: int) -> np.ndarray:
    """Positions (n_rows, n_candidates) of rows that may be near; below 0 where none was found."""
    from pynndescent import NNDescent  # type: ignore[import-untyped]

    count = min(candidates_a_row(k, grouped=members.groups is not None), len(members))
    with _one_at_a_time:
        # Two threads find other neighbours than one.
        model = NNDescent(members.values, n_neighbors=count, random_state=seed, n_jobs=1)
        return model.neighbor_graph[0]


def _distinct(candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and their candidates, each once."""
    ordered = np.sort(candidates, axis=1)
    fresh = ordered >= 0
    fresh[:, 1:] &= ordered[:, 1:] > ordered[:, :-1]
    rows, columns = np.nonzero(fresh)
    return rows, ordered[rows, columns].astype(np.int64)
