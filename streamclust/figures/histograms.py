"""How outlier scores are distributed, and where the threshold cuts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from streamclust.figures.canvas import (
    ACCENT,
    MARK,
    QUIET,
    TICK_SIZE,
    clean,
    name_axes,
    new_figure,
    percent,
    printable,
    save_png,
    write,
    write_title,
)

WIDTH, PANELS_A_ROW = 11.0, 4
MAIN_HEIGHT, SET_HEIGHT = 4.4, 2.1  # inches, titles and axes included
LONGEST_NAME = 24
BINS, LONGEST_TAIL = 200, 4.0
_PALE = "#8fa9c9"


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """A histogram of the scores of all rows.

    Attributes
    ----------
    name : str
        Of the score: a descriptor set, or what combines them.
    counts : ndarray of int, shape (n_bins,)
    edges : ndarray of float, shape (n_bins + 1,)
        Ends of the bins, ascending.
    beyond : int
        Rows of the last bin that lie beyond its end.
    """

    name: str
    counts: np.ndarray
    edges: np.ndarray
    beyond: int = 0


def count_scores(name: str, scores: np.ndarray, shown: float | None = None) -> ScoreCounts:
    """Count scores in `BINS` bins, such that a few extreme ones do not squeeze the rest.

    Scores more than `LONGEST_TAIL` times as far above the median as the one in a thousand is are
    counted in the last bin; rows without a score are left out.

    Parameters
    ----------
    name : str
    scores : ndarray of float, shape (n_rows,)
    shown : float, optional
        A score that lies within the bins: the threshold.
    """
    known = np.asarray(scores[np.isfinite(scores)], np.float64)
    if not len(known):
        return ScoreCounts(name, np.zeros(1, np.int64), np.array([0.0, 1.0]))
    middle, high = np.quantile(known, [0.5, 0.999])
    high = min(known.max(), middle + LONGEST_TAIL * (high - middle))
    high = max(high, *(() if shown is None else (shown,)), known.min())
    counts, edges = np.histogram(np.minimum(known, high), BINS, (known.min(), high))
    return ScoreCounts(name, counts, edges, int(np.count_nonzero(known > high)))


def score_histogram(
    path: Path,
    combined: ScoreCounts,
    sets: Sequence[ScoreCounts],
    threshold: float,
    words: str,
    title: str,
) -> None:
    """Draw the combined score's distribution with its threshold, and below it each set's.

    Parameters
    ----------
    path : Path
        The PNG to write.
    combined : ScoreCounts
    sets : sequence of ScoreCounts
        None are needed.
    threshold : float
        Rows of a larger combined score are flagged.
    words : str
        How many are: `flagged_in_words`.
    title : str
    """
    n_lines = -(-len(sets) // PANELS_A_ROW)
    height = MAIN_HEIGHT + n_lines * SET_HEIGHT
    figure = new_figure(WIDTH, height)
    axes = clean(figure.add_axes((0.075, 1 - 3.65 / height, 0.905, 2.7 / height)))
    _draw(axes, combined, ACCENT)
    _mark(axes, combined, threshold)
    name_axes(axes, combined.name, "rows (logarithmic)")
    for number, counts in enumerate(sets):
        line, column = divmod(number, PANELS_A_ROW)
        left = 0.075 + column * 0.237
        bottom = height - MAIN_HEIGHT - (line + 1) * SET_HEIGHT + 0.55
        panel = clean(figure.add_axes((left, bottom / height, 0.18, 1.25 / height)))
        _draw(panel, counts, _PALE)
        panel.yaxis.set_major_locator(LogLocator(numticks=4))
        panel.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
        style: dict[str, Any] = {"transform": panel.transAxes, "va": "bottom", "weight": "bold"}
        write(panel, 0, 1.05, _shortened(printable(counts.name)), **style)
    write_title(figure, title, 0.015, 1 - 0.12 / height)
    write(figure, 0.015, 1 - 0.72 / height, words, size=10, color=MARK, weight="bold")
    save_png(figure, path)


def flagged_in_words(n_rows: int, causes: Mapping[str, int]) -> str:
    """Say how many rows are flagged, and how many by which cause; causes of none are left out."""
    flagged = sum(causes.values())
    verb = "is" if flagged == 1 else "are"
    share = percent(flagged / n_rows) if n_rows else "none"
    words = [f"{count:,} {cause}" for cause, count in causes.items() if count]
    flagged_words = f"{flagged:,} of {n_rows:,} rows {verb} flagged ({share})"
    return ": ".join([flagged_words, ", ".join(words)] if words else [flagged_words])


def _draw(axes: Axes, counts: ScoreCounts, color: str) -> None:
    axes.stairs(counts.counts, counts.edges, fill=True, color=color, baseline=0.5)
    axes.set_yscale("log")
    # A single row is a bar of some height; the tallest does not touch the frame.
    axes.set_ylim(0.5, max(10.0, 2.0 * counts.counts.max(initial=1)))
    axes.set_xlim(counts.edges[0], counts.edges[-1])
    axes.xaxis.set_major_locator(MaxNLocator(10))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.grid(visible=False, axis="x")


def _mark(axes: Axes, counts: ScoreCounts, threshold: float) -> None:
    """Colour what lies beyond the threshold, and write the threshold beside its line."""
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    beyond = axes.stairs(counts.counts, counts.edges, fill=True, color=MARK, baseline=0.5)
    beyond.set_clip_path(
        Rectangle((threshold, bottom), max(high - threshold, 0), top, transform=axes.transData)
    )
    axes.axvline(threshold, color=MARK, lw=1.2)
    if counts.beyond:
        words = f"last bar: {counts.beyond:,} of larger scores too"
        note: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "bottom"}
        write(axes, 1, 1.02, words, size=TICK_SIZE, color=QUIET, **note)
    if not low <= threshold <= high:
        return
    at_right = threshold > low + 0.85 * (high - low)
    axes.annotate(
        f"{threshold:.4g}",
        (threshold, 0.97),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-5 if at_right else 5, 0),
        textcoords="offset points",
        ha="right" if at_right else "left",
        va="top",
        color=MARK,
        fontsize=TICK_SIZE,
    )


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
