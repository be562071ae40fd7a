"""All rows as densities shaded by cluster: on a plane, cluster by cluster, and in space; and where
clusters are densest: outlines, and places for their numbers to be read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from streamclust.figures.canvas import (
    FONT,
    INK,
    QUIET,
    clean,
    name_axes,
    new_figure,
    percent,
    save_png,
    write,
    write_title,
)
from streamclust.figures.colors import cluster_colors, density_image
from streamclust.passes.accumulators import Density, DensityMap

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

# Inches, of all pictures.
WIDTH, HEIGHT = 11.0, 7.6
BETWEEN, HEAD = 0.12, 0.24
LEFT, BOTTOM, TOP = 0.72, 0.95, 0.78  # room around the plane
LEGEND_COLUMN, LEGEND_ROWS, LEGEND_COLUMNS = 1.2, 20, 3
MOST_LABELS = 60
NOISE = np.array([0.62, 0.64, 0.66])
# Where a smaller share of bins is so near to rows, numbers are written beside the clusters.
ISLANDS, REACH = 0.25, 3

PANEL_COLUMNS, PANEL = 6, 1.66
PANELS_TOP, PANELS_FOOT, PANELS_LEFT = 0.72, 0.3, 0.22
# More panels could not be looked at; the largest clusters are drawn.
MOST_PANELS = 60
# Bins of a panel along each side, at most.
PANEL_BINS = 160
# What is lighter, the rim of a dot, does not hide what lies behind.
FAINT = 0.93

# How far the view is turned around the third axis, and raised above the plane of the others.
VIEW_ANGLES = ((0, 20), (60, 20), (120, 20), (180, 20), (240, 20), (0, 90))
VIEW_COLUMNS, VIEW_ROWS = 3, 2
VIEWS_TOP, VIEWS_FOOT, VIEWS_LEFT = 0.72, 0.5, 0.2


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


def density_map(
    path: Path,
    counts: np.ndarray,
    edges_x: np.ndarray,
    edges_y: np.ndarray,
    outside: int,
    sizes: np.ndarray,
    title: str,
    axis_names: tuple[str, str],
    noise: np.ndarray | None = None,
    ticks: bool = True,
) -> None:
    """Draw where the rows of all clusters lie on a plane, with outlines of clusters that lie apart.

    Parameters
    ----------
    path : Path
        The PNG to write.
    counts : ndarray of shape (n_clusters, n_bins_x, n_bins_y)
    edges_x, edges_y : ndarray of shape (n_bins + 1,)
        Ends of the bins, evenly spaced.
    outside : int
        Rows beyond the edges, told below the picture.
    sizes : ndarray of shape (n_clusters,)
        Rows of each cluster, those outside included.
    title : str
    axis_names : (str, str)
    noise : ndarray of shape (n_bins_x, n_bins_y), optional
        Rows of no cluster, drawn in grey.
    ticks : bool
        False where positions along the axes mean nothing.
    """
    colors = cluster_colors(len(counts))
    figure = new_figure(WIDTH, HEIGHT)
    width = WIDTH - LEFT - 0.35 - legend_columns(len(counts)) * LEGEND_COLUMN
    height = HEIGHT - BOTTOM - TOP
    plane = (LEFT / WIDTH, BOTTOM / HEIGHT, width / WIDTH, height / HEIGHT)
    axes = clean(figure.add_axes(plane))
    show_density(axes, counts, colors, edges_x, edges_y, noise)
    extent = (edges_x[0], edges_x[-1], edges_y[0], edges_y[-1])
    total = counts.sum(axis=0)
    for layer, color in zip(counts, colors, strict=True):
        outline(axes, layer, total, extent, tuple(0.6 * color))
    name_axes(axes, *axis_names)
    if not ticks:
        axes.set_xticks([])
        axes.set_yticks([])
    label_clusters(axes, counts, sizes, colors, (72 * width, 72 * height))
    legend(figure, sizes, colors)
    write_title(figure, title, 0.2 / WIDTH, 1 - 0.2 / HEIGHT)
    words = outside_in_words(outside, int(np.sum(sizes)))
    if noise is not None and noise.any():
        words += f" Grey: {int(noise.sum()):,} rows of no cluster."
    words += " Outlines: half of a cluster's rows, where they are most of those within."
    write(figure, LEFT / WIDTH, 0.2 / HEIGHT, words, size=9, color=QUIET)
    save_png(figure, path)


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
    lines = -(-len(shown) // PANEL_COLUMNS)
    height = PANELS_TOP + lines * (HEAD + PANEL + BETWEEN) + PANELS_FOOT
    figure = new_figure(WIDTH, height)
    write_title(figure, title, 0.2 / WIDTH, 1 - 0.2 / height)
    for number, (j, layer) in enumerate(zip(shown, coarse, strict=True)):
        line, column = divmod(number, PANEL_COLUMNS)
        x = PANELS_LEFT + column * (PANEL + BETWEEN)
        y = height - PANELS_TOP - (line + 1) * (HEAD + PANEL) - line * BETWEEN
        axes = figure.add_axes((x / WIDTH, y / height, PANEL / WIDTH, PANEL / height))
        image = density_image(layer[None], colors[j][None])
        occupied = (image < FAINT).any(axis=2, keepdims=True)
        axes.imshow(np.where(occupied, image, 0.55 + 0.45 * behind), origin="lower", aspect="auto")
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
    """Draw one picture from each of the `VIEW_ANGLES`.

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
    width = (WIDTH - VIEWS_LEFT - 0.35 - legend_columns(k) * LEGEND_COLUMN) / VIEW_COLUMNS - BETWEEN
    height = (HEIGHT - VIEWS_TOP - VIEWS_FOOT) / VIEW_ROWS - HEAD
    pictures = zip(VIEW_ANGLES, views, densities, strict=True)
    for number, ((azimuth, elevation), view, density) in enumerate(pictures):
        line, column = divmod(number, VIEW_COLUMNS)
        x = VIEWS_LEFT + column * (width + BETWEEN)
        y = HEIGHT - VIEWS_TOP - (line + 1) * (height + HEAD)
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
    write(figure, VIEWS_LEFT / WIDTH, 0.16 / HEIGHT, words, size=9, color=QUIET)
    save_png(figure, path)


def show_density(
    axes: Axes,
    counts: np.ndarray,
    colors: np.ndarray,
    edges_x: np.ndarray,
    edges_y: np.ndarray,
    noise: np.ndarray | None = None,
) -> None:
    """Shade the bins of a plane by cluster, `noise` in grey; arrays as `density_map` takes them."""
    if noise is not None and noise.any():
        counts = np.concatenate([counts, noise[None]])
        colors = np.vstack([colors, NOISE])
    axes.imshow(
        np.rint(255 * density_image(counts, colors)).astype(np.uint8),
        extent=(edges_x[0], edges_x[-1], edges_y[0], edges_y[-1]),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    axes.grid(visible=False)


def outside_in_words(outside: int, n_rows: int) -> str:
    """Say how many rows the picture does not show."""
    if outside == 0:
        return f"All {n_rows:,} rows are shown."
    verb = "lies" if outside == 1 else "lie"
    return f"{outside:,} of {n_rows:,} rows {verb} outside the axes ({percent(outside / n_rows)})."


def legend_entry(size: int, n_rows: int) -> str:
    """A cluster's share of all rows, in words."""
    return "empty" if size == 0 else percent(size / n_rows)


def label_clusters(
    axes: Axes,
    counts: np.ndarray,
    sizes: np.ndarray,
    colors: np.ndarray,
    points: tuple[float, float],
    is_small: bool = False,
) -> None:
    """Write the numbers of the (largest) clusters; `points` is the size of the axes.

    In one that `is_small` there is no room beside the clusters.
    """
    named = np.sort(np.argsort(-np.asarray(sizes), kind="stable")[:MOST_LABELS])
    middles = density_middles(counts)[named] / counts.shape[1:] * points
    named, middles = named[~np.isnan(middles[:, 0])], middles[~np.isnan(middles[:, 0])]
    font = 12 if len(named) <= 12 else 10 if len(named) <= 30 else 8
    font -= 2 * is_small
    boxes = np.array([(font * (0.72 * len(str(j)) + 0.35), 1.2 * font) for j in named])
    placed = spread_labels(
        middles, boxes.reshape(-1, 2), points, None if is_small else _islands(counts)
    )
    for j, middle, place in zip(named, middles / points, placed / points, strict=True):
        moved = np.hypot(*((place - middle) * points))
        if moved > 1.5 * font:
            line: dict[str, Any] = {"color": INK, "lw": 0.8, "transform": axes.transAxes}
            axes.plot(*np.transpose([middle, place]), **line)
        axes.text(
            place[0],
            place[1],
            str(j),
            transform=axes.transAxes,
            ha="center",
            va="center_baseline",
            fontsize=font,
            family=FONT,
            weight="bold",
            color=tuple(0.45 * colors[j]),
            path_effects=[effects.withStroke(linewidth=3, foreground="white")],
        )


def _islands(counts: np.ndarray) -> np.ndarray | None:
    """Bins with rows, where they are so few that numbers find room beside them."""
    from scipy.ndimage import binary_dilation

    occupied = binary_dilation(counts.any(axis=0), iterations=REACH)
    return occupied if occupied.mean() < ISLANDS else None


def legend_columns(n_clusters: int) -> int:
    """Columns that the shares of so many clusters take beside the picture."""
    return min(LEGEND_COLUMNS, -(-n_clusters // LEGEND_ROWS))


def legend(figure: Figure, sizes: np.ndarray, colors: np.ndarray) -> None:
    """Write the clusters' colours and shares on the right of a figure of `WIDTH` and `HEIGHT`."""
    n_columns = legend_columns(len(sizes))
    left, n_rows = WIDTH - n_columns * LEGEND_COLUMN, int(np.sum(sizes))
    shown = min(len(sizes), n_columns * LEGEND_ROWS)
    per_column = -(-shown // n_columns)
    step = 0.285
    top = HEIGHT - TOP - 0.34
    for column in range(n_columns):
        x, y = left + column * LEGEND_COLUMN, top + 0.26
        head: dict[str, Any] = {"color": QUIET, "va": "center_baseline", "ha": "right"}
        write(figure, (x + 0.42) / WIDTH, y / HEIGHT, "cluster", size=8, **head)
        write(figure, (x + 1.0) / WIDTH, y / HEIGHT, "share", size=8, **head)
    for j in range(shown):
        column, row = divmod(j, per_column)
        x, y = left + column * LEGEND_COLUMN, top - row * step
        box = Rectangle(
            (x / WIDTH, (y - 0.065) / HEIGHT), 0.16 / WIDTH, 0.13 / HEIGHT, color=tuple(colors[j])
        )
        figure.add_artist(box)
        style: dict[str, Any] = {"va": "center_baseline", "ha": "right"}
        write(figure, (x + 0.42) / WIDTH, y / HEIGHT, str(j), weight="bold", **style)
        share = legend_entry(int(sizes[j]), n_rows)
        write(figure, (x + 1.0) / WIDTH, y / HEIGHT, share, size=8.5, color=QUIET, **style)
    if shown < len(sizes):
        y = top - per_column * step
        write(figure, left / WIDTH, y / HEIGHT, f"and {len(sizes) - shown:,} more", size=8.5)


def _coarse(layer: np.ndarray) -> np.ndarray:
    """Counts (n_bins_x, n_bins_y) in `PANEL_BINS` bins a side at most, so many times as large."""
    for axis in (0, 1):
        step = -(-layer.shape[axis] // PANEL_BINS)
        layer = np.add.reduceat(layer, np.arange(0, layer.shape[axis], step), axis=axis)
    return layer
