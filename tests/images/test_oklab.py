"""OKLab against the values that others publish."""

import numpy as np

from streamclust.images.colour import oklab, srgb


def test_oklab_of_colours_that_ottosson_gives():
    """From the table of XYZ and OKLab pairs: white, and the sRGB primaries as CSS Color 4 has
    them."""
    told = oklab(np.array([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    known = [
        [1.0, 0.0, 0.0],
        [0.62796, 0.22486, 0.12585],
        [0.86644, -0.23389, 0.17950],
        [0.45201, -0.03246, -0.31153],
    ]
    np.testing.assert_allclose(told, known, atol=2e-5)


def test_srgb_takes_oklab_back():
    rgb = np.random.default_rng(0).random((50, 3))
    np.testing.assert_allclose(srgb(oklab(rgb)), rgb, atol=1e-6)
