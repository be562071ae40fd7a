"""The page out of its contents: one HTML file that asks nothing of any network."""

import base64
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

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
