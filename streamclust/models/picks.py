"""Which rows show what a cluster is like: typical ones, and such as cover it."""

import numpy as np

# Typical rows are chosen of this part of a cluster's sample, the nearest to its mean, or so many
# times as many as are wanted.
TYPICAL_PART = 0.05
LEAST_CHOICE = 4
# Of the rows that are to show the variety of a cluster the farthest are left out: they show what
# does not belong.
VARIED_PART = 0.95
# Nearer than this part of the cluster's median radius, two rows show the same picture.
SAME = 0.1


def typical(values: np.ndarray, distances: np.ndarray, wanted: int) -> np.ndarray:
    """Rows near the mean that differ from each other.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        A uniform sample of a cluster.
    distances : ndarray of shape (n_rows,)
        To its mean.
    wanted : int

    Returns
    -------
    ndarray of int
        Which rows, the nearest first, then each the farthest from those before it; fewer than
        wanted where the others are near-duplicates of these.
    """
    near = np.argsort(distances, kind="stable")
    near = near[: max(int(np.ceil(TYPICAL_PART * len(near))), LEAST_CHOICE * wanted)]
    return near[farthest_first(values[near], wanted, SAME * _radius(distances))]


def varied(values: np.ndarray, distances: np.ndarray, wanted: int) -> np.ndarray:
    """Rows spread over a cluster; as `typical`, of all but its farthest."""
    near = np.argsort(distances, kind="stable")
    near = near[: max(wanted, int(np.ceil(VARIED_PART * len(near))))]
    return near[farthest_first(values[near], wanted, SAME * _radius(distances))]


def farthest_first(values: np.ndarray, wanted: int, least: float = 0.0) -> np.ndarray:
    """The first row, then each the farthest from those before it: at most twice the radius of
    the best cover by as many (Gonzalez 1985, "Clustering to minimize the maximum intercluster
    distance", Theoretical Computer Science 38).

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    wanted : int
    least : float
        Stop before a row that is no farther than this.
    """
    taken: list[int] = []
    gaps = np.full(len(values), np.inf)
    while len(taken) < min(wanted, len(values)):
        place = int(gaps.argmax()) if taken else 0
        if taken and gaps[place] <= least:
            break
        taken.append(place)
        gaps = np.minimum(gaps, np.sqrt(((values - values[place]) ** 2).sum(axis=1)))
    return np.array(taken, np.int64)


def _radius(distances: np.ndarray) -> float:
    return float(np.median(distances)) if len(distances) else 0.0
