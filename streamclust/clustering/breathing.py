"""Centres of k-means breathed out of a poor minimum, on rows that lie in memory."""

from typing import Any

import numpy as np

from streamclust.passes.accumulators import SLICE_ROWS

# Centres added at once, at first; measured by Fritzke to be enough.
_MOST_ADDED = 5
# Held of a row: so many and one more numbers and squares, sorted and taken from.
NEAREST_BYTES = 4 * 8 * (_MOST_ADDED + 1)
# Falls of the inertia below this share of it are rounding.
_LEAST_FALL = 1e-6


def breathed(
    rows: np.ndarray,
    centers: np.ndarray,
    random: np.random.RandomState,
    weights: np.ndarray | None = None,
) -> Any:
    """Add centres where the error is largest, take away those that matter least, and again.

    Lloyd's passes move a centre no farther than the rows that are nearest to it: rows far out, as
    those of heavy tails, get centres of their own only if the seeds lay there. Centres that are
    added and taken away one after another leap, and the inertia never rises [1]_. Here a centre is
    added at a row drawn by its squared distance, as k-means++ draws, from each of the clusters with
    the largest error.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
    centers : ndarray of shape (n_clusters, n_columns)
    random : numpy.random.RandomState
    weights : ndarray of shape (n_rows,), optional
        Of the rows; above 0.

    Returns
    -------
    sklearn.cluster.KMeans
        Fitted.

    References
    ----------
    .. [1] Fritzke, B. (2020). Breathing k-means: superior k-means solutions through dynamic
       k-values. arXiv:2006.15666.
    """
    # A large common offset would cost digits of the distances.
    shift = rows.mean(axis=0, dtype=np.float64)
    rows, centers = (np.asarray(one - shift, rows.dtype) for one in (rows, centers))
    best = _short(rows, centers, weights)
    added = min(_MOST_ADDED, len(centers), len(rows) - len(centers))
    while added and best.inertia_ > 0:
        extra = _rows_of_largest_error(rows, best, added, random, weights)
        more = np.concatenate([best.cluster_centers_, extra])
        more = _short(rows, more, weights).cluster_centers_
        kept = most_useful(rows, more, len(centers), weights)
        model = _short(rows, more[kept], weights)
        if model.inertia_ < best.inertia_ * (1 - _LEAST_FALL):
            best = model
        else:
            added -= 1
    found = _lloyd(rows, best.cluster_centers_, weights)
    found.cluster_centers_ = found.cluster_centers_ + shift
    return found


def _short(rows: np.ndarray, centers: np.ndarray, weights: np.ndarray | None) -> Any:
    return _lloyd(rows, centers, weights, max_iter=10, tol=1e-3)


def _lloyd(rows: np.ndarray, centers: np.ndarray, weights: np.ndarray | None, **limits: Any) -> Any:
    from sklearn.cluster import KMeans

    model = KMeans(len(centers), init=centers, n_init=1, **limits)
    return model.fit(rows, sample_weight=weights)


def _rows_of_largest_error(
    rows: np.ndarray,
    model: Any,
    count: int,
    random: np.random.RandomState,
    weights: np.ndarray | None,
) -> np.ndarray:
    labels, centers = model.labels_, model.cluster_centers_
    apart = rows - centers[labels]
    squares = np.einsum("ij,ij->i", apart, apart).astype(np.float64)
    if weights is not None:
        squares = weights * squares
    errors = np.bincount(labels, squares, len(centers))
    drawn = []
    for cluster in np.argsort(-errors, kind="stable")[:count]:
        members = np.flatnonzero(labels == cluster)
        if len(members):
            sums = np.cumsum(squares[members])
            place = np.searchsorted(sums, random.random_sample() * sums[-1])
            drawn.append(members[min(place, len(members) - 1)])
    return rows[drawn]


def most_useful(
    rows: np.ndarray, centers: np.ndarray, n_kept: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Tell which centres stay when those are taken away, one by one, that matter least.

    A centre matters by what the inertia would grow without it: by how much farther than it the next
    centre lies, squared, summed over the rows nearest to it.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
    centers : ndarray of shape (n_centers, n_columns)
    n_kept : int
    weights : ndarray of shape (n_rows,), optional

    Returns
    -------
    ndarray of bool of shape (n_centers,)
    """
    lost = len(centers) - n_kept
    near, squares = _nearest(rows, centers, lost + 1)
    kept = np.ones(len(centers), bool)
    for _ in range(lost):
        # Of the first of those that are left: sorting is stable, and True is above False.
        first = np.argsort(~kept[near], axis=1, kind="stable")[:, :2]
        apart = np.diff(np.take_along_axis(squares, first, 1), axis=1)[:, 0]
        if weights is not None:
            apart = weights * apart
        nearest = np.take_along_axis(near, first[:, :1], 1)[:, 0]
        growth = np.bincount(nearest, apart, len(centers))
        kept[np.where(kept, growth, np.inf).argmin()] = False
    return kept


def _nearest(rows: np.ndarray, centers: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and squared distances (n_rows, count) of the nearest centres, nearest first."""
    shift = centers.mean(axis=0)
    centers = centers - shift
    doubled, lengths = (-2 * centers).T, np.einsum("ij,ij->i", centers, centers)
    numbers = np.empty((len(rows), count), np.int64)
    squares = np.empty((len(rows), count))
    for start in range(0, len(rows), SLICE_ROWS):
        piece = slice(start, start + SLICE_ROWS)
        own = rows[piece] - shift
        # All are less the row's own squared length, which tells none from another.
        partial = own @ doubled + lengths
        near = np.argpartition(partial, min(count, len(centers) - 1), axis=1)[:, :count]
        values = np.take_along_axis(partial, near, 1)
        order = np.lexsort((near, values), axis=1)
        numbers[piece] = np.take_along_axis(near, order, 1)
        squares[piece] = np.take_along_axis(values, order, 1)
    return numbers, squares
