"""Layouts, ways to place all rows on a plane or in space, one module each, found by name.

To add one, write a module with a class that is a `Layout` (see `base`) and an instance of it called
``LAYOUT``, and enter its name in
`streamclust.settings.LAYOUTS`.
"""

from importlib import import_module

from streamclust.errors import SettingsError
from streamclust.layouts.base import Fitted, Known, Layout, Placement
from streamclust.settings import LAYOUTS

__all__ = ["DIMENSIONS", "Fitted", "Known", "Layout", "Placement", "load_layout"]

DIMENSIONS = (2, 3)


def load_layout(name: str) -> Layout:
    """The layout of this name; its module is imported now.

    Raises
    ------
    SettingsError
        When there is none.
    """
    if name not in LAYOUTS:
        raise SettingsError(f"no layout is called {name}: choose from {', '.join(LAYOUTS)}")
    return import_module(f"streamclust.layouts.{name}").LAYOUT
