"""Curves: the scores of clusterings over their numbers of clusters, what naming clusters yields,
and how much of the variance principal components hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter

from streamclust.figures.canvas import (
    ACCENT,
    FONT,
    INK,
    MARK,
    QUIET,
    TICK_SIZE,
    clean,
    name_axes,
    new_figure,
    percent,
    save_png,
    write,
    write_title,
)
from streamclust.figures.panels import LineStyle, head_panel, line_styles, panel_grid, scale_numbers

# Components shown, as a multiple of those kept: the rest is a long flat tail.
SHOWN, LEAST_SHOWN = 3, 30


@dataclass(frozen=True)
class Panel:
    """One score to draw: its column, its name and how to read it; `best` is max, min or "".

    `band` names two columns, the ends of an interval, or one, an error to both sides; where zero
    has a meaning, `has_zero` draws it.
    """

    column: str
    name: str
    reading: str
    best: str = ""
    scale: str = "plain"
    band: tuple[str, ...] = ()
    has_zero: bool = False


_ALWAYS = (
    Panel("calinski_harabasz", "Calinski-Harabasz", "higher is better", "max"),
    Panel("davies_bouldin", "Davies-Bouldin", "lower is better", "min"),
    Panel("silhouette_simplified", "Simplified silhouette", "higher is better", "max"),
)


_ERROR, _SILHOUETTE = ("gap_error",), ("silhouette_low", "silhouette_high")


_SEPARATED = Panel("separated", "Separated clusters", "dotted: all of them", "max")


_WHERE_KNOWN = (
    Panel("consensus", "Agreement with the mixed labels (AMI)", "higher is better", "max"),
    Panel("silhouette", "Silhouette (sampled)", "higher is better", "max", band=_SILHOUETTE),
    _SEPARATED,
    Panel("stability", "Stability (ARI of two halves)", "higher is better", "max"),
    Panel("gap", "Gap to structureless data", "above 0: structure", "", "plain", _ERROR, True),
)


_EXPLAINED = Panel("explained", "Explained share of variance", "look for the bend", scale="share")


_INERTIA = Panel("inertia", "Inertia", "look for the bend")


_SMALLEST = Panel(
    "smallest_cluster", "Share of the smallest cluster", "tiny is suspect", scale="log"
)


_BIC = Panel("bic", "Bayesian information criterion", "lower is better", "min")


# Of yields: attributes, and lines of each.
MOST_PANELS, MOST_LINES = 12, 16


_KNOWN = (
    "Shares are of the rows whose value is known; the band, the interval of 95 %, holds for all "
    "rows only if these are a uniform sample."
)


_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def metric_curves(
    path: Path,
    table: Sequence[dict[str, Any]],
    recommended: tuple[str, int] | None,
    title: str,
    reason: str = "",
) -> None:
    """Draw the scores of clusterings over the number of clusters, a panel a score.

    Parameters
    ----------
    path : Path
        The PNG to write.
    table : sequence of dict
        One a clustering: ``n_clusters``, ``algorithm`` and the columns of `panels_of`. Scores that
        are NaN or missing are not drawn; those with ``refused`` are hollow and never the best.
    recommended : (str, int), optional
        Algorithm and number of clusters of the one that is marked.
    title : str
    reason : str
        Why that one is recommended, in one line.
    """
    algorithms = list(dict.fromkeys(str(row["algorithm"]) for row in table))
    styles = dict(zip(algorithms, line_styles(len(algorithms)), strict=True))
    panels = panels_of(table)
    words = [_words(recommended, table), *([(reason, QUIET)] if reason else [])]
    figure, grid = panel_grid(len(panels), title, words, styles, "number of clusters")
    for axes, panel in zip(grid, panels, strict=True):
        _draw(axes, panel, table, styles, recommended)
    save_png(figure, path)


def panels_of(table: Sequence[dict[str, Any]]) -> list[Panel]:
    """The panels there are to draw: scores that no clustering has are left out, but for the
    three that every one should have."""
    spread = _EXPLAINED if _is_known(table, "explained") else _INERTIA
    others = (*_WHERE_KNOWN, spread, _SMALLEST, _BIC)
    return [*_ALWAYS, *(panel for panel in others if _is_known(table, panel.column))]


def series(
    table: Sequence[dict[str, Any]], algorithm: str, column: str
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of clusters in ascending order, and the score at each (NaN if there is none)."""
    rows = [row for row in table if str(row["algorithm"]) == algorithm]
    rows.sort(key=lambda row: row["n_clusters"])
    values = [row.get(column) for row in rows]
    scores = [np.nan if value is None else float(value) for value in values]
    return np.array([row["n_clusters"] for row in rows], np.int64), np.array(scores)


def _is_known(table: Sequence[dict[str, Any]], column: str) -> bool:
    values = [row.get(column) for row in table]
    return any(value is not None and np.isfinite(value) for value in values)


def _words(recommended: tuple[str, int] | None, table: Sequence[dict[str, Any]]) -> tuple[str, Any]:
    """What is recommended, and how to read the marks; with its colour."""
    notes, color = ["No number of clusters is recommended"], QUIET
    if recommended is not None:
        algorithm, k = recommended
        notes, color = [f"Recommended, in red: {k} clusters of {algorithm}"], MARK
    if len(table) > 1:
        notes.append("ring: best")
    if any(row.get("refused") for row in table):
        notes.append("hollow: refused")
    return "  ·  ".join(notes), color


@dataclass(frozen=True)
class _Curve:
    """A score of one algorithm; all arrays have one shape."""

    numbers: np.ndarray
    scores: np.ndarray
    low: np.ndarray
    high: np.ndarray
    refused: np.ndarray


def _curve(table: Sequence[dict[str, Any]], algorithm: str, panel: Panel, power: int) -> _Curve:
    numbers, scores = series(table, algorithm, panel.column)
    ends = [series(table, algorithm, column)[1] for column in panel.band]
    low, high = (
        ends if len(ends) == 2 else (scores - ends[0], scores + ends[0]) if ends else [scores] * 2
    )
    known = np.isfinite(scores)
    refused = series(table, algorithm, "refused")[1] == 1
    scores, low, high = (part[known] / 10.0**power for part in (scores, low, high))
    return _Curve(numbers[known], scores, low, high, refused[known])


def _draw(
    axes: Axes,
    panel: Panel,
    table: Sequence[dict[str, Any]],
    styles: dict[str, LineStyle],
    recommended: tuple[str, int] | None,
) -> None:
    drawn = np.array([score for name in styles for score in series(table, name, panel.column)[1]])
    drawn = drawn[np.isfinite(drawn)]
    power = _power(drawn) if panel.scale == "plain" else 0
    curves = {name: _curve(table, name, panel, power) for name in styles}
    for name, curve in curves.items():
        _draw_curve(axes, panel, curve, styles[name])
    if panel is _SEPARATED:
        _draw_separated(axes, table)
    if panel.has_zero and len(drawn):
        axes.axhline(0, color=INK, lw=1, ls=(0, (5, 4)), zorder=2)
    _ring_best(axes, panel, curves, styles)
    if recommended is not None:
        _mark(axes, curves, recommended)
    if not len(drawn):
        note: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "color": QUIET}
        write(axes, 0.5, 0.5, "not measured", **note)
        axes.tick_params(labelleft=False)
    scale_numbers(axes, (int(row["n_clusters"]) for row in table))
    _scale_scores(axes, panel, drawn, _sound(table, panel.column) / 10.0**power)
    head_panel(axes, panel.name, _reading(panel, drawn, power, table))


def _draw_separated(axes: Axes, table: Sequence[dict[str, Any]]) -> None:
    """As many as there are clusters, and the groups that a mixture finds."""
    ks = sorted({int(row["n_clusters"]) for row in table})
    axes.plot(ks, ks, color=QUIET, lw=1, ls=(0, (1, 2)), zorder=1)
    groups = _groups(table)
    if groups is not None and ks[0] <= groups <= ks[-1]:
        axes.axvline(groups, color=QUIET, lw=1, ls=(0, (5, 4)), zorder=1)


def _groups(table: Sequence[dict[str, Any]]) -> int | None:
    known = (row.get("groups") for row in table)
    return next((int(number) for number in known if number is not None and number == number), None)


def _reading(panel: Panel, drawn: np.ndarray, power: int, table: Sequence[dict[str, Any]]) -> str:
    notes = [panel.reading]
    groups = _groups(table)
    if panel is _SEPARATED and groups is not None:
        notes.append(f"dashed: {groups} by a mixture")
    if panel.scale == "log" and np.any(drawn == 0):
        notes.append("×: empty")
    if power:
        notes.append(f"in units of 10{str(power).translate(_SUPERSCRIPTS)}")
    return "  ·  ".join(notes)


def _draw_curve(axes: Axes, panel: Panel, curve: _Curve, line_style: LineStyle) -> None:
    numbers, scores = curve.numbers, curve.scores
    if panel.scale == "log":
        empty = numbers[scores == 0]
        scores = np.where(scores > 0, scores, np.nan)
        at_floor: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        axes.plot(empty, np.full(len(empty), 0.03), "x", color=MARK, ms=5, mew=1.5, **at_floor)
    alone = len(numbers) == 1
    if panel.band and alone:
        axes.vlines(numbers, curve.low, curve.high, color=line_style.color, lw=4, alpha=0.3)
    elif panel.band:
        axes.fill_between(numbers, curve.low, curve.high, color=line_style.color, alpha=0.18, lw=0)
    style: dict[str, Any] = {"color": line_style.color, "marker": line_style.marker}
    axes.plot(numbers, scores, lw=1.3, ms=8 if alone else 3.8, mew=0.6, zorder=2.5, **style)
    style |= {"ls": "", "mfc": "white", "mew": 1}
    axes.plot(numbers[curve.refused], scores[curve.refused], ms=3.8, zorder=3, **style)


def _ring_best(
    axes: Axes, panel: Panel, curves: dict[str, _Curve], styles: dict[str, LineStyle]
) -> None:
    """Ring the best score of all algorithms."""
    sign = {"max": 1, "min": -1, "": 0}[panel.best]
    sound = [
        (sign * score, k, name)
        for name, curve in curves.items()
        for k, score in zip(
            curve.numbers[~curve.refused], curve.scores[~curve.refused], strict=True
        )
    ]
    if sign and len(sound) > 1:
        # The fewer clusters of two that are as good.
        score, k, name = max(sound, key=lambda one: (one[0], -one[1]))
        ring: dict[str, Any] = {"ms": 11, "mfc": "none", "mew": 1.5, "zorder": 4}
        axes.plot(k, sign * score, "o", mec=styles[name].color, **ring)


def _mark(axes: Axes, curves: dict[str, _Curve], recommended: tuple[str, int]) -> None:
    """A line at the recommended number of clusters, and a point at its score."""
    name, k = recommended
    axes.axvline(k, color=MARK, lw=6, alpha=0.14, zorder=0.5)
    axes.axvline(k, color=MARK, lw=1, zorder=0.6)
    if name in curves:
        curve = curves[name]
        there = curve.numbers == k
        axes.plot(curve.numbers[there], curve.scores[there], "o", color=MARK, ms=5, zorder=3.5)


def _sound(table: Sequence[dict[str, Any]], column: str) -> np.ndarray:
    """The scores of clusterings that are not refused."""
    values = [row.get(column) for row in table if not row.get("refused")]
    return np.array([value for value in values if value is not None and np.isfinite(value)])


def _scale_scores(axes: Axes, panel: Panel, drawn: np.ndarray, sound: np.ndarray) -> None:
    axes.margins(y=0.12)
    if panel.scale == "plain" and len(sound) > 1 and np.ptp(sound) > 0 and not panel.has_zero:
        # Scores of refused clusterings may lie far off: those that count fill the panel.
        room = 0.3 * np.ptp(sound)
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, sound.min() - room), min(high, sound.max() + room))
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


def _power(drawn: np.ndarray) -> int:
    """The power of ten, a multiple of 3, in which large values are written."""
    largest = np.abs(drawn).max(initial=0)
    return 3 * int(np.log10(largest) // 3) if largest >= 1e5 else 0


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
    styles = dict(zip(names, line_styles(len(names)), strict=True))
    attributes = list(dict.fromkeys(str(line["attribute"]) for line in known))
    shown = _most_gained(known, attributes)
    words = "Each cluster is named once, by its commonest value."
    if len(shown) < len(attributes):
        words += f" {len(attributes) - len(shown)} attributes that gain less are not shown."
    n_panels = max(1, len(shown))
    both = [(words, QUIET), (_KNOWN, QUIET)]
    figure, grid = panel_grid(n_panels, title, both, styles, "names to give")
    for axes, attribute in zip(grid, shown, strict=False):
        of_attribute = [line for line in known if str(line["attribute"]) == attribute]
        _draw_yields(axes, of_attribute, styles)
        head_panel(axes, attribute, "rows named right")
    if not shown:
        note: dict[str, Any] = {"transform": grid[0].transAxes, "ha": "center", "color": QUIET}
        write(grid[0], 0.5, 0.5, "no attribute is known", **note)
        grid[0].tick_params(labelleft=False, labelbottom=False)
    save_png(figure, path)


def _line_name(line: dict[str, Any], several: set[str]) -> str:
    name = str(line["set"])
    return f"{name} · {line['algorithm']}" if name in several else name


def _several(table: Sequence[dict[str, Any]]) -> set[str]:
    """Sets of more than one algorithm."""
    pairs = {(str(line["set"]), line["algorithm"]) for line in table}
    names = [name for name, _ in pairs]
    return {name for name in names if names.count(name) > 1}


def _line_names(table: Sequence[dict[str, Any]]) -> list[str]:
    several = _several(table)
    return list(dict.fromkeys(_line_name(line, several) for line in table))[:MOST_LINES]


def _most_gained(table: Sequence[dict[str, Any]], attributes: list[str]) -> list[str]:
    """The attributes that gain most over the baseline, in their order."""
    gains = dict.fromkeys(attributes, 0.0)
    for line in table:
        name = str(line["attribute"])
        gains[name] = max(gains[name], line["yield"] - line["baseline"])
    kept = sorted(attributes, key=lambda name: -gains[name])[:MOST_PANELS]
    return [name for name in attributes if name in kept]


def _draw_yields(axes: Axes, table: Sequence[dict[str, Any]], styles: dict[str, LineStyle]) -> None:
    several = _several(table)
    for name, line_style in styles.items():
        lines = [line for line in table if name in (_line_name(line, several), str(line["set"]))]
        lines.sort(key=lambda line: line["names"])
        if not lines:
            continue
        columns = ("names", "yield", "low", "high")
        numbers, shares, low, high = (np.array([line[c] for line in lines], float) for c in columns)
        if len(lines) > 1:
            axes.fill_between(numbers, low, high, color=line_style.color, alpha=0.16, lw=0)
        else:
            axes.vlines(numbers, low, high, color=line_style.color, lw=4, alpha=0.3)
        style: dict[str, Any] = {
            "color": line_style.color,
            "marker": line_style.marker,
            "zorder": 2.5,
        }
        axes.plot(numbers, shares, lw=1.4, ms=3.8 if len(lines) > 1 else 7, mew=0.6, **style)
    _scale_yields(axes, table)
    _draw_baseline(axes, max(line["baseline"] for line in table))


def _draw_baseline(axes: Axes, baseline: float) -> None:
    axes.axhline(baseline, color=INK, lw=1.1, ls=(0, (5, 4)), zorder=2)
    below: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "top"}
    bottom, top = axes.get_ylim()
    y = baseline - 0.03 * (top - bottom)
    words = f"one name for all: {percent(baseline)}"
    write(axes, 0.99, y, words, size=TICK_SIZE, **below)


def _scale_yields(axes: Axes, table: Sequence[dict[str, Any]]) -> None:
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


def variance_curve(
    path: Path, ratio: np.ndarray, kept: int, wanted: float | None, title: str
) -> None:
    """Draw the cumulative and the single shares of variance over the components.

    Parameters
    ----------
    path : Path
        The PNG to write.
    ratio : ndarray of shape (n_components,)
        Share of the variance of each component, largest first; they need not add up to 1.
    kept : int
        Components that the reduction keeps.
    wanted : float, optional
        The share of the variance that was asked for, 0..1; None if it was a number of components.
    title : str
    """
    shown = np.asarray(ratio, np.float64)[: max(LEAST_SHOWN, SHOWN * kept)]
    figure = new_figure(10.4, 5.8)
    upper, lower = figure.subplots(
        2,
        1,
        sharex=True,
        height_ratios=[3, 1],
        gridspec_kw={"left": 0.085, "right": 0.97, "top": 0.81, "bottom": 0.1, "hspace": 0.12},
    )
    write_title(figure, title, 0.02, 0.975)
    write(figure, 0.02, 0.875, variance_in_words(ratio, kept, wanted), size=10, color=QUIET)
    _draw_cumulative(clean(upper), shown, kept, wanted)
    _draw_single(clean(lower), shown, kept)
    part = f" (first {len(shown):,} of {len(ratio):,})" if len(shown) < len(ratio) else ""
    name_axes(lower, f"component{part}", "single share")
    name_axes(upper, y="share of variance, summed up")
    figure.align_ylabels([upper, lower])
    save_png(figure, path)


def variance_in_words(ratio: np.ndarray, kept: int, wanted: float | None) -> str:
    """Say how much the kept components hold, and whether that is what was asked for."""
    share = float(np.sum(ratio[:kept]))
    noun, verb = ("component", "holds") if kept == 1 else ("components", "hold")
    words = f"{kept:,} {noun} {verb} {percent(share)} of the variance"
    if wanted is None:
        return words
    # All components hold all of the variance but rounding.
    reached = share >= wanted * (1 - 1e-9)
    return f"{words}; {percent(wanted)} was asked for{'' if reached else ', which is not reached'}"


def _draw_cumulative(axes: Axes, ratio: np.ndarray, kept: int, wanted: float | None) -> None:
    numbers = np.arange(len(ratio) + 1)
    summed = np.concatenate([[0], np.cumsum(ratio)])
    axes.fill_between(numbers[: kept + 1], summed[: kept + 1], color=ACCENT, alpha=0.13, lw=0)
    axes.plot(numbers, summed, color=ACCENT, lw=2, marker="o" if len(ratio) <= 30 else "", ms=4)
    at_end = kept > 0.8 * len(ratio)
    if wanted is not None:
        axes.axhline(wanted, color=INK, lw=1, ls=(0, (5, 4)))
        # On the side where the curve has not come to: it passes the line where it keeps enough.
        at = 0.01 if kept > 0.25 * len(ratio) else 0.99
        style: dict[str, Any] = {"ha": "left" if at < 0.5 else "right"}
        above = at < 0.5 or summed[-1] < wanted
        style |= {"va": "bottom" if above else "top", "transform": axes.get_yaxis_transform()}
        y = wanted + (0.01 if above else -0.015)
        write(axes, at, y, f"asked for: {percent(wanted)}", **style)
    axes.plot([kept, kept], [0, summed[kept]], color=MARK, lw=1.2)
    axes.plot([kept], [summed[kept]], "o", color=MARK, ms=8, mec="white", mew=1.5, zorder=5)
    axes.annotate(
        f"{kept:,} kept: {percent(float(summed[kept]))}",
        (kept, 0.4 * summed[kept]),
        xytext=(-10 if at_end else 10, 0),
        textcoords="offset points",
        ha="right" if at_end else "left",
        color=MARK,
        fontsize=10,
        family=FONT,
        weight="bold",
    )
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def _draw_single(axes: Axes, ratio: np.ndarray, kept: int) -> None:
    numbers = np.arange(1, len(ratio) + 1)
    for part, color in ((numbers <= kept, ACCENT), (numbers > kept, "#b9c3ce")):
        # Bars thinner than a pixel flicker: many components are drawn as one area.
        axes.bar(numbers[part], ratio[part], width=1 if len(ratio) > 120 else 0.8, color=color)
    if np.any(ratio > 0):
        least = ratio[ratio > 0].min()
        axes.set_yscale("log")
        axes.set_ylim(max(least, ratio.max() * 1e-6) / 1.6, ratio.max() * 1.6)
        few = ratio.max() < 15 * least
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.4g} %")
    axes.set_xlim(0, max(1.03 * len(ratio), len(ratio) + 0.6))
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
