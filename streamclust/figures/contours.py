"""Outlines of the densest part of each cluster on a plane."""

import numpy as np
from matplotlib.axes import Axes

# The outline holds this share of a cluster's rows in the fewest bins (highest density region:
# Hyndman, R. J. (1996). Computing and graphing highest density regions. The American Statistician
# 50(2)).
SHARE = 0.5
OWN = 0.6
# Counts are smoothed by this standard deviation, a share of the bins along x: outlines of single
# bins would be noise.
SMOOTHING = 0.012


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
    if layer[within].sum() < OWN * total[within].sum():
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
