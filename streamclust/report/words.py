"""Numbers as texts for the page."""

from typing import Any

from streamclust.report.bounds import CELL_CHARACTERS


def number(value: Any) -> str:
    """Two decimals, fewer of large numbers; nothing for what is not known."""
    if value is None or value != value:
        return ""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}"


def whole(value: Any) -> str:
    """A count; nothing for what is not known."""
    return "" if value is None or value != value else f"{value:,.0f}"


def percent(share: Any) -> str:
    """A share in per cent; nothing for what is not known."""
    if share is None or share != share:
        return ""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.2g} %"


def counted(count: int, noun: str) -> str:
    """``1 set``, ``2,003 sets``."""
    return f"{count:,} {noun}" + "s" * (count != 1)


def cell(text: str) -> str:
    """A cell of a table file: numbers with two decimals, long texts cut."""
    try:
        return f"{int(text):,}" if text.isdecimal() else number(float(text))
    except ValueError:
        return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"
