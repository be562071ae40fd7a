"""Where each cluster lies on a plane: one small panel a cluster, all rows behind it in grey."""

from pathlib import Path
from typing import Any

import numpy as np

from streamclust.figures.canvas import INK, QUIET, new_figure, save_png, write, write_title
from streamclust.figures.colors import cluster_colors, density_image
from streamclust.figures.density import NOISE, legend_entry

WIDTH = 11.0
COLUMNS, PANEL, BETWEEN, HEAD = 6, 1.66, 0.12, 0.24  # inches
TOP, FOOT, LEFT = 0.72, 0.3, 0.22
# More panels could not be looked at; the largest clusters are drawn.
MOST_PANELS = 60
# Bins of a panel along each side, at most.
BINS = 160
# What is lighter, the rim of a dot, does not hide what lies behind.
FAINT = 0.93


def cluster_panels(path: Path, counts: np.ndarray, sizes: np.ndarray, title: str) -> None:
    """Draw each cluster on the same plane, the largest first.

    Parameters
    ----------
    path : Path
        The PNG to write.
    counts : ndarray of shape (n_clusters, n_bins_x, n_bins_y)
    sizes : ndarray of shape (n_clusters,)
        Rows of each cluster.
    title : str
    """
    colors, n_rows = cluster_colors(len(counts)), int(np.sum(sizes))
    shown = np.argsort(-np.asarray(sizes), kind="stable")[:MOST_PANELS]
    coarse = np.stack([_coarse(counts[j]) for j in shown])
    behind = density_image(_coarse(counts.sum(axis=0))[None], NOISE[None])
    lines = -(-len(shown) // COLUMNS)
    height = TOP + lines * (HEAD + PANEL + BETWEEN) + FOOT
    figure = new_figure(WIDTH, height)
    write_title(figure, title, 0.2 / WIDTH, 1 - 0.2 / height)
    for number, (j, layer) in enumerate(zip(shown, coarse, strict=True)):
        line, column = divmod(number, COLUMNS)
        x = LEFT + column * (PANEL + BETWEEN)
        y = height - TOP - (line + 1) * (HEAD + PANEL) - line * BETWEEN
        axes = figure.add_axes((x / WIDTH, y / height, PANEL / WIDTH, PANEL / height))
        own = density_image(layer[None], colors[j][None])
        occupied = (own < FAINT).any(axis=2, keepdims=True)
        axes.imshow(np.where(occupied, own, 0.55 + 0.45 * behind), origin="lower", aspect="auto")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color("#d9dce1")
        style: dict[str, Any] = {"va": "bottom"}
        top = (y + PANEL + 0.05) / height
        write(figure, x / WIDTH, top, str(j), weight="bold", color=INK, **style)
        share, right = legend_entry(int(sizes[j]), n_rows), (x + PANEL) / WIDTH
        write(figure, right, top, share, size=8.5, color=QUIET, ha="right", **style)
    words = "Grey: all rows in clusters."
    if len(shown) < len(counts):
        words += f" The {len(shown)} largest of {len(counts):,} clusters."
    write(figure, 0.2 / WIDTH, 0.1 / height, words, size=9, color=QUIET)
    save_png(figure, path)


def _coarse(layer: np.ndarray) -> np.ndarray:
    """Counts (n_bins_x, n_bins_y) in bins so many times as large that no more than `BINS` are."""
    for axis in (0, 1):
        step = -(-layer.shape[axis] // BINS)
        layer = np.add.reduceat(layer, np.arange(0, layer.shape[axis], step), axis=axis)
    return layer
