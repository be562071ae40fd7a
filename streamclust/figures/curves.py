"""The scores of clusterings over their number of clusters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter

from streamclust.figures.canvas import (
    ACCENT,
    FONT,
    INK,
    LABEL_SIZE,
    MARK,
    QUIET,
    clean,
    name_axes,
    new_figure,
    printable,
    save_png,
    write,
    write_title,
)
from streamclust.figures.palette import cluster_colors, oklab


@dataclass(frozen=True)
class Panel:
    """One score to draw: its column, its name and how to read it; `best` is max, min or ""."""

    column: str
    name: str
    reading: str
    best: str = ""
    scale: str = "plain"


PANELS = (
    Panel("calinski_harabasz", "Calinski-Harabasz", "higher is better", "max"),
    Panel("davies_bouldin", "Davies-Bouldin", "lower is better", "min"),
    Panel("silhouette_simplified", "Simplified silhouette", "higher is better", "max"),
    Panel("explained", "Explained share of variance", "look for the bend", scale="share"),
    Panel("inertia", "Inertia", "look for the bend"),
    Panel("smallest_cluster", "Share of the smallest cluster", "tiny is suspect", scale="log"),
)


_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def metric_curves(
    path: Path, table: Sequence[dict[str, Any]], recommended: int | None, title: str
) -> None:
    """Draw the scores of clusterings in six panels over the number of clusters.

    Parameters
    ----------
    path : Path
        The PNG to write.
    table : sequence of dict
        One a clustering: ``n_clusters``, ``algorithm`` and the columns of `PANELS`. Scores that
        are NaN or missing are not drawn; those with ``refused`` are hollow and never the best.
    recommended : int, optional
        The number of clusters that is marked.
    title : str
    """
    figure = new_figure(11.4, 6.8)
    grid = figure.subplots(
        2,
        3,
        gridspec_kw={
            "left": 0.06,
            "right": 0.985,
            "top": 0.8,
            "bottom": 0.085,
            "hspace": 0.42,
            "wspace": 0.24,
        },
    )
    algorithms = list(dict.fromkeys(str(row["algorithm"]) for row in table))
    colors = _line_colors(len(algorithms))
    for axes, panel in zip(grid.flat, PANELS, strict=True):
        _draw(clean(axes), panel, table, dict(zip(algorithms, colors, strict=True)), recommended)
        if axes in grid[-1]:
            name_axes(axes, "number of clusters")
    write_title(figure, title, 0.015, 0.98)
    _write_subtitle(figure, recommended, algorithms, colors)
    save_png(figure, path)


def series(
    table: Sequence[dict[str, Any]], algorithm: str, column: str
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of clusters in ascending order, and the score at each (NaN if there is none)."""
    rows = [row for row in table if str(row["algorithm"]) == algorithm]
    rows.sort(key=lambda row: row["n_clusters"])
    values = [row.get(column) for row in rows]
    scores = [np.nan if value is None else float(value) for value in values]
    return np.array([row["n_clusters"] for row in rows], np.int64), np.array(scores)


def _draw(
    axes: Axes,
    panel: Panel,
    table: Sequence[dict[str, Any]],
    colors: dict[str, Any],
    recommended: int | None,
) -> None:
    curves = {name: series(table, name, panel.column) for name in colors}
    drawn = np.concatenate([scores for _, scores in curves.values()])
    drawn = drawn[np.isfinite(drawn)]
    power = _power(drawn) if panel.scale == "plain" else 0
    for name, (numbers, scores) in curves.items():
        refused = series(table, name, "refused")[1] == 1
        _draw_curve(axes, panel, numbers, scores / 10.0**power, refused, colors[name])
    if recommended is not None:
        axes.axvline(recommended, color=MARK, lw=6, alpha=0.16, zorder=0.5)
        axes.axvline(recommended, color=MARK, lw=1, zorder=0.6)
    if not len(drawn):
        note: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "color": QUIET}
        write(axes, 0.5, 0.5, "not measured", **note)
        axes.tick_params(labelleft=False)
    _scale_axes(axes, panel, drawn, [int(row["n_clusters"]) for row in table])
    heading: dict[str, Any] = {"transform": axes.transAxes, "va": "bottom"}
    write(axes, 0, 1.11, panel.name, size=10.5, weight="bold", **heading)
    hollow = any(row.get("refused") for row in table)
    write(axes, 0, 1.03, _reading(panel, drawn, power, hollow), size=8.5, color=QUIET, **heading)


def _reading(panel: Panel, drawn: np.ndarray, power: int, hollow: bool) -> str:
    notes = [panel.reading]
    if panel.best and len(drawn) > 1:
        notes.append("ring: best")
    if hollow:
        notes.append("hollow: refused")
    if panel.scale == "log" and np.any(drawn == 0):
        notes.append("×: empty")
    if power:
        notes.append(f"in units of 10{str(power).translate(_SUPERSCRIPTS)}")
    return "  ·  ".join(notes)


def _draw_curve(
    axes: Axes,
    panel: Panel,
    numbers: np.ndarray,
    scores: np.ndarray,
    refused: np.ndarray,
    color: Any,
) -> None:
    if panel.scale == "log":
        empty = numbers[scores == 0]
        scores = np.where(scores > 0, scores, np.nan)
        at_floor: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(empty, np.full(len(empty), 0.03), "x", color=MARK, ms=5, mew=1.5, **at_floor)
    axes.plot(numbers, scores, "-o", color=color, lw=1.8, ms=4 if len(numbers) > 1 else 7)
    axes.plot(numbers[refused], scores[refused], "o", color=color, mfc="white", ms=4, zorder=3)
    sound = np.where(refused, np.nan, scores)
    if panel.best and np.isfinite(sound).sum() > 1:
        best = np.nanargmax(sound) if panel.best == "max" else np.nanargmin(sound)
        ring: dict[str, Any] = {"ms": 10, "mfc": "none", "mec": color, "mew": 1.5, "zorder": 4}
        axes.plot(numbers[best], scores[best], "o", **ring)


def _scale_axes(axes: Axes, panel: Panel, drawn: np.ndarray, numbers: list[int]) -> None:
    least, most = min(numbers, default=2), max(numbers, default=2)
    room = 0.6 if most - least < 8 else 0.04 * (most - least)
    axes.set_xlim(least - max(room, 0.5), most + max(room, 0.5))
    if most - least < 8:
        axes.set_xticks(range(least, most + 1))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 2, 5, 10]))
    axes.margins(y=0.12)
    if panel.scale == "share":
        axes.set_ylim(0, 1.04)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    elif panel.scale == "log":
        positive = drawn[drawn > 0]
        floor = positive.min(initial=0.1)
        axes.set_yscale("log")
        axes.set_ylim(floor / 2.5, min(1.0, positive.max(initial=0.5) * 2))
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if floor < 0.01 else (1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    else:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        axes.yaxis.set_major_locator(MaxNLocator(5))


def _write_subtitle(
    figure: Figure, recommended: int | None, algorithms: list[str], colors: list[Any]
) -> None:
    quiet: dict[str, Any] = {"size": 10, "color": QUIET}
    if recommended is None:
        write(figure, 0.015, 0.895, "No number of clusters is recommended.", **quiet)
    else:
        words = f"Recommended: {recommended} clusters"
        write(figure, 0.015, 0.895, words, size=10.5, color=MARK, weight="bold")
    legend = figure.legend(
        [Line2D([], [], color=color, marker="o", ms=5, lw=1.8) for color in colors],
        [printable(name) for name in algorithms],
        loc="center right",
        bbox_to_anchor=(0.992, 0.903),
        ncols=max(1, len(algorithms)),
        frameon=False,
        prop={"family": FONT, "size": LABEL_SIZE},
        labelcolor=INK,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _line_colors(n_lines: int) -> list[Any]:
    """Colours dark enough for thin lines on white."""
    colors = cluster_colors(4 * n_lines + 4)
    return [ACCENT, *colors[1:][oklab(colors[1:])[:, 0] < 0.65]][:n_lines]


def _power(drawn: np.ndarray) -> int:
    """The power of ten, a multiple of 3, in which large values are written."""
    largest = np.abs(drawn).max(initial=0)
    return 3 * int(np.log10(largest) // 3) if largest >= 1e5 else 0
