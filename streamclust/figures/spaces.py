"""All rows in space, seen from several sides, as densities shaded by cluster."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamclust.figures.canvas import QUIET, clean, new_figure, save_png, write, write_title
from streamclust.figures.colors import cluster_colors
from streamclust.figures.density import (
    HEIGHT,
    LEGEND_COLUMN,
    WIDTH,
    label_clusters,
    legend,
    legend_columns,
    outside_in_words,
    show_density,
)
from streamclust.passes.accumulators.histogram import Density, DensityMap

# How far the view is turned around the third axis, and raised above the plane of the others.
ANGLES = ((0, 20), (60, 20), (120, 20), (180, 20), (240, 20), (0, 90))
COLUMNS, ROWS = 3, 2
TOP, FOOT, LEFT, BETWEEN, HEAD = 0.72, 0.5, 0.2, 0.12, 0.24  # inches


def projection(azimuth: float, elevation: float) -> np.ndarray:
    """Axes (3, 2) of a picture of space from a direction, in degrees: to the right, and up."""
    turn, rise = np.deg2rad([azimuth, elevation])
    right = [np.cos(turn), np.sin(turn), 0.0]
    up = [-np.sin(turn) * np.sin(rise), np.cos(turn) * np.sin(rise), np.cos(rise)]
    return np.transpose([right, up])


def space_views(
    path: Path,
    views: Sequence[DensityMap],
    densities: Sequence[Density],
    sizes: np.ndarray,
    title: str,
    axis_name: str,
) -> None:
    """Draw one picture from each of the `ANGLES`.

    Parameters
    ----------
    path : Path
        The PNG to write.
    views : sequence of DensityMap
        One an angle.
    densities : sequence of Density
        What was counted; where there is a layer more than sizes, the last are rows of no cluster.
    sizes : ndarray of shape (n_clusters,)
        Rows of each cluster.
    title : str
    axis_name : str
    """
    k = len(sizes)
    colors = cluster_colors(k)
    figure = new_figure(WIDTH, HEIGHT)
    width = (WIDTH - LEFT - 0.35 - legend_columns(k) * LEGEND_COLUMN) / COLUMNS - BETWEEN
    height = (HEIGHT - TOP - FOOT) / ROWS - HEAD
    pictures = zip(ANGLES, views, densities, strict=True)
    for number, ((azimuth, elevation), view, density) in enumerate(pictures):
        line, column = divmod(number, COLUMNS)
        x = LEFT + column * (width + BETWEEN)
        y = HEIGHT - TOP - (line + 1) * (height + HEAD)
        place = (x / WIDTH, y / HEIGHT, width / WIDTH, height / HEIGHT)
        axes = clean(figure.add_axes(place))
        counts, noise = density.counts[:k], density.counts[k:].sum(axis=0)
        show_density(axes, counts, colors, view.edges_x, view.edges_y, noise)
        axes.set_xticks([])
        axes.set_yticks([])
        label_clusters(axes, counts, sizes, colors, (72 * width, 72 * height), is_small=True)
        seen = "from above" if elevation == 90 else f"turned by {azimuth}°"
        write(figure, x / WIDTH, (y + height + 0.05) / HEIGHT, seen, size=9, color=QUIET)
    legend(figure, sizes, colors)
    write_title(figure, title, 0.2 / WIDTH, 1 - 0.2 / HEIGHT)
    words = outside_in_words(max(d.outside for d in densities), int(np.sum(sizes)))
    words = f"Turned around {axis_name} 3, which points up. {words}"
    write(figure, LEFT / WIDTH, 0.16 / HEIGHT, words, size=9, color=QUIET)
    save_png(figure, path)
