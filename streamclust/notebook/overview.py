"""A case as a notebook shows it: a table of its sets, why each clustering was chosen, and maps."""

import io
from pathlib import Path
from typing import Any

from streamclust.figures import caption
from streamclust.markup import beside, bullets, paragraph, picture, table
from streamclust.notebook.pictures import Pictures
from streamclust.report import in_line, inventory
from streamclust.store import Workspace, layouts_of

# The headings of the terminal in full.
_HEADINGS = {
    "PCA": "components",
    "CH": "Calinski-Harabasz",
    "DB": "Davies-Bouldin",
    "simpl. silh.": "simplified silhouette",
    "smallest": "smallest cluster",
}
# Maps of all rows, where a set has no layout on a plane.
_MAPS = ("map-discriminant", "map-pca")
_LAYOUTS = ("umap-2", "lda-2", "pca-2")
# CSS pixels; the file has twice as many, and few colours: a notebook keeps every picture.
_WIDTH = 460
_COLORS = 96


def case_html(workspace: Workspace) -> str:
    """What a results folder holds as HTML; all text is escaped.

    Parameters
    ----------
    workspace : Workspace
    """
    about = inventory(workspace)
    sets = about["descriptors"]
    if not sets:
        return paragraph(f"{workspace.folder}: no descriptor set yet")
    lines = [_with_full_headings(in_line(name, one)) for name, one in sets.items()]
    pictures = Pictures(workspace.folder)
    parts = [table(lines, str(workspace.folder)), paragraph(_rows_in_words(about))]
    for name, one in sets.items():
        maps = [pictures[file] for file in _maps(workspace, name) if file in pictures]
        parts.append(_set(name, one, maps))
    return f"<div>{''.join(parts)}</div>"


def _with_full_headings(line: dict[str, str]) -> dict[str, str]:
    return {_HEADINGS.get(heading, heading): cell for heading, cell in line.items()}


def _rows_in_words(about: dict[str, Any]) -> str:
    paths = about["paths"]
    words = "no image paths" if paths is None else f"{paths:,} image paths"
    outliers = about["outliers"]
    if outliers is None:
        return f"{words}; outliers were not looked for"
    flagged, sets = outliers["n_flagged"], ", ".join(outliers["sets"])
    return f"{words}; {flagged:,} rows flagged as outliers by {sets}"


def _maps(workspace: Workspace, set_name: str) -> list[str]:
    """Names of pictures that may show a set as it is now: layouts of rows or of a clustering that
    were replaced since are left out, though their pictures are still there."""
    layouts = [name for name in layouts_of(workspace, set_name) if name in _LAYOUTS]
    return [f"{set_name}-{name}" for name in (*layouts, *_MAPS)]


def _set(name: str, one: dict[str, Any], maps: list[Path]) -> str:
    """Why the recommended clustering of a set was chosen, and its map."""
    warnings = (f"warning: {text}" for text in one.get("warnings", ()))
    why = bullets((*one.get("reasons", ()), *warnings))
    if not why:
        return ""
    chosen = one["recommended"]
    heading = f"{name}: {chosen or 'no clustering'} recommended"
    return beside(_map(name, chosen, maps), paragraph(heading, strong=True) + why)


def _map(set_name: str, clustering: str | None, maps: list[Path]) -> str:
    """The newest layout on a plane, else a map on axes of the reduced rows, if it was drawn."""
    if clustering is None or not maps:
        return ""
    layouts = [file for file in maps if not file.stem.endswith(_MAPS)]
    shown = max(layouts, key=lambda file: file.stat().st_mtime, default=maps[0])
    png = _small(shown)
    about = f"Map of {set_name}: {caption(shown.stem)} of {clustering}"
    return picture(png, about, _WIDTH) if png else ""


def _small(file: Path) -> bytes:
    """The picture in as many pixels as are shown; nothing where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(file, formats=["PNG"]) as opened:
            width = 2 * _WIDTH
            height = max(1, round(opened.height * width / opened.width))
            small = opened.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    except (OSError, ValueError, Image.DecompressionBombError):
        return b""
    target = io.BytesIO()
    small.quantize(_COLORS).save(target, "PNG", optimize=True)
    return target.getvalue()
