"""Figures as dots, for tests that look at none."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from matplotlib.figure import Figure
from PIL import Image

# What each run draws of each set; laid out alone, it takes a fifth of a short job.
OF_EACH_SET = ("curves.variance_curve", "curves.metric_curves", "density.density_map")


@contextmanager
def dots_for_figures() -> Iterator[None]:
    """Each figure is saved as a single dot; those of each set are not even laid out.

    To draw them takes half of a short job; tests of figures and of whole runs do it.
    """

    def save_dot(file, *_, **__):
        Image.new("L", (1, 1)).save(file, "PNG")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda self, file, **_: save_dot(file))
        for draw in OF_EACH_SET:
            patch.setattr(f"streamclust.figures.{draw}", save_dot)
        yield
