"""Ward's agglomerative clustering of micro-clusters: one tree, cut at every k."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.clustering.landmarks import (
    NearestLandmark,
    labelling_need,
    largest_first,
    micro_clusters,
    sampled_rows,
)
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings

# A link this little shorter than the one before it, relatively, is the same but for rounding.
_ROUNDING = 1e-12

# The tree takes memory and time by their square, labelling by their number.
MICRO_CLUSTERS = 2048
MICRO_CLUSTERS_A_CLUSTER = 4


def n_micro_clusters(ks: Sequence[int]) -> int:
    """Micro-clusters of a tree: the same for all k, unless hundreds of clusters are asked for."""
    return max(MICRO_CLUSTERS, MICRO_CLUSTERS_A_CLUSTER * max(ks))


class Ward:
    """See `ward_merges`, here over the micro-clusters of `streamclust.clustering.landmarks`.

    A clustering's arrays are ``landmarks`` (means of the micro-clusters) with their ``weights``
    (rows) and ``landmark_labels``, and the tree as a linkage matrix of scipy, ``merges``.
    """

    version = 1
    depends_on = ("random_state",)
    takes_k = True
    labeller = NearestLandmark

    def needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        most = min(n_micro_clusters(ks), rows.n_rows)
        sample = min(sampled_rows(most), rows.n_rows) * rows.row_bytes
        labelling = labelling_need(rows, most, len(ks))
        sums = 2 * most * rows.n_columns * 8
        return [
            Need(fixed=3 * sample, per_block=2 * sample),
            Need(fixed=labelling.fixed + sample, per_block=labelling.per_block + 2 * sums),
            # The square matrix, and half as much again while it is made.
            Need(fixed=labelling.fixed + 12 * most**2),
            labelling,
        ]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        micro = micro_clusters(rows, n_micro_clusters(ks), settings.random_state, passes)
        merges = ward_merges(micro.means, micro.sizes)
        shared = {"landmarks": micro.means, "weights": micro.sizes, "merges": merges}
        labels = {k: largest_first(cut(merges, k), micro.sizes) for k in ks}
        return [Clustering(k, {**shared, "landmark_labels": labels[k]}) for k in ks]


def ward_merges(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Merge weighted points by Ward's method, until one cluster is left.

    A point of weight w counts as w points in one place. The nearest-neighbour chain finds the
    merges in O(n²) time and memory.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_columns)
    weights : ndarray of shape (n_points,)
        Above 0.

    Returns
    -------
    ndarray of float64 of shape (n_points - 1, 4)
        A linkage matrix of scipy: two nodes, the height of their merge, and its number of points.
        The height is the square root of twice the growth of the weighted sum of squares.

    References
    ----------
    Ward, J. H. (1963). Hierarchical grouping to optimize an objective function. Journal of the
    American Statistical Association 58(301).
    Murtagh, F. & Contreras, P. (2012). Algorithms for hierarchical clustering: an overview.
    WIREs Data Mining and Knowledge Discovery 2(1).
    """
    merges = np.array(_chained_merges(points, weights)).reshape(-1, 3)
    merges = merges[np.argsort(merges[:, 2], kind="stable")]
    return _linkage(merges[:, :2].astype(np.int64), np.sqrt(np.maximum(merges[:, 2], 0)))


def cut(merges: np.ndarray, n_clusters: int) -> np.ndarray:
    """Labels of the points when so many clusters are left.

    Parameters
    ----------
    merges : ndarray of shape (n_points - 1, 4)
        A linkage matrix.
    n_clusters : int
        With more than there are points, each point is a cluster.

    Returns
    -------
    ndarray of int64 of shape (n_points,)
    """
    n_points = len(merges) + 1
    roots = np.arange(2 * n_points - 1)
    for i in range(n_points - n_clusters - 1, -1, -1):
        roots[merges[i, :2].astype(np.int64)] = roots[n_points + i]
    return np.unique(roots[:n_points], return_inverse=True)[1]


def _chained_merges(points: np.ndarray, weights: np.ndarray) -> list[tuple[int, int, float]]:
    """Merges as a chain of nearest neighbours meets them: a point of each side, and the cost."""
    counts = np.asarray(weights, np.float64).copy()
    costs = _initial_costs(np.asarray(points, np.float64), counts)
    merged = np.zeros(len(points), bool)
    chain: list[int] = []
    merges = []
    for _ in range(len(points) - 1):
        if not chain:
            chain = [int(merged.argmin())]
        _lengthen(chain, costs)
        gone, kept = sorted((chain.pop(), chain.pop()))
        merges.append((gone, kept, float(costs[gone, kept])))
        _join(costs, counts, gone, kept)
        merged[gone] = True
    return merges


def _initial_costs(points: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Squared heights at which pairs of points would merge, infinite on the diagonal."""
    from scipy.spatial.distance import pdist, squareform

    costs = squareform(pdist(points, "sqeuclidean"))
    for row, count in zip(costs, counts, strict=True):
        row *= 2 * count * counts / (count + counts)
    np.fill_diagonal(costs, np.inf)
    return costs


def _lengthen(chain: list[int], costs: np.ndarray) -> None:
    """Go on to nearest neighbours until the last two are each other's."""
    while True:
        row = costs[chain[-1]]
        nearest = int(row.argmin())
        # A tie goes to the one before: else the chain might run in a circle.
        if len(chain) > 1 and row[chain[-2]] <= row[nearest] * (1 + _ROUNDING):
            return
        chain.append(nearest)


def _join(costs: np.ndarray, counts: np.ndarray, gone: int, kept: int) -> None:
    """Costs to a merged cluster by the formula of Lance and Williams, in place of `kept`."""
    size, other = counts[gone], counts[kept]
    joined = (counts + size) * costs[gone] + (counts + other) * costs[kept]
    joined -= counts * costs[gone, kept]
    joined /= counts + size + other
    joined[kept] = np.inf
    costs[kept], costs[:, kept] = joined, joined
    costs[gone], costs[:, gone] = np.inf, np.inf
    counts[kept] += size


def _linkage(pairs: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """A linkage matrix from merges in order of height, each told by a point of either side."""
    n_points = len(pairs) + 1
    above = np.arange(2 * n_points - 1)
    sizes = np.ones(2 * n_points - 1)
    merges = np.empty((len(pairs), 4))
    for i, pair in enumerate(pairs):
        low, high = sorted(_top(above, int(point)) for point in pair)
        above[[low, high]] = n_points + i
        sizes[n_points + i] = sizes[low] + sizes[high]
        merges[i] = low, high, heights[i], sizes[n_points + i]
    return merges


def _top(above: np.ndarray, node: int) -> int:
    """The node that has none above it, with the path to it made shorter."""
    while above[node] != node:
        above[node] = above[above[node]]
        node = int(above[node])
    return node
