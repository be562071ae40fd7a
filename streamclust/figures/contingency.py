"""Rows that the clusters of two sets share, as a table of cells with its mass near the diagonal."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

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
from streamclust.figures.heatmap import ink_on, shade
from streamclust.figures.seriation import seriated

LABEL, MARGIN, LINE = 0.95, 0.2, 0.24  # inches
SIDE = 9.0  # of a large table
LEAST_WIDTH = 6.4
MOST_CLUSTERS = 60
LEAST_WRITTEN = 0.01  # share of a row's cluster from which on it is written in the cell


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
