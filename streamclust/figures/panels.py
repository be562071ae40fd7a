"""A grid of panels below a title, lines of words and a legend of lines with markers."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from streamclust.figures.canvas import (
    ACCENT,
    DPI,
    LABEL_SIZE,
    QUIET,
    clean,
    fitted,
    name_axes,
    new_figure,
    text_width,
    title_lines,
    wrapped,
    write,
    write_title,
)
from streamclust.figures.colors import cluster_colors
from streamclust.images import oklab

WIDTH = 11.4
LEFT, RIGHT, BETWEEN = 0.72, 0.28, 0.72  # inches
PANELS = {1: 3.8, 2: 2.7, 3: 1.75}  # height of the panels by their number beside each other
ABOVE, BELOW = 0.62, 0.32  # room for the words above a panel and the numbers below it
TITLE_LINE, WORDS_LINE, LEGEND_LINE, FOOT = 0.27, 0.36, 0.27, 0.32
FURTHER_LINE = 0.24
LONGEST_NAME = 2.9
MARKERS = "osD^vPX*hd<>"
# Numbers are shown on a logarithmic axis where one lies so many times beyond all others, or the
# last so many times beyond the first.
FAR, WIDE = 3.0, 100.0


class LineStyle(NamedTuple):
    """How a line is drawn; both colour and marker tell it from others."""

    color: Any
    marker: str


def line_styles(n_lines: int) -> list[LineStyle]:
    """Colours dark enough for thin lines on white, and markers."""
    colors = cluster_colors(4 * n_lines + 4)[1:]
    dark = [ACCENT, *map(tuple, colors[oklab(colors)[:, 0] < 0.68])]
    return [LineStyle(dark[i], MARKERS[i % len(MARKERS)]) for i in range(n_lines)]


def panel_grid(
    n_panels: int,
    title: str,
    words: Sequence[tuple[str, Any]],
    lines: dict[str, LineStyle],
    x_name: str,
) -> tuple[Figure, list[Axes]]:
    """Make a figure with so many empty panels.

    Parameters
    ----------
    n_panels : int
    title : str
    words : sequence of (str, colour)
        Lines below the title.
    lines : dict of str to LineStyle
        The legend; as many rows as its names need.
    x_name : str
        Of the horizontal axes, below the lowest panels.
    """
    words = [(line, color) for text, color in words for line in wrapped(text, WIDTH - 0.4, 10)]
    columns = 2 if n_panels == 4 else max(1, min(max(PANELS), n_panels))
    tall = PANELS[columns]
    n_rows = max(1, -(-n_panels // columns))
    names = [fitted(name, LONGEST_NAME) for name in lines]
    legend = _legend_places(names)
    above_legend = 0.16 + TITLE_LINE * len(title_lines(title)) + WORDS_LINE
    above_legend += FURTHER_LINE * (len(words) - 1)
    head = above_legend + LEGEND_LINE * (1 + max((row for _, row in legend), default=-1))
    height = head + n_rows * (ABOVE + tall + BELOW) + FOOT
    figure = new_figure(WIDTH, height)
    write_title(figure, title, 0.015, 1 - 0.14 / height)
    for line, (text, color) in enumerate(reversed(words)):
        style: dict[str, Any] = {"size": 10, "color": color, "va": "center_baseline"}
        y = 1 - (above_legend - 0.2 - FURTHER_LINE * line) / height
        write(figure, 0.015, y, text, **style)
    for name, look, (left, row) in zip(names, lines.values(), legend, strict=True):
        _write_entry(figure, name, look, left, height - above_legend - LEGEND_LINE * (row + 0.4))
    width = (WIDTH - LEFT - RIGHT - (columns - 1) * BETWEEN) / columns
    panels = []
    for number in range(n_panels):
        row, column = divmod(number, columns)
        left = LEFT + column * (width + BETWEEN)
        bottom = height - head - (row + 1) * (ABOVE + tall) - row * BELOW
        place = (left / WIDTH, bottom / height, width / WIDTH, tall / height)
        panels.append(clean(figure.add_axes(place)))
        if number + columns >= n_panels:
            name_axes(panels[-1], x_name)
    return figure, panels


def head_panel(axes: Axes, name: str, reading: str) -> None:
    """Write a panel's name, and below it how to read it."""
    box = axes.get_window_extent()
    width, tall = box.width / DPI + 0.15, box.height / DPI
    style: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom"}
    head = fitted(name, width, 10.5, "bold")
    write(axes, 0, 1 + 0.22 / tall, head, size=10.5, weight="bold", **style)
    write(axes, 0, 1 + 0.06 / tall, fitted(reading, width, 8.5), size=8.5, color=QUIET, **style)


def scale_numbers(axes: Axes, numbers: Iterable[int]) -> None:
    """Fit the horizontal axis to numbers of clusters."""
    known = sorted(set(numbers)) or [2]
    least, most = known[0], known[-1]
    far = len(known) > 2 and most > FAR * known[-2]
    if least > 0 and (far or most > WIDE * least):
        axes.set_xscale("log")
        subs = (1, 2, 5) if most <= WIDE * least else (1, 3)
        axes.set_xlim(least / 1.12, most * 1.12)
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())
        return
    room = max(0.6, 0.04 * (most - least))
    axes.set_xlim(least - room, most + room)
    if most - least < 8:
        axes.set_xticks(range(least, most + 1))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 2, 5, 10]))


def _legend_places(names: Sequence[str]) -> list[tuple[float, int]]:
    """Left end in inches and row of each entry."""
    places, left, row = [], 0.2, 0
    for name in names:
        width = 0.42 + text_width(name) + 0.28
        if left > 0.2 and left + width > WIDTH:
            left, row = 0.2, row + 1
        places.append((left, row))
        left += width
    return places


def _write_entry(figure: Figure, name: str, look: LineStyle, left: float, y: float) -> None:
    """Draw a piece of line and its name; `left` and `y` in inches."""
    height = figure.get_figheight()
    ends = [left / WIDTH, (left + 0.16) / WIDTH, (left + 0.32) / WIDTH]
    style: dict[str, Any] = {"color": look.color, "marker": look.marker, "markevery": [1]}
    figure.add_artist(Line2D(ends, [y / height] * 3, lw=1.8, ms=6, **style))
    write(figure, (left + 0.42) / WIDTH, y / height, name, size=LABEL_SIZE, va="center_baseline")
