"""Colours by name, of colours that have one."""

import colorsys

import numpy as np
import pytest

from streamclust.images.colour import COLOURS, body_colour, oklab

ROAD = (122, 120, 116)
PAINTS = {
    "white": (240, 240, 238),
    "silver": (172, 176, 180),
    "grey": (112, 114, 118),
    "black": (22, 22, 24),
    "red": (178, 28, 34),
    "orange": (236, 120, 30),
    "yellow": (240, 200, 40),
    "green": (34, 116, 66),
    "blue": (34, 70, 160),
    "purple": (104, 50, 140),
    "pink": (236, 120, 170),
    "brown": (100, 66, 42),
    "beige": (210, 180, 130),
}


def vehicle(paint, background=ROAD):
    """A body with a dark window and tyres before a background, with some noise."""
    pixels = np.empty((48, 64, 3))
    pixels[:] = background
    pixels[10:42, 12:52] = paint
    pixels[13:20, 18:46] = (40, 46, 54)
    pixels[38:44, 14:20] = pixels[38:44, 44:50] = (18, 18, 18)
    return (pixels + np.random.default_rng(0).normal(0, 4, pixels.shape)).clip(0, 255)


@pytest.mark.parametrize("name", PAINTS)
def test_a_painted_body_has_its_name(name):
    code, lab = body_colour(vehicle(PAINTS[name]))
    assert COLOURS[code] == name
    assert abs(lab[0] - oklab(np.divide(PAINTS[name], 255))[0]) < 0.1


def test_what_reaches_the_edge_is_background():
    green_field = (60, 120, 50)
    assert COLOURS[body_colour(vehicle(PAINTS["red"], green_field))[0]] == "red"
    assert COLOURS[body_colour(vehicle(PAINTS["white"], (60, 110, 200)))[0]] == "white"


def test_every_hue_has_a_name():
    hues = [colorsys.hsv_to_rgb(hue, 1, 0.8) for hue in np.linspace(0, 1, 360)]
    named = [COLOURS[body_colour(np.full((8, 8, 3), np.multiply(rgb, 255)))[0]] for rgb in hues]
    assert {"red", "orange", "yellow", "green", "blue", "purple"} <= set(named)
    assert not {"white", "silver", "grey", "black"} & set(named)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2)])
def test_any_shape_has_a_colour(shape):
    code, lab = body_colour(np.full((*shape, 3), 250.0))
    assert COLOURS[code] == "white"
    assert np.isfinite(lab).all()
