"""How far a layout keeps the neighbourhoods of rows, measured on a sample of them."""

from typing import NamedTuple

import numpy as np

N_NEIGHBORS = 15
SAMPLED_ROWS = 4096
PIECE_ROWS = 256


class LayoutQuality(NamedTuple):
    """What is kept of neighbourhoods.

    Attributes
    ----------
    preservation : float
        Share of the rows' nearest neighbours that are among the nearest in the layout.
    trustworthiness : float
        1 less a penalty for neighbours in the layout that are none among the rows, by how far down
        these rank.
    n_neighbors, n_rows : int
        What both are taken of.
    """

    preservation: float
    trustworthiness: float
    n_neighbors: int
    n_rows: int


def layout_quality(
    values: np.ndarray, positions: np.ndarray, n_neighbors: int = N_NEIGHBORS
) -> LayoutQuality:
    """Compare each row's nearest neighbours with those in the layout, among the rows given.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    positions : ndarray of shape (n_rows, n_dimensions)
    n_neighbors : int
        Fewer are taken of fewer than twice as many rows.

    Returns
    -------
    LayoutQuality
        NaN of fewer than three rows.

    References
    ----------
    Venna, J. & Kaski, S. (2001). Neighborhood preservation in nonlinear projection methods: an
    experimental study. ICANN. As scikit-learn's ``manifold.trustworthiness``.
    """
    n_rows = len(values)
    k = min(n_neighbors, (n_rows - 1) // 2)
    if k < 1:
        return LayoutQuality(np.nan, np.nan, k, n_rows)
    kept, penalty = 0, 0
    rows, places = _centred(values), _centred(positions)
    for start in range(0, n_rows, PIECE_ROWS):
        ranks = _ranks_of_neighbors(rows, places, slice(start, start + PIECE_ROWS), k)
        kept += int(np.count_nonzero(ranks <= k))
        penalty += int(np.maximum(ranks - k, 0).sum())
    worst = n_rows * k * (2 * n_rows - 3 * k - 1) / 2
    return LayoutQuality(kept / (n_rows * k), 1 - penalty / worst, k, n_rows)


def quality_bytes(n_columns: int) -> int:
    """Bytes held at the peak of `layout_quality` on `SAMPLED_ROWS` rows."""
    return SAMPLED_ROWS * (8 * 6 * PIECE_ROWS + 8 * 4 * n_columns)


def _centred(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return rows - rows.mean(axis=0)


def _ranks_of_neighbors(rows: np.ndarray, places: np.ndarray, part: slice, k: int) -> np.ndarray:
    """Ranks (n_part, k) among the rows, from 1, of the nearest neighbours in the layout."""
    near = np.argpartition(_squares_to_others(places, part), k - 1, axis=1)[:, :k]
    squares = _squares_to_others(rows, part)
    of_near = np.take_along_axis(squares, near, axis=1)
    return np.stack([(squares < column[:, None]).sum(axis=1) for column in of_near.T], axis=1) + 1


def _squares_to_others(rows: np.ndarray, part: slice) -> np.ndarray:
    """Squared distances of some rows to all; infinite to themselves."""
    lengths = np.einsum("ij,ij->i", rows, rows)
    some = rows[part]
    squares = lengths - 2 * some @ rows.T + lengths[part, None]
    numbers = np.arange(len(some))
    squares[numbers, part.start + numbers] = np.inf
    return squares
