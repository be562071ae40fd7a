"""Pen and paint: shapes in half widths of the vehicle, colours as light falls on them.

x runs from −1 (left side of the vehicle) to 1 (right side), y upwards from the road.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

PAINTS: dict[str, Colour] = {
    "white": (236, 236, 232),
    "black": (30, 31, 34),
    "silver": (184, 189, 194),
    "grey": (108, 111, 116),
    "red": (178, 28, 34),
    "blue": (34, 70, 160),
    "brown": (104, 68, 42),
    "yellow": (236, 190, 30),
    "green": (34, 116, 66),
    "orange": (232, 112, 24),
}
GLASS = (38, 48, 58)
REAR_GLASS = (26, 30, 36)
GLINT = (122, 142, 158)
RUBBER = (20, 20, 22)
TRIM = (34, 35, 38)
CHROME = (190, 194, 198)
HEADLIGHT = (255, 248, 214)
LAMP_RIM = (150, 154, 160)
TAIL_LIGHT = (206, 22, 26)
INDICATOR = (244, 142, 30)
PLATE_FRONT = (52, 92, 196)
PLATE_REAR = (238, 206, 60)
SHADOW = (46, 46, 50)


@dataclass(frozen=True)
class Paint:
    """A paint in the light: as it is, turned to the sky, and turned to the road."""

    base: Colour
    lit: Colour
    shaded: Colour

    @classmethod
    def mixed(cls, colour: Colour, build: np.ndarray) -> Self:
        """One vehicle's own mixture of a paint."""
        tint = 1 + 0.05 * np.clip(build[3], -2, 2) + 0.025 * np.clip(build[3:6], -2, 2)
        own = np.asarray(colour) * tint
        return cls(_rgb(own), _rgb(0.82 * own + 50), _rgb(0.68 * own))


def _rgb(values: np.ndarray) -> Colour:
    red, green, blue = np.clip(values, 0, 255).astype(int).tolist()
    return red, green, blue


@dataclass(frozen=True)
class Pen:
    """Draws in half widths of the vehicle."""

    draw: ImageDraw.ImageDraw
    centre: float
    ground: float
    unit: float
    lean: float

    def at(self, x: float, y: float) -> Point:
        """The pixel of a place on the vehicle."""
        return self.centre + self.unit * (x + self.lean * y), self.ground - self.unit * y

    def shape(self, points: Iterable[Point], fill: Colour) -> None:
        """A polygon."""
        self.draw.polygon([self.at(x, y) for x, y in points], fill)

    def hull(self, low: Point, high: Point, fill: Colour) -> None:
        """A symmetric trapezoid: (half width, height) of its lower and upper edge."""
        (wide, bottom), (narrow, top) = low, high
        self.shape([(-wide, bottom), (wide, bottom), (narrow, top), (-narrow, top)], fill)

    def pair(self, points: list[Point], fill: Colour) -> None:
        """A polygon and its mirror image."""
        self.shape(points, fill)
        self.shape([(-x, y) for x, y in points], fill)

    def box(self, x: float, low: float, width: float, height: float, fill: Colour) -> None:
        """A box with rounded corners, centred on x."""
        middle, _ = self.at(x, low + height / 2)
        left, right = middle - self.unit * width / 2, middle + self.unit * width / 2
        _, top = self.at(x, low + height)
        _, bottom = self.at(x, low)
        corner = int(min(0.22 * min(right - left, bottom - top), 0.1 * self.unit))
        if corner > 0:
            self.draw.rounded_rectangle((left, top, right, bottom), corner, fill)
        else:
            self.draw.rectangle((left, top, right, bottom), fill)

    def boxes(self, x: float, low: float, width: float, height: float, fill: Colour) -> None:
        """A box on either side."""
        self.box(x, low, width, height, fill)
        self.box(-x, low, width, height, fill)

    def disc(
        self, x: float, y: float, radius: float, fill: Colour, rim: Colour | None = None
    ) -> None:
        """A disc, with a rim if one is given."""
        x, y = self.at(x, y)
        reach = self.unit * radius
        corners = (x - reach, y - reach, x + reach, y + reach)
        self.draw.ellipse(corners, fill, rim, max(1, int(0.05 * self.unit)))
