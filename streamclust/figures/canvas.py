"""The common look of all figures: text that fits the room there is, and how they are saved."""

import textwrap
import unicodedata
from bisect import bisect_left
from functools import lru_cache
from pathlib import Path
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font, LoadFlags

DPI = 150
INK, QUIET, FAINT = "#22272e", "#5d6670", "#dfe3e8"
ACCENT, MARK = "#2f6db5", "#d1495b"
FONT = "DejaVu Sans"  # comes with matplotlib
TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 13, 9.5, 8.5
TITLE_COLUMNS = 88  # what fits on 10 inches and more


def new_figure(width: float, height: float) -> Figure:
    """Make a white figure of this size in inches, to be saved with `save_png`."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Save the figure."""
    # No name and version of the program: the same figure is the same file.
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})


def clean(axes: Axes) -> Axes:
    """Take away what says nothing: the upper and right frame; a light grid behind the data."""
    axes.set_facecolor("white")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(labelsize=TICK_SIZE, colors=QUIET, labelfontfamily=FONT, length=3)
    axes.grid(visible=True, color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    return axes


def write_title(figure: Figure, title: str, left: float, top: float) -> None:
    """Write the title at the upper left, in two lines of smaller type if it is long."""
    lines = title_lines(title)
    size = TITLE_SIZE if len(lines) == 1 and len(title) < 0.8 * TITLE_COLUMNS else TITLE_SIZE - 2
    style: dict[str, Any] = {"weight": "bold", "va": "top", "linespacing": 1.3}
    write(figure, left, top, "\n".join(lines), size=size, **style)


def title_lines(title: str) -> list[str]:
    """Break a title into two lines at most; of a longer one the middle is left out."""
    text = printable(title)
    for length in range(len(text), 0, -1):
        tail = length // 3
        left_out = length < len(text)
        short = f"{text[: length - tail]} … {text[len(text) - tail :]}" if left_out else text
        lines = textwrap.wrap(short, TITLE_COLUMNS)
        if len(lines) <= 2:
            return lines
    return [""]


def write(
    place: Figure | Axes, x: float, y: float, text: str, size: float = LABEL_SIZE, **style: Any
) -> None:
    """Write text in the figures' font; a $ in it is a $."""
    style = {"color": INK, "family": FONT, **style}
    place.text(x, y, text, fontsize=size, parse_math=False, **style)


def name_axes(axes: Axes, x: str = "", y: str = "") -> None:
    """Write what the axes show."""
    style: dict[str, Any] = {
        "fontsize": LABEL_SIZE,
        "color": INK,
        "family": FONT,
        "parse_math": False,
    }
    axes.set_xlabel(printable(x), **style)
    axes.set_ylabel(printable(y), **style)


def printable(text: str) -> str:
    """Put □ for characters that the font does not have, and a space for control characters."""
    known = _characters()
    plain = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    return "".join(c if ord(c) in known else "□" for c in plain)


def percent(share: float) -> str:
    """A share of 0..1 in words: enough digits to tell it from 0 and from 1."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.3g} %"


@lru_cache(maxsize=1)
def _characters() -> frozenset[int]:
    file = font_manager.findfont(FONT)
    return frozenset(font_manager.get_font(file).get_charmap())


# Letters that are fitted to the pixels are up to so many times as wide.
_HINTED = 1.05


def text_width(text: str, size: float = LABEL_SIZE, weight: str = "normal") -> float:
    """Width in inches of one line in the figures' font, at most."""
    font = _font(weight)
    font.set_size(size, 72)
    font.set_text(text, 0, flags=LoadFlags.NO_HINTING)
    return _HINTED * font.get_width_height()[0] / 64 / 72


def title_width(title: str) -> float:
    """Width in inches of a title as `write_title` writes it, at most."""
    return max(text_width(line, TITLE_SIZE, "bold") for line in title_lines(title))


def fitted(text: str, width: float, size: float = LABEL_SIZE, weight: str = "normal") -> str:
    """The printable text, without its middle if it is wider than so many inches as it is drawn.

    >>> fitted("efficientnet-b7", 0.6)
    'effi…b7'
    """
    text = printable(text)
    if text_width(text, size, weight) <= width:
        return text
    longest = bisect_left(
        range(1, len(text)),
        True,
        key=lambda n: text_width(_shortened(text, n), size, weight) > width,
    )
    return _shortened(text, longest)


def wrapped(text: str, width: float, size: float = LABEL_SIZE) -> list[str]:
    """The printable text in one line or two of so many inches; `fitted`, where that is too little.

    >>> wrapped("k = 7 has the largest silhouette", 1.4)
    ['k = 7 has the', 'largest silhouette']
    """
    words = printable(text).split(" ")
    first = 1
    while first < len(words) and text_width(" ".join(words[: first + 1]), size) <= width:
        first += 1
    lines = (" ".join(words[:first]), " ".join(words[first:]))
    return [fitted(line, width, size) for line in lines if line]


def _shortened(text: str, length: int) -> str:
    """The text with so many of its characters."""
    tail = length // 3
    return f"{text[: length - tail]}…{text[len(text) - tail :]}"


@lru_cache(maxsize=2)
def _font(weight: str) -> FT2Font:
    wanted = font_manager.FontProperties(family=FONT, weight=weight)
    # One of its own: the fonts that matplotlib keeps are set to a size while it draws.
    return FT2Font(font_manager.findfont(wanted))
