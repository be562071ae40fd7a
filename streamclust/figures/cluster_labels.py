"""Where clusters are densest on a plane: outlines, and places for their numbers to be read."""

import numpy as np
from matplotlib.axes import Axes

# A spiral of evenly spread places: their number, and their distance in heights of a label.
PLACES, STEP = 4000, 0.3
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
# Share of the bins over which a cluster's counts are summed to find where it is densest.
NEIGHBOURHOOD = 0.05
# The outline holds this share of a cluster's rows in the fewest bins (highest density region:
# Hyndman, R. J. (1996). Computing and graphing highest density regions. The American Statistician
# 50(2)), where so large a share of all rows in these bins are the cluster's.
SHARE, LEAST_PURITY = 0.5, 0.6
# Counts are smoothed by this standard deviation, a share of the bins along x: outlines of single
# bins would be noise.
SMOOTHING = 0.012


def density_middles(counts: np.ndarray) -> np.ndarray:
    """Middle of the densest part of each cluster, in bins.

    The densest part, not the mean: that of a bent or split cluster may lie outside it.

    Parameters
    ----------
    counts : ndarray of shape (n_clusters, n_bins_x, n_bins_y)

    Returns
    -------
    ndarray of shape (n_clusters, 2)
        NaN for clusters without a row in the bins.
    """
    middles = np.full((len(counts), 2), np.nan)
    reach = [max(1, round(NEIGHBOURHOOD * n)) for n in counts.shape[1:]]
    for j, layer in enumerate(counts):
        if not layer.any():
            continue
        summed = _box_sums(_box_sums(layer, reach), reach)
        column, row = np.unravel_index(summed.argmax(), summed.shape)
        x = np.arange(max(0, column - reach[0]), min(len(layer), column + reach[0] + 1))
        y = np.arange(max(0, row - reach[1]), min(layer.shape[1], row + reach[1] + 1))
        part = layer[x[0] : x[-1] + 1, y[0] : y[-1] + 1]
        if part.any():
            middles[j] = part.sum(axis=1) @ x / part.sum(), part.sum(axis=0) @ y / part.sum()
        else:
            middles[j] = column, row
    return middles + 0.5


def spread_labels(
    points: np.ndarray,
    boxes: np.ndarray,
    size: tuple[float, float],
    occupied: np.ndarray | None = None,
) -> np.ndarray:
    """Put boxes as near to points as others and a frame allow.

    Boxes are placed one after the other, each at the nearest free place of a spiral around its
    point: unlike with boxes that push each other, none moves that does not have to.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    boxes : ndarray of shape (n, 2)
        Width and height of each box.
    size : (float, float)
        Width and height of the frame, whose lower left corner is (0, 0).
    occupied : ndarray of bool of shape (n_bins_x, n_bins_y), optional
        Bins of the frame that boxes should not cover, where there is room beside them.

    Returns
    -------
    ndarray of shape (n, 2)
        Centres, without overlap as far as the spirals reach free places.
    """
    placed = np.empty_like(points, dtype=np.float64)
    turn = np.arange(PLACES)
    angle = GOLDEN_ANGLE * turn
    spiral = np.sqrt(turn)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    covered = None if occupied is None else _Covered(occupied, size)
    for i, (point, box) in enumerate(zip(points, boxes, strict=True)):
        places = np.clip(point + STEP * box.min() * spiral, box / 2, np.array(size) - box / 2)
        apart = np.abs(places[:, None] - placed[:i])
        taken = (apart < (box + boxes[:i]) / 2).all(axis=2).any(axis=1)
        best = taken.argmin()
        if covered is not None and not (blocked := taken | covered(places, box)).all():
            best = blocked.argmin()
        placed[i] = places[best]
    return placed


class _Covered:
    """Whether boxes cover bins that are occupied, by sums over rectangles."""

    def __init__(self, occupied: np.ndarray, size: tuple[float, float]) -> None:
        self.sums = np.pad(
            occupied.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0))
        )
        self.bins_a_unit = np.array(occupied.shape) / size

    def __call__(self, places: np.ndarray, box: np.ndarray) -> np.ndarray:
        limit = np.array(self.sums.shape) - 1
        low = np.clip(np.floor((places - box / 2) * self.bins_a_unit), 0, limit).astype(int)
        high = np.clip(np.ceil((places + box / 2) * self.bins_a_unit), 0, limit).astype(int)
        (x0, y0), (x1, y1) = low.T, high.T
        sums = self.sums
        return sums[x1, y1] - sums[x0, y1] - sums[x1, y0] + sums[x0, y0] > 0


def _box_sums(layer: np.ndarray, reach: list[int]) -> np.ndarray:
    """Sum over the neighbours within `reach` bins."""
    for axis, far in enumerate(reach):
        edges = [(0, 0), (0, 0)]
        edges[axis] = (far + 1, far)
        summed = np.cumsum(np.pad(layer, edges), axis=axis)
        n = layer.shape[axis]
        first, last = np.arange(n), np.arange(n) + 2 * far + 1
        layer = np.take(summed, last, axis) - np.take(summed, first, axis)
    return layer


def outline(
    axes: Axes,
    layer: np.ndarray,
    total: np.ndarray,
    extent: tuple[float, ...],
    color: tuple[float, ...],
) -> None:
    """Draw around the bins that hold half of a cluster's rows most densely, if most rows in these
    bins are the cluster's: outlines of clusters that lie upon each other would tell nothing.

    Parameters
    ----------
    axes : Axes
    layer, total : ndarray of shape (n_bins_x, n_bins_y)
        Rows of the cluster, and of all.
    extent : (float, float, float, float)
        Left, right, lower and upper end of the bins.
    color : tuple
    """
    smooth = smoothed(layer)
    level = level_of(smooth, SHARE)
    if level is None:
        return
    within = smooth >= level
    if layer[within].sum() < LEAST_PURITY * total[within].sum():
        return
    left, right, low, high = extent
    x, y = (
        start + (np.arange(n) + 0.5) * (end - start) / n
        for start, end, n in ((left, right, layer.shape[0]), (low, high, layer.shape[1]))
    )
    axes.contour(x, y, smooth.T, levels=[level], colors=[color], linewidths=1.1, alpha=0.9)


def smoothed(layer: np.ndarray) -> np.ndarray:
    """Counts spread by a Gaussian."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(layer.astype(np.float64), SMOOTHING * len(layer), mode="constant")


def level_of(density: np.ndarray, share: float) -> float | None:
    """The density above which `share` of the total lies; None where there is nothing to outline."""
    falling = np.sort(density[density > 0])[::-1]
    if len(falling) < 2:
        return None
    level = falling[np.searchsorted(np.cumsum(falling), share * falling.sum())]
    return float(level) if falling[-1] < level < falling[0] else None
