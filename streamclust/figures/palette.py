"""Colours for any number of clusters, far apart for colour-blind eyes too."""

from functools import lru_cache

import numpy as np

from streamclust.models.oklab import linear_of_oklab, linear_rgb, oklab_of_linear, srgb

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
