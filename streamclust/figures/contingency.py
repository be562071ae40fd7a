"""Rows that the clusters of two sets share, as a table of cells or as bands between two columns of
bars, both in an order that brings what belongs together side by side."""

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
    FAINT,
    LABEL_SIZE,
    QUIET,
    fitted,
    new_figure,
    percent,
    save_png,
    title_lines,
    title_width,
    write,
    write_title,
)
from streamclust.figures.colors import cluster_colors
from streamclust.figures.heatmap import ink_on, shade

LABEL, MARGIN, LINE = 0.95, 0.2, 0.24  # inches
SIDE = 9.0  # of a large table
LEAST_WIDTH = 6.4
MOST_CLUSTERS = 60
LEAST_WRITTEN = 0.01  # share of a row's cluster from which on it is written in the cell

FLOW_WIDTH = 11.4
LEAST_HEIGHT, HEIGHT_A_CLUSTER = 4.2, 0.28  # inches, of all bars
BAR_LABEL, GAP = 0.185, 0.6  # inches; gap between bars as a share of it
# Share of all rows below which a flow is drawn pale, so that the large ones can be followed.
THIN = 0.002
_BAR, _BAR_LABEL = 0.018, 1.15  # width of a bar as a share of the axes; room for labels in inches
_PALE = "#c3c9d1"
_HEAD = 0.75  # inches between title and bars

_SWEEPS = 24


def contingency_heatmap(path: Path, table: np.ndarray, names: tuple[str, str], title: str) -> None:
    """Draw, for each cluster of one set, which shares of it lie in the clusters of another.

    Parameters
    ----------
    path : Path
        The PNG to write.
    table : ndarray of int, shape (n_rows, n_columns)
        Rows of each cluster of the first set in each of the second. The clusters of the first
        are drawn from top to bottom, both in the order of `seriated`; of more than
        `MOST_CLUSTERS` the largest.
    names : (str, str)
        Of the sets.
    title : str
    """
    counts = np.asarray(table, np.float64)
    rows, columns = (_largest(counts.sum(axis=axis)) for axis in (1, 0))
    orders = seriated(counts[np.ix_(rows, columns)])
    rows, columns = rows[orders[0]], columns[orders[1]]
    n_rows, n_columns = max(1, len(rows)), max(1, len(columns))
    cell = float(np.clip(SIDE / max(n_rows, n_columns), 0.3, 0.62))
    lines = _words(counts, names)
    head = 0.2 + 0.27 * len(title_lines(title)) + LINE * (len(lines) + 0.4)
    left = MARGIN + LABEL
    width = max(LEAST_WIDTH, title_width(title) + 2 * MARGIN, left + n_columns * cell + 2 * MARGIN)
    height = head + LABEL + n_rows * cell + MARGIN
    figure = new_figure(width, height)
    write_title(figure, title, MARGIN / width, 1 - 0.14 / height)
    for number, (line, style) in enumerate(lines):
        y = 1 - (head - LINE * (len(lines) - number)) / height
        text = fitted(line, width - 2 * MARGIN, LABEL_SIZE, style.get("weight", "normal"))
        write(figure, MARGIN / width, y, text, va="center_baseline", **style)
    place = (left / width, MARGIN / height, n_columns * cell / width, n_rows * cell / height)
    axes = figure.add_axes(place, xlim=(0, n_columns), ylim=(n_rows, 0))
    axes.axis("off")
    _draw_cells(axes, counts, rows, columns, cell)
    _name_clusters(axes, counts, rows, columns, cell)
    save_png(figure, path)


def _largest(sizes: np.ndarray) -> np.ndarray:
    """The clusters that are drawn, in their order."""
    return np.sort(np.argsort(-sizes, kind="stable")[:MOST_CLUSTERS])


def _words(table: np.ndarray, names: tuple[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """The lines below the title, and how they are written."""
    known = f"{table.sum():,.0f} rows that are in a cluster of both."
    if max(table.shape) > MOST_CLUSTERS:
        known += f" The {MOST_CLUSTERS} largest clusters are shown."
    reading = "Numbers: percent of the row's cluster. Labels: cluster · share of all rows."
    quiet, bold = {"color": QUIET}, {"weight": "bold"}
    return [
        (known, quiet),
        (reading, quiet),
        (f"↓ {names[0]}", bold),
        (f"→ {names[1]}", bold),
    ]


def _draw_cells(
    axes: Axes, table: np.ndarray, rows: np.ndarray, columns: np.ndarray, cell: float
) -> None:
    sizes = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, sizes, out=np.zeros_like(table), where=sizes > 0)
    colors = shade(shares)
    colors[table == 0] = 1
    axes.pcolormesh(colors[np.ix_(rows, columns)], ec=FAINT, lw=0.3, clip_on=False)
    style: dict[str, Any] = {"ha": "center", "va": "center_baseline"}
    size = 7.0 if cell < 0.4 else 8.5
    for y, x in np.argwhere(shares[np.ix_(rows, columns)] >= LEAST_WRITTEN):
        here = rows[y], columns[x]
        color = ink_on(colors[here])
        write(axes, x + 0.5, y + 0.5, f"{100 * shares[here]:.0f}", size, color=color, **style)


def _name_clusters(
    axes: Axes, table: np.ndarray, rows: np.ndarray, columns: np.ndarray, cell: float
) -> None:
    total = max(float(table.sum()), 1.0)
    size = 8.0 if cell < 0.4 else 9.0
    level: dict[str, Any] = {"ha": "right", "va": "center_baseline"}
    upright: dict[str, Any] = {"ha": "center", "va": "bottom", "rotation": 90}
    of_rows, of_columns = table.sum(axis=1) / total, table.sum(axis=0) / total
    for y, i in enumerate(rows):
        write(axes, -0.08 / cell, y + 0.5, f"{i} · {percent(of_rows[i])}", size, **level)
    for x, j in enumerate(columns):
        write(axes, x + 0.5, -0.08 / cell, f"{j} · {percent(of_columns[j])}", size, **upright)


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
    least, orders = BAR_LABEL / tall, seriated(shares)
    scale = _scale(sizes, least)
    left, right = (_bars(*side, scale, least) for side in zip(sizes, orders, strict=True))
    figure, axes = _page(tall, title)
    _write_words(figure, axes, shares, int(total), names)
    paints = list(cluster_colors(len(table)) if colors is None else colors)
    _draw_flows(axes, shares * scale, (left[:, 0], right[:, 0]), orders, paints, THIN * scale)
    _draw_bars(axes, 0, left, sizes[0], paints)
    _draw_bars(axes, 1, right, sizes[1], [QUIET] * table.shape[1])
    save_png(figure, path)


def _page(tall: float, title: str) -> tuple[Figure, Axes]:
    """A figure with its title, and axes of 0..1 that are so tall in inches."""
    height = 0.2 + 0.27 * len(title_lines(title)) + _HEAD + tall + 0.25
    figure = new_figure(FLOW_WIDTH, height)
    write_title(figure, title, 0.2 / FLOW_WIDTH, 1 - 0.14 / height)
    place = (_BAR_LABEL / FLOW_WIDTH, 0.25 / height, 1 - 2 * _BAR_LABEL / FLOW_WIDTH, tall / height)
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
    write(figure, 0.2 / FLOW_WIDTH, top + 0.62 / height, words, color=QUIET, **level)
    level |= {"size": 10.5, "weight": "bold"}
    for x, align, name in ((0.2, "left", names[0]), (FLOW_WIDTH - 0.2, "right", names[1])):
        shown = fitted(name, FLOW_WIDTH / 2 - 0.4, 10.5, "bold")
        write(figure, x / FLOW_WIDTH, top + 0.2 / height, shown, ha=align, **level)


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


def seriated(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orders of the rows and of the columns of a table of counts.

    Rows that share their counts alike stand side by side: in the leaves of the tree of average
    linkage of their profiles (Hellinger distance), turned so that neighbours are as near as they
    can be (Bar-Joseph, Gifford & Jaakkola 2001, "Fast optimal leaf ordering for hierarchical
    clustering"). Columns follow by `column_order`: the mass lies near the diagonal, and as flows
    between two columns of bars few cross.

    Parameters
    ----------
    table : ndarray, shape (n_rows, n_columns)
        At least 0.

    Returns
    -------
    (ndarray of int of shape (n_rows,), ndarray of int of shape (n_columns,))
        The ones that are empty last.
    """
    rows = _row_order(table)
    return rows, column_order(table[rows])


def column_order(table: np.ndarray) -> np.ndarray:
    """Columns by the mean place of their rows, which keeps crossings of flows few.

    The barycentre heuristic of Sugiyama, Tagawa & Toda (1981), "Methods for visual understanding
    of hierarchical system structures", with the middles of the rows' sizes as their places; then
    neighbours are swapped while that takes away weighted crossings. Empty columns come last.
    """
    sizes, columns = table.sum(axis=1), table.sum(axis=0)
    places = np.cumsum(sizes) - sizes / 2
    means = np.divide(places @ table, columns, out=np.full(len(columns), np.inf), where=columns > 0)
    order = np.argsort(means, kind="stable")
    # Of column a before b: each flow to a crosses those to b from the rows above.
    crossings = table.T @ (np.cumsum(table, axis=0) - table)
    for _ in range(_SWEEPS):
        swapped = False
        for i in range(len(order) - 1):
            a, b = order[i], order[i + 1]
            if columns[b] > 0 and crossings[b, a] < crossings[a, b] * (1 - 1e-9):
                order[i], order[i + 1], swapped = b, a, True
        if not swapped:
            break
    return order


def _row_order(table: np.ndarray) -> np.ndarray:
    from scipy.cluster.hierarchy import leaves_list, linkage

    sizes = table.sum(axis=1)
    filled = np.flatnonzero(sizes > 0)
    if len(filled) > 2:
        profiles = np.sqrt(table[filled] / sizes[filled, None])
        leaves = leaves_list(linkage(profiles, "average", optimal_ordering=True))
        # Either direction is as good: the first cluster stands in the upper half.
        filled = filled[leaves if 2 * np.argmin(leaves) < len(leaves) else leaves[::-1]]
    return np.append(filled, np.flatnonzero(sizes <= 0))
