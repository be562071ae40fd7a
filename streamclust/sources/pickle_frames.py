"""Data frames in pickles, as pandas 1 to 3 write them: their blocks are arrays column by column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamclust.errors import SourceError
from streamclust.sources.base import ArraySource
from streamclust.sources.pickle_items import Global

FRAME_GLOBALS: set[Global] = set()


@dataclass(eq=False)
class Made:
    """What a call stands for, and the state that it got."""

    target: Global
    arguments: tuple[Any, ...]
    state: object = None


def frame_of(path: Path, made: Made, stored: Callable[..., Any]) -> ArraySource:
    raise SourceError(f"{path}: no frames yet")
