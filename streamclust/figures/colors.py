"""Clusters in colours, far apart for colour-blind eyes too, and counts of rows as their depth."""

from functools import lru_cache

import numpy as np

from streamclust.images import linear_of_oklab, linear_rgb, oklab, oklab_of_linear, srgb

# Matrices on linear RGB for full protanopia and deuteranopia: Machado, Oliveira &
# Fernandes (2009), "A physiologically-based model for simulation of color vision deficiency".
PROTANOPIA = np.array(
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
)
DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)

# Lightness, chroma and hue of the first colour, a calm blue.
_FIRST = (0.55, 0.13, 255.0)
# Eyes that see all colours are the rule: distances in theirs count more.
_NORMAL_WEIGHT = 0.6


def cluster_colors(n_clusters: int) -> np.ndarray:
    """Colours of clusters as sRGB in 0..1, of shape (n_clusters, 3).

    Each colour is the one farthest from all before it among those of middle lightness, by the
    least of the distances that normal, protanopic and deuteranopic eyes see in OKLab (the
    greedy method of Glasbey et al. 2007, "Colour displays for categorical images"). So cluster
    j has the same colour however many there are, and the first are the farthest apart. Beyond
    about a dozen no set of colours is safe for colour-blind eyes: pictures must name their
    clusters as well.
    """
    colors = _farthest_first(max(n_clusters, 1))[:n_clusters]
    return np.array(colors)


@lru_cache(maxsize=8)
def _farthest_first(n_colors: int) -> np.ndarray:
    candidates = _candidates()
    chosen = [0]
    nearest = np.full(len(candidates), np.inf)
    seen = _as_seen(candidates)
    while len(chosen) < min(n_colors, len(candidates)):
        distances = np.linalg.norm(seen - seen[:, chosen[-1:]], axis=2)
        distances[0] *= _NORMAL_WEIGHT
        np.minimum(nearest, distances.min(axis=0), out=nearest)
        chosen.append(int(nearest.argmax()))
    repeats = -(-n_colors // len(chosen))
    return np.tile(candidates[chosen], (repeats, 1))


def _candidates() -> np.ndarray:
    """Colours of middle lightness that a screen can show, the first one first."""
    grid = np.meshgrid(
        np.linspace(0.40, 0.78, 11), [0.07, 0.10, 0.13, 0.16, 0.19], np.arange(0, 360, 7.5)
    )
    lightness, chroma, hue = np.column_stack([_FIRST, [axis.ravel() for axis in grid]])
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    linear = linear_of_oklab(lab)
    return srgb(lab[((linear >= 0) & (linear <= 1)).all(axis=1)])


def _as_seen(rgb: np.ndarray) -> np.ndarray:
    """OKLab of colours (n, 3) as normal, protanopic and deuteranopic eyes see them: (3, n, 3)."""
    linear = linear_rgb(rgb)
    seen = (linear, *(np.clip(linear @ m.T, 0, 1) for m in (PROTANOPIA, DEUTERANOPIA)))
    return np.stack([oklab_of_linear(view) for view in seen])


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
