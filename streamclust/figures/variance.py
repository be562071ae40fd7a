"""How much of the variance the principal components hold."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter

from streamclust.figures.canvas import (
    ACCENT,
    FONT,
    INK,
    MARK,
    QUIET,
    clean,
    name_axes,
    new_figure,
    percent,
    save_png,
    write,
    write_title,
)

# Components shown, as a multiple of those kept: the rest is a long flat tail.
SHOWN, LEAST_SHOWN = 3, 30


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
        above = summed[-1] < wanted
        style: dict[str, Any] = {"ha": "right", "va": "bottom" if above else "top"}
        y = wanted + (0.01 if above else -0.015)
        style["transform"] = axes.get_yaxis_transform()
        write(axes, 0.94 if at_end else 0.99, y, f"asked for: {percent(wanted)}", **style)
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
