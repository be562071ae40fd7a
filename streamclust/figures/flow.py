"""Rows that the clusters of two sets share, as bands between two columns of bars."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.path import Path as Outline

from streamclust.figures.canvas import (
    QUIET,
    fitted,
    new_figure,
    percent,
    save_png,
    title_lines,
    write,
    write_title,
)
from streamclust.figures.colors import cluster_colors
from streamclust.figures.seriation import seriated

WIDTH = 11.4
LEAST_HEIGHT, HEIGHT_A_CLUSTER = 4.2, 0.28  # inches, of all bars
LABEL_HEIGHT, GAP = 0.185, 0.6  # inches; gap between bars as a share of it
# Share of all rows below which a flow is drawn pale, so that the large ones can be followed.
THIN = 0.002
_BAR, _LABEL = 0.018, 1.15  # width of a bar as a share of the axes; room for labels in inches
_PALE = "#c3c9d1"
_WORDS = 0.75  # inches between title and bars


def contingency_flow(
    path: Path,
    table: np.ndarray,
    names: tuple[str, str],
    title: str,
    colors: Sequence[Any] | None = None,
) -> None:
    """Draw how the clusters of one set are dealt to those of another, in the order of `seriated`.

    Parameters
    ----------
    path : Path
        The PNG to write.
    table : ndarray of int, shape (n_left, n_right)
        Rows of each cluster of the left set in each of the right one; some 30 of either can be
        followed.
    names : (str, str)
        Of the sets.
    title : str
    colors : sequence of colours, of length n_left, optional
        Of the left clusters and the flows from them; those of the other figures by default.
    """
    table = np.asarray(table, np.float64)
    total = float(table.sum())
    shares = table / max(total, 1)
    sizes = table.sum(axis=1) / max(total, 1), table.sum(axis=0) / max(total, 1)
    tall = max(LEAST_HEIGHT, HEIGHT_A_CLUSTER * max(table.shape))
    least, orders = LABEL_HEIGHT / tall, seriated(shares)
    scale = _scale(sizes, least)
    left, right = (_bars(*own, scale, least) for own in zip(sizes, orders, strict=True))
    figure, axes = _page(tall, title)
    _write_words(figure, axes, shares, int(total), names)
    paints = list(cluster_colors(len(table)) if colors is None else colors)
    _draw_flows(axes, shares * scale, (left[:, 0], right[:, 0]), orders, paints, THIN * scale)
    _draw_bars(axes, 0, left, sizes[0], paints)
    _draw_bars(axes, 1, right, sizes[1], [QUIET] * table.shape[1])
    save_png(figure, path)


def _page(tall: float, title: str) -> tuple[Figure, Axes]:
    """A figure with its title, and axes of 0..1 that are so tall in inches."""
    height = 0.2 + 0.27 * len(title_lines(title)) + _WORDS + tall + 0.25
    figure = new_figure(WIDTH, height)
    write_title(figure, title, 0.2 / WIDTH, 1 - 0.14 / height)
    place = (_LABEL / WIDTH, 0.25 / height, 1 - 2 * _LABEL / WIDTH, tall / height)
    axes = figure.add_axes(place, xlim=(0, 1), ylim=(1, 0))
    axes.axis("off")
    return figure, axes


def _write_words(
    figure: Figure, axes: Axes, shares: np.ndarray, total: int, names: tuple[str, str]
) -> None:
    """Write between title and axes how to read the flows, and whose bars are whose."""
    thin = float(shares[shares < THIN].sum())
    words = f"{total:,} rows that are in a cluster of both."
    if thin:
        words += f" Pale: flows of less than {percent(THIN)} of them, {percent(thin)} together."
    top, height = axes.get_position().y1, figure.get_figheight()
    level: dict[str, Any] = {"va": "center_baseline"}
    write(figure, 0.2 / WIDTH, top + 0.62 / height, words, color=QUIET, **level)
    level |= {"size": 10.5, "weight": "bold"}
    for x, align, name in ((0.2, "left", names[0]), (WIDTH - 0.2, "right", names[1])):
        shown = fitted(name, WIDTH / 2 - 0.4, 10.5, "bold")
        write(figure, x / WIDTH, top + 0.2 / height, shown, ha=align, **level)


def _scale(sides: Sequence[np.ndarray], least: float) -> float:
    """Height of a share of 1, such that on both sides all bars have room for a label of `least`.

    A bar takes its height, or the label's if that is more, and a gap.
    """
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        fits = all(_heights(sizes, middle, least).sum() <= 1 for sizes in sides)
        low, high = (middle, high) if fits else (low, middle)
    return low


def _heights(sizes: np.ndarray, scale: float, least: float) -> np.ndarray:
    """What bars take, each with a gap to the next."""
    return np.maximum(sizes * scale + GAP * least, least)


def _bars(sizes: np.ndarray, order: np.ndarray, scale: float, least: float) -> np.ndarray:
    """Upper and lower end (n, 2) of each bar, in 0..1, the bars one below the other in `order`."""
    taken = _heights(sizes, scale, least)[order]
    # The side that takes less has wider gaps.
    taken += (1 - taken.sum()) / max(len(taken), 1)
    middles = np.empty(len(sizes))
    middles[order] = np.cumsum(taken) - taken / 2
    return middles[:, None] + np.outer(sizes * scale, [-0.5, 0.5])


def _draw_flows(
    axes: Axes,
    heights: np.ndarray,
    tops: tuple[np.ndarray, np.ndarray],
    orders: tuple[np.ndarray, np.ndarray],
    paints: Sequence[Any],
    thin: float,
) -> None:
    """Bands of these heights (n_left, n_right) from and to bars whose upper ends are `tops`, in
    the order of the bars at their other ends; those below `thin` are pale."""
    begins = tops[0][:, None] + _before(heights.T, orders[1]).T
    ends = tops[1] + _before(heights, orders[0])
    bands: dict[bool, list[tuple[Outline, Any]]] = {True: [], False: []}
    for i, j in np.argwhere(heights > 0).tolist():
        is_thin = bool(heights[i, j] < thin)
        band = _band(begins[i, j], ends[i, j], heights[i, j])
        bands[is_thin].append((band, _PALE if is_thin else paints[i]))
    for is_thin, alpha in ((True, 0.35), (False, 0.55)):
        outlines = [outline for outline, _ in bands[is_thin]]
        colors = [color for _, color in bands[is_thin]]
        axes.add_collection(PathCollection(outlines, facecolors=colors, lw=0, alpha=alpha))


def _before(heights: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Sums over the rows that come earlier in an order."""
    sums = np.empty_like(heights)
    sums[order] = np.cumsum(heights[order], axis=0) - heights[order]
    return sums


def _band(begin: float, end: float, height: float) -> Outline:
    """A band from the left bars to the right ones that leaves and arrives level."""
    x0, x1, middle = _BAR, 1 - _BAR, 0.5
    below, beyond = begin + height, end + height
    points = [
        *((x0, begin), (middle, begin), (middle, end), (x1, end)),
        *((x1, beyond), (middle, beyond), (middle, below), (x0, below)),
        (x0, begin),
    ]
    curve = [Outline.CURVE4] * 3
    return Outline(points, [Outline.MOVETO, *curve, Outline.LINETO, *curve, Outline.CLOSEPOLY])


def _draw_bars(
    axes: Axes, side: int, bars: np.ndarray, sizes: np.ndarray, paints: Sequence[Any]
) -> None:
    """Bars at the left (side 0) or right (1), and beside each its number and share."""
    x, outside = (1 - _BAR, 1.009) if side else (0.0, -0.009)
    align: dict[str, Any] = {"ha": "left" if side else "right", "va": "center_baseline"}
    for j, (top, bottom) in enumerate(bars):
        axes.add_patch(Rectangle((x, top), _BAR, bottom - top, fc=paints[j], lw=0))
        label = f"{j} · {percent(sizes[j])}"
        write(axes, outside, (top + bottom) / 2, label, size=9, **align)
