"""The page out of its contents: one HTML file that asks nothing of any network."""

import base64
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

PAGE_BYTES = 30_000_000
# Characters of base64.
FIGURE_BYTES = 10_000_000
THUMBNAIL_BYTES = 9_000_000
# Of the points' labels in the clusterings; those of the recommended and described ones come
# before, and clusterings without labels have no cards.
LABEL_BYTES = 4_000_000
# Of the paths of the points that can be selected, and as much of those on cards: there are fewer
# where paths are long.
PATH_BYTES = 1_500_000
# Sets that are shown beyond the table of all, and clusterings of each with what was described.
SETS = 12
CLUSTERINGS = 2
# Clusters of a clustering with a card, the largest; with images on it; and images of each kind.
CARDS = 100
GALLERIES = 40
IMAGES = 4
# Without a description, images by chance.
BY_CHANCE = 8
TEXT_CHARACTERS = 800
POINTS = 5_000
LAYOUTS = 4
# Images of points, beyond those of cards and outliers, for the pointer to show.
POINT_IMAGES = 300
THUMBNAIL_PIXELS = 128
THUMBNAILS = 2_400
# Outliers shown: the worst, and the worst of each kind.
WORST = 24
WORST_OF_KIND = 8
# Lines of a table, and characters of a cell.
LINES = 100
CLUSTERING_LINES = 300
CELL_CHARACTERS = 80
COMPARISON_FIGURES = 6

_SCRIPTS = (
    *("names.js", "elements.js", "edits.js", "cards.js", "galleries.js", "map.js", "view.js"),
    *("selection.js", "pointer.js", "curves.js", "main.js"),
)
_STYLE = "report.css"
_TEMPLATE = "report.html"


def write_page(path: Path, content: dict[str, Any], data: dict[str, Any]) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    content : dict
        What the template shows: texts are escaped.
    data : dict
        What the page's script works with; anything that JSON can write.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _text("templates", name)),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    style, script = _text("assets", _STYLE), _script()
    page = environment.get_template(_TEMPLATE).stream(
        **content,
        policy=content_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(as_json(data)),
    )
    # Paths may hold what UTF-8 cannot write.
    page.dump(str(path), encoding="utf-8", errors="replace")


def as_json(data: Any) -> str:
    """JSON that may stand in a script element: nothing in it ends the element."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def content_policy(style: str, script: str) -> str:
    """A Content-Security-Policy that allows this style, this script, and embedded pictures."""
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _script() -> str:
    parts = "\n".join(_text("assets", name) for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


def _text(folder: str, name: str) -> str:
    return (files("streamclust.report") / folder / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
