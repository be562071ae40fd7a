"""Figures as dots, for tests that look at none."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from matplotlib.figure import Figure
from PIL import Image


@contextmanager
def dots_for_figures() -> Iterator[None]:
    """Figures are made and saved, but each as a single dot.

    To render them takes a third of a short job; tests of figures and of whole runs do it.
    """
    with pytest.MonkeyPatch.context() as patch:
        dot = Image.new("L", (1, 1))
        patch.setattr(Figure, "savefig", lambda self, file, **_: dot.save(file, "PNG"))
        yield
