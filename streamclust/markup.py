"""Small pieces of HTML that a notebook shows: tables, lists, pictures; all text is escaped."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

# Cells that are read by their digits.
_NUMBER = re.compile(r"[-+]?[\d.,]+( ?%)?|-?")


def table(lines: Sequence[Mapping[str, str]], caption: str = "") -> str:
    """A table with a line for each mapping and a column for each key of the first one.

    Parameters
    ----------
    lines : sequence of mapping of str to str
        At least one; columns of numbers are aligned to the right.
    caption : str
        What the table shows, above it.
    """
    columns = {name: _alignment(line.get(name, "") for line in lines) for name in lines[0]}
    head = "".join(f"<th scope='col' {style}>{escape(n)}</th>" for n, style in columns.items())
    body = "".join(
        "<tr>" + "".join(_cell(line.get(n, ""), style) for n, style in columns.items()) + "</tr>"
        for line in lines
    )
    title = f"<caption style='text-align:left'>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def bullets(texts: Iterable[str]) -> str:
    """A list of texts; nothing where there are none."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul style='margin:0;padding-left:1.2em'>{items}</ul>" if items else ""


def paragraph(text: str, *, strong: bool = False) -> str:
    """A text by itself."""
    weight = ";font-weight:bold" if strong else ""
    return f"<p style='margin:.5em 0{weight}'>{escape(text)}</p>"


def folded(summary: str, content: str) -> str:
    """HTML that is seen when its summary is clicked on; nothing where there is none."""
    if not content:
        return ""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def bar(name: str, share: float, words: str) -> str:
    """A progress bar at a share of 0 to 1, and words beside it."""
    drawn = f"<progress value='{share:.3f}' max='1' aria-label='{escape(name)}'></progress>"
    return f"<div>{drawn} {escape(name)}: {escape(words)}</div>"


def picture(png: bytes, description: str, width: int) -> str:
    """A PNG within the page.

    Parameters
    ----------
    png : bytes
    description : str
        What it shows, for those who do not see it.
    width : int
        CSS pixels.
    """
    uri = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f"<img src='{uri}' alt='{escape(description)}' width='{width}' style='max-width:100%'>"


def beside(left: str, right: str) -> str:
    """Two parts next to each other where there is room, else one below the other."""
    style = "display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start;margin:.5em 0"
    box = f"<div style='flex:1 1 22em;max-width:46em'>{right}</div>"
    return f"<div style='{style}'>{left}{box}</div>"


def _cell(text: str, style: str) -> str:
    return f"<td {style}>{escape(text)}</td>"


def _alignment(cells: Iterable[str]) -> str:
    side = "right" if all(_NUMBER.fullmatch(cell) for cell in cells) else "left"
    return f"style='text-align:{side}'"
