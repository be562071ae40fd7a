"""What drawing outliers takes, and images that cannot be drawn."""

import subprocess
import sys

import numpy as np
import pytest

from streamclust.figures.files import FIGURE_BYTES
from streamclust.images.archive import ImageStore
from streamclust.images.image_place import MOST_BYTES
from streamclust.images.pixels import PEAK_BYTES
from streamclust.outliers.plots import DrawOutliers, image_or_problem
from streamclust.passes import Rows, Shape
from streamclust.planning import ExpectedShapes
from streamclust.settings import Settings


def test_the_need_covers_a_figure_or_an_image_and_grows_with_rows():
    few, many = (
        DrawOutliers().needs(
            ExpectedShapes({"a": Rows(Shape((n_rows, 8), np.float32))}, Settings())
        )[0]
        for n_rows in (1, 10**6)
    )
    assert few.smallest >= max(FIGURE_BYTES, PEAK_BYTES + MOST_BYTES)
    assert many.smallest > few.smallest


def test_planning_draws_nothing():
    code = "import sys, streamclust.planning; print('matplotlib' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


@pytest.mark.parametrize(
    ("path", "problem"),
    [("none.jpg", "missing"), ("//etc/hostname", "missing"), ("large.tif", "too large")],
)
def test_a_tile_says_what_is_wrong_with_its_file(tmp_path, path, problem):
    with open(tmp_path / "large.tif", "wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert image_or_problem(ImageStore(tmp_path), path) == (None, problem)
