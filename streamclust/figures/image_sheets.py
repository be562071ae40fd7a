"""A sheet of small images with captions: what the suspects look like."""

import math
import textwrap
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from streamclust.errors import ImageError
from streamclust.figures.canvas import (
    DPI,
    INK,
    MARK,
    QUIET,
    new_figure,
    printable,
    save_png,
    title_lines,
    write,
    write_title,
)
from streamclust.images import averageable, grey_levels, open_bounded, upright

COLUMNS, MOST_TILES = 8, 48
TILE = 192  # pixels of an image's longer side
GAP, CAPTION, MARGIN = 16, 82, 24  # pixels
HEAD, TITLE_LINE = 66, 24  # pixels
LONGEST_PATH, LONGEST_LINE = 26, 28  # characters that fit below a tile

_EMPTY, _GROUND, _PAGE = 0xD5, 0xF1, 0xFF


@dataclass(frozen=True)
class Tile:
    """An image of the sheet, and what to write below it.

    Attributes
    ----------
    path : str
    score : float
        NaN if there is none.
    reason : str
        In words; may be empty.
    data : bytes or None
        The image file.
    problem : str
        Why there is no image, if `data` is None: one or two words.
    is_flagged : bool
        Whether the score is written in red.
    """

    path: str
    score: float
    reason: str = ""
    data: bytes | None = None
    problem: str = "missing"
    is_flagged: bool = True


def contact_sheet(path: Path, tiles: Iterable[Tile], title: str, subtitle: str = "") -> None:
    """Draw images in the order given, with path, score and reason below each.

    Images are decoded one at a time, so `tiles` may be a generator that reads them: beyond some
    20 MiB for the sheet, one image is held, of `streamclust.images.pixels.PEAK_BYTES` at most.

    Parameters
    ----------
    path : Path
        The PNG to write.
    tiles : iterable of Tile
        Those after the first `MOST_TILES` are not asked for. An image that is missing, damaged,
        too large or unsupported is a grey tile that says so.
    title, subtitle : str
    """
    shown = [_shown(tile) for tile in islice(tiles, MOST_TILES)]
    head = HEAD + TITLE_LINE * len(title_lines(title))
    n_lines = max(1, -(-len(shown) // COLUMNS))
    width = 2 * MARGIN + COLUMNS * (TILE + GAP) - GAP
    height = head + n_lines * (TILE + CAPTION) + MARGIN
    figure = new_figure(width / DPI, height / DPI)
    for number, (tile, picture) in enumerate(shown):
        line, column = divmod(number, COLUMNS)
        left, top = MARGIN + column * (TILE + GAP), head + line * (TILE + CAPTION)
        # One by one: matplotlib takes a hundred bytes a pixel for the time it draws an image.
        figure.figimage(_framed(picture), left - 1, height - top - TILE - 1)
        _caption(figure, tile, (left, top), (width, height))
    write_title(figure, title, MARGIN / width, 1 - 16 / height)
    words: dict[str, Any] = {"size": 9.5, "color": QUIET, "va": "bottom"}
    text = printable(subtitle) if shown else "No images."
    write(figure, MARGIN / width, 1 - (head - 16) / height, text, **words)
    save_png(figure, path)


def thumbnail(data: bytes, longest: int) -> np.ndarray:
    """Decode an image, upright, and bring its longer side to `longest` pixels.

    Parameters
    ----------
    data : bytes
        An image file that `measure_image` can measure.
    longest : int

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)

    Raises
    ------
    ValueError
        "damaged", "too large" or "unsupported", where `measure_image` says so.
    """
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            open_bounded(data, 2 * longest) as (_, image),
        ):
            scale = longest / max(image.size)
            size = (max(1, round(scale * image.width)), max(1, round(scale * image.height)))
            whole = averageable(image)
            if whole.mode in ("I", "F"):
                levels = np.asarray(whole.resize(size, _filter(scale)), np.float32)
                return upright(grey_levels(levels, whole).astype(np.uint8), image)
            flat = _flat(whole.resize(size, _filter(scale), reducing_gap=2.0))
            return upright(np.asarray(flat), image)
    except ImageError as error:
        raise ValueError(error.kind.replace("image", "").strip()) from error


def shortened(path: str, longest: int = LONGEST_PATH) -> str:
    """Leave out the middle of a path; its end, which tells images apart, is kept.

    >>> shortened("veriwild/1/00001/000003.jpg", 20)
    'veriw…01/000003.jpg'
    """
    if len(path) <= longest:
        return path
    head = (longest - 1) // 4
    return f"{path[:head]}…{path[len(path) - (longest - 1 - head) :]}"


def _filter(scale: float) -> Image.Resampling:
    return Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC


def _flat(image: Image.Image) -> Image.Image:
    """In RGB; what is transparent is shown on the page's white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (_PAGE,) * 4)
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _shown(tile: Tile) -> tuple[Tile, np.ndarray]:
    """The tile without its file, and its pixels; `problem` is empty where there are some."""
    problem = tile.problem
    if tile.data is not None:
        try:
            return replace(tile, data=None, problem=""), thumbnail(tile.data, TILE)
        except ValueError as error:
            problem = str(error)
    grey = np.full((TILE, TILE, 3), _EMPTY, np.uint8)
    return replace(tile, data=None, problem=problem), grey


def _framed(picture: np.ndarray) -> np.ndarray:
    """Put a picture in the middle of a square in a thin frame: it may be white itself."""
    square = np.full((TILE + 2, TILE + 2, 3), _EMPTY, np.uint8)
    square[1:-1, 1:-1] = _GROUND
    height, width = picture.shape[:2]
    y, x = 1 + (TILE - height) // 2, 1 + (TILE - width) // 2
    square[y : y + height, x : x + width] = picture
    return square


def _caption(figure: Figure, tile: Tile, at: tuple[int, int], sheet: tuple[int, int]) -> None:
    """Write path, score and reason below a tile, and its problem on it.

    `at` is its upper left corner and `sheet` the width and height of all, in pixels.
    """
    (left, top), (width, height) = at, sheet
    score = "no score" if math.isnan(tile.score) else f"{tile.score:.4g}"
    reason = textwrap.wrap(printable(tile.reason), LONGEST_LINE, max_lines=2, placeholder=" …")
    lines: list[tuple[str, dict[str, Any]]] = [
        (printable(shortened(tile.path)), {"color": QUIET}),
        (score, {"color": MARK if tile.is_flagged else QUIET, "weight": "bold"}),
        *((line, {"color": INK}) for line in reason),
    ]
    for number, (text, style) in enumerate(lines):
        below = top + TILE + 5 + 17 * number
        write(figure, left / width, 1 - below / height, text, size=6.2, va="top", **style)
    middle: dict[str, Any] = {"ha": "center", "va": "center", "size": 9}
    x, y = (left + TILE / 2) / width, 1 - (top + TILE / 2) / height
    write(figure, x, y, printable(tile.problem), **middle)
