"""Text that fits the room there is: measured as it is drawn, the middle left out if it must be."""

from bisect import bisect_left
from functools import lru_cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font, LoadFlags

from streamclust.figures.canvas import FONT, LABEL_SIZE, TITLE_SIZE, printable, title_lines

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
    """The printable text, without its middle if it is wider than so many inches.

    >>> fitted("efficientnet-b7", 0.6)
    'effic…-b7'
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


def _shortened(text: str, length: int) -> str:
    """The text with so many of its characters."""
    tail = length // 3
    return f"{text[: length - tail]}…{text[len(text) - tail :]}"


@lru_cache(maxsize=2)
def _font(weight: str) -> FT2Font:
    wanted = font_manager.FontProperties(family=FONT, weight=weight)
    # One of its own: the fonts that matplotlib keeps are set to a size while it draws.
    return FT2Font(font_manager.findfont(wanted))
