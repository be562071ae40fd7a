"""Which clusters are set off from their neighbours by borders that are emptier than their flanks.

The rows whose two nearest means are those of clusters i and j fill a convex region: an intersection
of half-spaces. Where data have no structure, that is a log-concave density (a Gaussian of any
covariance, a uniform convex body), so has the projection of that region's rows on the line between
the two means (Prékopa 1973, "On logarithmic concave measures and functions", Acta Scientiarum
Mathematicarum 34): its density at the border is at least the geometric mean of those at equal
distances left and right of it. A border with fewer rows is a gap, whatever the dimension, the
covariance or the number of clusters; no reference has to be drawn.
"""

from dataclasses import dataclass

import numpy as np

from streamclust.passes.accumulators import SLICE_ROWS

# In distances between the two means, from the border, which is at 0; the means are at ±1/2.
BORDER = 1 / 8
FLANK = (1 / 4, 1 / 2)

# Rows beyond so many median distances of their cluster are scattered ones, which lie at borders:
# in high dimensions halfway between groups that are far apart.
FAR = 3.0

# A cluster is separated when its borders hold less than this part of what the flanks demand.
EMPTY = 0.5
# Flanks hold at least so many rows, and the gap is so many standard errors of a difference of
# counts: fewer rows tell nothing, in either direction.
LEAST_ROWS = 5
LEAST_ERRORS = 2.0

# Or when its borders hold next to none of its rows: groups far apart have rows on one flank only,
# as their neighbours' second nearest are others. Measured on structureless data, in up to 128
# columns and 55 clusters, borders hold more than 5 % everywhere.
BARE = 0.01
LEAST_OWN_ROWS = 20


@dataclass(frozen=True)
class Borders:
    """Rows at the borders of clusters, and what their flanks demand of log-concave data.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        A uniform sample.
    """

    rows: np.ndarray

    def __call__(self, clusters: tuple[np.ndarray, np.ndarray]) -> int:
        """Number of separated clusters, of means (k, n_columns) and sizes (k,)."""
        if np.isfinite(clusters[0]).all(axis=1).sum() < 2:
            return 0
        return int(is_separated(*self.counts(*clusters)).sum())

    def counts(
        self, means: np.ndarray, sizes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows at each cluster's borders, and the least that log-concave data would have there.

        Parameters
        ----------
        means : ndarray of shape (k, n_columns)
            Label means; NaN where a cluster has no rows.
        sizes : ndarray of shape (k,)
            Rows that each mean was taken of.

        Returns
        -------
        at_border, demanded, sizes : ndarray of shape (k,)
            Sums over a cluster's neighbours of the rows within `BORDER` of the border, and of the
            geometric mean of the rows on its two flanks, each as wide; its rows in the sample. All
            without rows beyond `FAR` median distances.
        """
        k = len(sizes)
        near, second, place, distances = _places(self.rows, means, sizes)
        compact = distances <= FAR**2 * _medians(distances, near, k)[near]
        near, second, place = near[compact], second[compact], place[compact]
        first, last = np.minimum(near, second), np.maximum(near, second)
        pairs, pair = np.unique(first.astype(np.int64) * k + last, return_inverse=True)
        side = np.where(near == first, -place, place)
        left, middle, right = (
            np.bincount(pair[part], minlength=len(pairs))
            for part in (
                (-side >= FLANK[0]) & (-side < FLANK[1]),
                np.abs(side) < BORDER,
                (side >= FLANK[0]) & (side < FLANK[1]),
            )
        )
        flanks = np.sqrt(left * right)
        at_border, demanded = (
            np.bincount(pairs // k, counts, k) + np.bincount(pairs % k, counts, k)
            for counts in (middle, flanks)
        )
        return at_border, demanded, np.bincount(near, minlength=k)


def is_separated(at_border: np.ndarray, demanded: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Whether borders with `at_border` rows are gaps, as `Borders.counts` gives them."""
    clear = demanded - at_border >= LEAST_ERRORS * np.sqrt(demanded + at_border)
    emptier = (demanded >= LEAST_ROWS) & (at_border < EMPTY * demanded) & clear
    bare = (sizes >= LEAST_OWN_ROWS) & (at_border <= BARE * sizes)
    return emptier | bare


def _places(
    rows: np.ndarray, means: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nearest and second nearest mean of each row, its distance from their border, and squared from
    the nearest mean.

    The distance from the border is along the line between the means, in distances between them: 1/2
    at the own mean, 0 at the border. A row has pulled its own mean towards itself; its distance is
    taken from the mean of the other rows.
    """
    near = np.empty(len(rows), np.intp)
    second = np.empty(len(rows), np.intp)
    place = np.empty(len(rows))
    distances = np.empty(len(rows))
    apart = _apart(means)
    grown = (sizes / np.maximum(sizes - 1, 1)) ** 2
    occupied = np.flatnonzero(np.isfinite(means).all(axis=1))
    centers = means[occupied] - means[occupied].mean(axis=0)
    shift = means[occupied].mean(axis=0)
    lengths = np.einsum("ij,ij->i", centers, centers)
    for start in range(0, len(rows), SLICE_ROWS):
        piece = slice(start, start + SLICE_ROWS)
        block = rows[piece] - shift
        squared = np.einsum("ij,ij->i", block, block)[:, None] - 2 * block @ centers.T + lengths
        two = np.argsort(squared, axis=1, kind="stable")[:, :2]
        nearest, other = np.take_along_axis(squared, two, axis=1).T
        near[piece], second[piece] = occupied[two].T
        distances[piece] = nearest
        gap = apart[near[piece], second[piece]]
        place[piece] = (other - grown[near[piece]] * nearest) / (2 * gap)
    return near, second, place, distances


def _medians(values: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Median value of each label; 0 where it has none."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(values[order], np.cumsum(np.bincount(labels, minlength=k))[:-1])
    return np.array([np.median(part) if len(part) else 0.0 for part in parts])


def _apart(means: np.ndarray) -> np.ndarray:
    """Squared distances between means; infinite where two are the same."""
    apart = ((means[:, None] - means[None]) ** 2).sum(axis=2)
    apart[apart == 0] = np.inf
    return apart
