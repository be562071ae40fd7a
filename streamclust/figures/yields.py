"""The share of rows labelled right over the number of clusters that a person names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from streamclust.figures.canvas import INK, QUIET, TICK_SIZE, percent, save_png, write
from streamclust.figures.panels import LineLook, head_panel, line_looks, panel_grid, scale_numbers

MOST_PANELS, MOST_LINES = 12, 16
_KNOWN = (
    "Shares are of the rows whose value is known; the band, the interval of 95 %, holds for all "
    "rows only if these are a uniform sample."
)


def yield_curves(path: Path, table: Sequence[dict[str, Any]], title: str) -> None:
    """Draw what naming each cluster once gives, a panel an attribute and a line a set.

    Parameters
    ----------
    path : Path
        The PNG to write.
    table : sequence of dict
        One a clustering and attribute: ``set``, ``algorithm``, ``attribute``, ``names`` (clusters
        to name), ``yield``, its interval ``low`` and ``high``, and ``baseline``, what one name for
        all gives (shares). Lines without a yield are not drawn. Where a set has several
        algorithms, each is a line of its own. Beyond `MOST_PANELS` attributes, those that gain
        least over the baseline are left out, and beyond `MOST_LINES` lines the last.
    title : str
    """
    known = [line for line in table if np.isfinite(line["yield"])]
    names = _line_names(known)
    looks = dict(zip(names, line_looks(len(names)), strict=True))
    attributes = list(dict.fromkeys(str(line["attribute"]) for line in known))
    shown = _most_gained(known, attributes)
    words = "Each cluster is named once, by its commonest value."
    if len(shown) < len(attributes):
        words += f" {len(attributes) - len(shown)} attributes that gain less are not shown."
    n_panels = max(1, len(shown))
    both = [(words, QUIET), (_KNOWN, QUIET)]
    figure, grid = panel_grid(n_panels, title, both, looks, "names to give")
    for axes, attribute in zip(grid, shown, strict=False):
        own = [line for line in known if str(line["attribute"]) == attribute]
        _draw(axes, own, looks)
        head_panel(axes, attribute, "rows named right")
    if not shown:
        note: dict[str, Any] = {"transform": grid[0].transAxes, "ha": "center", "color": QUIET}
        write(grid[0], 0.5, 0.5, "no attribute is known", **note)
        grid[0].tick_params(labelleft=False, labelbottom=False)
    save_png(figure, path)


def _name_of(line: dict[str, Any], several: set[str]) -> str:
    name = str(line["set"])
    return f"{name} · {line['algorithm']}" if name in several else name


def _several(table: Sequence[dict[str, Any]]) -> set[str]:
    """Sets of more than one algorithm."""
    pairs = {(str(line["set"]), line["algorithm"]) for line in table}
    names = [name for name, _ in pairs]
    return {name for name in names if names.count(name) > 1}


def _line_names(table: Sequence[dict[str, Any]]) -> list[str]:
    several = _several(table)
    return list(dict.fromkeys(_name_of(line, several) for line in table))[:MOST_LINES]


def _most_gained(table: Sequence[dict[str, Any]], attributes: list[str]) -> list[str]:
    """The attributes that gain most over the baseline, in their order."""
    gains = dict.fromkeys(attributes, 0.0)
    for line in table:
        name = str(line["attribute"])
        gains[name] = max(gains[name], line["yield"] - line["baseline"])
    kept = sorted(attributes, key=lambda name: -gains[name])[:MOST_PANELS]
    return [name for name in attributes if name in kept]


def _draw(axes: Axes, table: Sequence[dict[str, Any]], looks: dict[str, LineLook]) -> None:
    several = _several(table)
    for name, look in looks.items():
        own = [line for line in table if name in (_name_of(line, several), str(line["set"]))]
        own.sort(key=lambda line: line["names"])
        if not own:
            continue
        columns = ("names", "yield", "low", "high")
        numbers, shares, low, high = (np.array([line[c] for line in own], float) for c in columns)
        if len(own) > 1:
            axes.fill_between(numbers, low, high, color=look.color, alpha=0.16, lw=0)
        else:
            axes.vlines(numbers, low, high, color=look.color, lw=4, alpha=0.3)
        style: dict[str, Any] = {"color": look.color, "marker": look.marker, "zorder": 2.5}
        axes.plot(numbers, shares, lw=1.4, ms=3.8 if len(own) > 1 else 7, mew=0.6, **style)
    _scale(axes, table)
    _draw_baseline(axes, max(line["baseline"] for line in table))


def _draw_baseline(axes: Axes, baseline: float) -> None:
    axes.axhline(baseline, color=INK, lw=1.1, ls=(0, (5, 4)), zorder=2)
    below: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "top"}
    bottom, top = axes.get_ylim()
    y = baseline - 0.03 * (top - bottom)
    words = f"one name for all: {percent(baseline)}"
    write(axes, 0.99, y, words, size=TICK_SIZE, **below)


def _scale(axes: Axes, table: Sequence[dict[str, Any]]) -> None:
    lowest = min(min(line["baseline"], line["low"]) for line in table)
    highest = max(max(line["yield"], line["high"]) for line in table)
    reach = max(highest - lowest, 0.02)
    # Room below the baseline for its words.
    baseline = max(line["baseline"] for line in table)
    bottom = max(lowest - 0.2 * reach, min(0.0, baseline - 0.2 * reach))
    axes.set_ylim(bottom, highest + 0.08 * reach)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))
    scale_numbers(axes, (int(line["names"]) for line in table))
