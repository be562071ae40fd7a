"""Counts by cluster as colours: the hue tells which clusters, the depth how many rows."""

import numpy as np

from streamclust.models.oklab import oklab, srgb

# A pixel with a single row is this much of the way from white to its cluster's colour.
FAINTEST = 0.22
# The densest bins, from this quantile on, have the colour itself: a few full bins would else
# leave the others pale.
FULL_DEPTH = 0.98
# Shares are raised to this power before colours are mixed: the largest cluster of a pixel sets
# its hue, since an even mixture of many hues is only grey.
DOMINANCE = 2.0
# Where rows are so few that they hardly ever share a pixel, or all of them in so small a share of
# the plane that islands would be specks, each is drawn as a soft dot.
SPARSE, SMALL = 3.0, 0.08
DOT_RADIUS = 1.2


def density_image(counts: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Shade the bins of a plane by cluster and by the logarithm of their number of rows.

    Parameters
    ----------
    counts : ndarray of shape (n_clusters, n_bins_x, n_bins_y)
    colors : ndarray of shape (n_clusters, 3)
        sRGB in 0..1.

    Returns
    -------
    ndarray of float64 of shape (n_bins_y, n_bins_x, 3)
        sRGB in 0..1, lowest y first; bins without rows are white.
    """
    radius = dot_radius(counts)
    total = np.zeros(counts.shape[1:])
    weight = np.zeros(counts.shape[1:])
    mixed = np.zeros((*counts.shape[1:], 3))
    # Cluster by cluster: a float copy of all counts would be the largest array of the figure.
    for layer, color in zip(counts, oklab(colors), strict=True):
        rows = dotted(layer, radius)
        total += rows
        share = rows**DOMINANCE
        weight += share
        mixed += share[..., None] * color
    mixed /= np.where(weight > 0, weight, 1)[..., None]
    depth = _depth(total)[..., None]
    white = np.array([1.0, 0.0, 0.0])
    image = srgb(white + depth * (mixed - white))
    image[total == 0] = 1
    return image.transpose(1, 0, 2)


def dot_radius(counts: np.ndarray) -> float:
    """Standard deviation in bins of the dot that stands for a row; 0 to fill just its bin."""
    occupied = np.count_nonzero(counts.sum(axis=0))
    few = counts.sum() < SPARSE * occupied or occupied < SMALL * counts[0].size
    return DOT_RADIUS if occupied and few else 0.0


def dotted(layer: np.ndarray, radius: float) -> np.ndarray:
    """Spread counts (n_bins_x, n_bins_y) over dots whose middle has the count itself."""
    if radius == 0 or not layer.any():
        return layer.astype(np.float64)
    reach = int(np.ceil(2 * radius))
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (steps / radius) ** 2)
    padded = np.pad(layer.astype(np.float64), reach)
    rows = sum(k * padded[i : i + len(layer)] for i, k in enumerate(kernel))
    width = layer.shape[1]
    return np.sum([k * rows[:, i : i + width] for i, k in enumerate(kernel)], axis=0)


def _depth(total: np.ndarray) -> np.ndarray:
    """How far from white, 0..1, each bin is."""
    if not total.any():
        return total
    full = np.quantile(total[total > 0], FULL_DEPTH)
    grown = np.minimum(np.log1p(total) / np.log1p(full), 1)
    # What is left of a dot's rim fades out instead of ending at the faintest depth.
    return (FAINTEST * np.minimum(total, 1) + (1 - FAINTEST) * grown) * (total > 0)
