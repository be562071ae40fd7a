"""Tables of shares as coloured cells with their numbers: agreement of sets, and with attributes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from streamclust.figures.canvas import (
    INK,
    LABEL_SIZE,
    QUIET,
    fitted,
    new_figure,
    save_png,
    text_width,
    title_lines,
    title_width,
    write,
    write_title,
)
from streamclust.images import oklab, srgb

LEAST_WIDTH = 6.4  # inches
LONGEST_NAME, LONGEST_SLANTED = 2.6, 2.0
MOST_COLUMNS = 40
LEAST_FRAMED = 0.05  # below it nothing is carried that could be carried best
_MARGIN, _SLANT = 0.2, np.sqrt(0.5)
_LIGHT, _DARK = (0.975, -0.003, -0.006), (0.42, -0.035, -0.125)
_UNKNOWN = "#f4f5f7"


def agreement_heatmap(
    path: Path,
    names: Sequence[str],
    ami: np.ndarray,
    ari: np.ndarray,
    n_clusters: Sequence[int],
    title: str,
) -> None:
    """Draw how far the clusterings of sets agree: AMI below the diagonal, ARI above.

    Parameters
    ----------
    path : Path
        The PNG to write.
    names : sequence of str, of length n_sets
    ami, ari : ndarray of shape (n_sets, n_sets)
        Adjusted mutual information and adjusted Rand index; NaN where they are not known.
    n_clusters : sequence of int
        Of each set, written on the diagonal.
    title : str
    """
    n = len(names)
    values = np.where(np.tri(n, k=-1, dtype=bool), ami, ari)
    words = (
        "Below the diagonal: adjusted mutual information. Above: adjusted Rand index.",
        "1: the same clusters, 0: as by chance. On the diagonal: clusters of the set.",
    )
    figure, axes = _cells_figure(names, names, title, words)
    for i in range(n):
        for j in range(n):
            if i == j:
                _paint(axes, i, j, _UNKNOWN)
                _number(axes, i, j, f"k = {n_clusters[i]}", QUIET)
            else:
                _cell(axes, i, j, float(values[i, j]), 1.0)
    save_png(figure, path)


def attribute_heatmap(
    path: Path,
    sets: Sequence[str],
    attributes: Sequence[str],
    values: np.ndarray,
    title: str,
    words: str = "Adjusted mutual information of clusters and attribute: 0 as by chance.",
) -> None:
    """Draw which set's clusters carry which attribute; the best set of each attribute is framed.

    Parameters
    ----------
    path : Path
        The PNG to write.
    sets : sequence of str, of length n_sets
    attributes : sequence of str, of length n_attributes
        Beyond `MOST_COLUMNS` those that no set carries well are left out, which is said.
    values : ndarray of shape (n_sets, n_attributes)
        At most 1; NaN where it is not known.
    title : str
    words : str
        What the values are.
    """
    peaks = np.max(np.where(np.isnan(values), -np.inf, values), axis=0, initial=-np.inf)
    kept = np.sort(np.argsort(-peaks, kind="stable")[:MOST_COLUMNS])
    notes = [words]
    if len(sets) > 1:
        notes.append("Framed: the set that carries it best.")
    if len(kept) < len(attributes):
        notes.append(f"{len(attributes) - len(kept)} attributes of lower values are not shown.")
    shown = [attributes[j] for j in kept]
    figure, axes = _cells_figure(sets, shown, title, [words, " ".join(notes[1:])])
    # Weak values stay pale: the scale does not end below a quarter.
    most = max(0.25, float(np.max(peaks, initial=0.0)))
    for column, j in enumerate(kept):
        for i in range(len(sets)):
            _cell(axes, i, column, float(values[i, j]), most)
        if len(sets) > 1 and peaks[j] >= LEAST_FRAMED:
            best = int(np.nanargmax(values[:, j]))
            frame = Rectangle((column + 0.04, best + 0.04), 0.92, 0.92, fill=False, ec=INK, lw=1.6)
            axes.add_patch(frame)
    save_png(figure, path)


def shade(shares: float | np.ndarray) -> np.ndarray:
    """Colours of one scale from near white, 0, to dark blue, 1: sRGB in 0..1, (..., 3)."""
    light, dark = np.array(_LIGHT), np.array(_DARK)
    return srgb(light + np.clip(shares, 0, 1)[..., None] * (dark - light))


def ink_on(color: np.ndarray) -> str:
    """A colour of text that can be read on this one."""
    return "white" if oklab(color)[0] < 0.62 else INK


def _cells_figure(
    rows: Sequence[str], columns: Sequence[str], title: str, words: Sequence[str]
) -> tuple[Figure, Axes]:
    """A figure with axes of one unit a cell, (0, 0) the upper left one, and all names written."""
    row_names = [fitted(name, LONGEST_NAME) for name in rows]
    column_names = [fitted(name, LONGEST_SLANTED) for name in columns]
    n_rows, n_columns = max(1, len(rows)), max(1, len(columns))
    cell = float(np.clip(7.5 / n_columns, 0.52, 1.15))
    tall = min(cell, 0.75)
    is_slanted = max(map(text_width, column_names), default=0) > cell - 0.08
    slanted = _SLANT * max(map(text_width, column_names), default=0) if is_slanted else 0.0
    left = _MARGIN + max(map(text_width, row_names), default=0) + 0.15
    head = 0.2 + 0.27 * len(title_lines(title)) + 0.24 * sum(map(bool, words))
    top = head + 0.2 + (slanted + 0.15 if is_slanted else 0.25)
    wanted = max(map(text_width, (line for line in words)), default=0) + 2 * _MARGIN
    width = max(LEAST_WIDTH, wanted, title_width(title) + 2 * _MARGIN)
    width = max(width, left + n_columns * cell + max(slanted, _MARGIN) + 0.1)
    height = top + n_rows * tall + _MARGIN
    figure = new_figure(width, height)
    write_title(figure, title, _MARGIN / width, 1 - 0.14 / height)
    for number, line in enumerate(filter(None, words)):
        y = 0.2 + 0.27 * len(title_lines(title)) + 0.24 * (number + 0.6)
        style: dict[str, Any] = {"color": QUIET, "va": "center_baseline"}
        write(figure, _MARGIN / width, 1 - y / height, line, **style)
    place = (
        left / width,
        _MARGIN / height,
        n_columns * cell / width,
        n_rows * tall / height,
    )
    axes = figure.add_axes(place, xlim=(0, n_columns), ylim=(n_rows, 0))
    axes.axis("off")
    for i, name in enumerate(row_names):
        style = {"ha": "right", "va": "center_baseline"}
        write(axes, -0.12 / cell, i + 0.5, name, **style)
    for j, name in enumerate(column_names):
        style = {"ha": "center", "va": "bottom"}
        if is_slanted:
            style = {"ha": "left", "va": "bottom", "rotation": 45, "rotation_mode": "anchor"}
        write(axes, j + 0.5, -0.1 / tall, name, **style)
    return figure, axes


def _cell(axes: Axes, i: int, j: int, value: float, most: float) -> None:
    """Colour a cell by its value, of at most `most`, and write it; one not known is hatched."""
    if np.isnan(value):
        _paint(axes, i, j, _UNKNOWN, hatch="////", ec="#d4d9df")
        _number(axes, i, j, "–", QUIET)
        return
    color = shade(value / most)
    _paint(axes, i, j, color)
    # No minus before a zero.
    number = f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
    _number(axes, i, j, number, ink_on(color))


def _paint(axes: Axes, i: int, j: int, color: Any, **style: Any) -> None:
    axes.add_patch(Rectangle((j + 0.02, i + 0.02), 0.96, 0.96, fc=color, lw=0, **style))


def _number(axes: Axes, i: int, j: int, text: str, color: str) -> None:
    style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": color}
    write(axes, j + 0.5, i + 0.5, text, LABEL_SIZE, **style)
