"""Vehicles from the front and from the rear, drawn in half widths of the vehicle.

x runs from −1 (left side of the vehicle) to 1 (right side), y upwards from the road. Colours are as
light falls on them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Body:
    """The outline of a body.

    height, belt, deck and sill are where the roof, the windows, the bonnet's (or boot's) edge
    and the bumper's lower edge lie; roof is the half width of the roof.
    """

    height: float
    belt: float
    deck: float
    sill: float
    roof: float
    wheel: float

    def jittered(self, build: np.ndarray) -> Self:
        """The same body as another make would build it."""
        size, shape, width = (float(value) for value in np.clip(build[:3], -2, 2))
        return replace(
            self,
            height=self.height * (1 + 0.02 * size),
            belt=self.belt * (1 + 0.02 * size),
            deck=self.deck * (1 + 0.02 * shape),
            roof=self.roof * (1 + 0.02 * width),
        )


BODIES = {
    "sedan": Body(height=1.56, belt=1.04, deck=0.84, sill=0.22, roof=0.60, wheel=0.16),
    "hatchback": Body(height=1.76, belt=1.06, deck=0.88, sill=0.22, roof=0.72, wheel=0.15),
    "suv": Body(height=2.00, belt=1.26, deck=1.08, sill=0.36, roof=0.78, wheel=0.21),
    "van": Body(height=2.26, belt=1.18, deck=0.98, sill=0.26, roof=0.88, wheel=0.17),
    "pickup": Body(height=1.98, belt=1.30, deck=1.16, sill=0.42, roof=0.66, wheel=0.22),
    "truck": Body(height=2.90, belt=1.24, deck=0.98, sill=0.34, roof=0.92, wheel=0.20),
    "bus": Body(height=2.62, belt=1.14, deck=0.90, sill=0.24, roof=0.95, wheel=0.18),
    "tanker": Body(height=2.60, belt=1.30, deck=1.04, sill=0.36, roof=0.80, wheel=0.20),
}


def draw_car(pen: Pen, body: Body, paint: Paint, kind: str, front: bool) -> None:
    """Draw a car above its wheels."""
    _cabin(pen, body, paint, kind, front)
    _face(pen, body, paint)
    if front:
        _grille(pen, body, kind)
        _headlights(pen, body, kind)
    else:
        REARS[kind](pen, body, paint)


def _cabin(pen: Pen, body: Body, paint: Paint, kind: str, front: bool) -> None:
    roof, top, belt = body.roof, body.height, body.belt
    pen.hull((0.90, belt - 0.04), (roof, top - 0.05), paint.base)
    pen.hull((roof, top - 0.08), (roof - 0.10, top), paint.lit)
    if kind == "suv":
        pen.pair([(roof, top - 0.04), (roof - 0.10, top - 0.02), (roof - 0.10, top + 0.05)], TRIM)
    if front or kind in ("sedan", "pickup"):
        glass = GLASS if front else REAR_GLASS
        pen.hull((0.82, belt), (roof - 0.08, top - 0.12), glass)
    if front:
        pen.shape([(0.1, belt), (0.42, belt), (0.30, top - 0.12), (0.08, top - 0.12)], GLINT)
        pen.pair(
            [(0.90, belt), (1.14, belt + 0.03), (1.12, belt + 0.19), (0.94, belt + 0.16)], TRIM
        )


def _face(pen: Pen, body: Body, paint: Paint) -> None:
    """The painted front or rear under the windows, the bumper in shade."""
    pen.hull((0.98, body.deck), (0.86, body.belt), paint.lit)
    pen.box(0, body.sill, 2.0, body.deck - body.sill + 0.05, paint.base)
    pen.box(0, body.sill, 1.94, 0.24, paint.shaded)


def _grille(pen: Pen, body: Body, kind: str) -> None:
    tall = 0.30 if kind in ("suv", "pickup") else 0.17
    low = body.deck - 0.10 - tall
    pen.box(0, low, 0.92, tall, CHROME)
    pen.box(0, low + 0.03, 0.86, tall - 0.06, TRIM)
    if tall > 0.2:
        for bar in (0.09, 0.17):
            pen.box(0, low + bar, 0.86, 0.03, CHROME)
    pen.box(0, body.sill + 0.02, 1.1, 0.09, TRIM)
    pen.boxes(0.78, body.sill + 0.06, 0.16, 0.09, LAMP_RIM)


def _headlights(pen: Pen, body: Body, kind: str) -> None:
    high = body.deck - 0.04
    if kind in ("suv", "pickup", "van"):
        pen.boxes(0.74, high - 0.30, 0.36, 0.27, LAMP_RIM)
        pen.boxes(0.74, high - 0.27, 0.30, 0.21, HEADLIGHT)
    else:
        pen.pair(
            [(0.50, high - 0.22), (0.95, high - 0.18), (0.96, high), (0.60, high - 0.06)], LAMP_RIM
        )
        pen.pair(
            [(0.55, high - 0.20), (0.91, high - 0.16), (0.92, high - 0.03), (0.62, high - 0.08)],
            HEADLIGHT,
        )


def _sedan_rear(pen: Pen, body: Body, paint: Paint) -> None:
    """A boot lid under a sloping window, wide lamps."""
    pen.box(0, body.deck - 0.34, 1.2, 0.30, paint.lit)
    pen.boxes(0.74, body.deck - 0.32, 0.44, 0.22, TAIL_LIGHT)
    pen.boxes(0.58, body.deck - 0.27, 0.10, 0.10, HEADLIGHT)


def _hatchback_rear(pen: Pen, body: Body, paint: Paint) -> None:
    """One steep door with a big window, lamps beside it."""
    pen.hull((0.76, body.belt - 0.04), (body.roof - 0.10, body.height - 0.14), REAR_GLASS)
    pen.box(0, body.belt - 0.16, 0.5, 0.04, RUBBER)
    pen.boxes(0.85, body.deck - 0.30, 0.22, 0.42, TAIL_LIGHT)


def _suv_rear(pen: Pen, body: Body, paint: Paint) -> None:
    """A spare wheel under the window, high lamps."""
    pen.hull((0.74, body.belt + 0.02), (body.roof - 0.10, body.height - 0.14), REAR_GLASS)
    pen.boxes(0.87, body.deck - 0.34, 0.18, 0.50, TAIL_LIGHT)
    pen.disc(0.0, body.deck - 0.14, 0.36, paint.shaded, RUBBER)
    pen.disc(0.0, body.deck - 0.14, 0.20, paint.base, RUBBER)


def _van_rear(pen: Pen, body: Body, paint: Paint) -> None:
    """Two wing doors with a window each, slim lamps low at the corners."""
    top = body.height - 0.16
    for side in (-1, 1):
        window = [(0.07, body.belt + 0.05), (0.74, body.belt + 0.05), (0.68, top), (0.07, top)]
        pen.shape([(side * x, y) for x, y in window], REAR_GLASS)
    pen.box(0, body.sill + 0.1, 0.05, top - body.sill, paint.shaded)
    pen.box(0.14, body.deck - 0.05, 0.12, 0.05, RUBBER)
    pen.boxes(0.91, body.deck - 0.42, 0.13, 0.56, TAIL_LIGHT)


def _pickup_rear(pen: Pen, body: Body, paint: Paint) -> None:
    """The tailgate of a load bed before a narrower cab."""
    pen.box(0, body.belt - 0.13, 1.96, 0.12, TRIM)
    pen.box(0, body.sill + 0.22, 1.48, body.belt - body.sill - 0.36, paint.lit)
    pen.box(0, body.deck - 0.32, 0.9, 0.10, paint.shaded)
    pen.boxes(0.87, body.deck - 0.48, 0.20, 0.50, TAIL_LIGHT)
    pen.box(0, body.sill, 1.96, 0.16, CHROME)


REARS = {
    "sedan": _sedan_rear,
    "hatchback": _hatchback_rear,
    "suv": _suv_rear,
    "van": _van_rear,
    "pickup": _pickup_rear,
}


def draw_lorry(pen: Pen, body: Body, paint: Paint, kind: str, front: bool) -> None:
    """Draw a large vehicle above its wheels."""
    FACES[kind, front](pen, body, paint)


def _truck_front(pen: Pen, body: Body, paint: Paint) -> None:
    """A cab before a taller box."""
    pen.box(0, 0.8, 2.0, body.height - 0.8, paint.shaded)
    pen.box(0, body.height - 0.12, 1.9, 0.08, paint.base)
    _cab(pen, body, paint, top=body.height - 0.55)


def _tanker_front(pen: Pen, body: Body, paint: Paint) -> None:
    """A cab before the round end of a tank."""
    pen.disc(0, body.height - 0.92, 0.92, paint.shaded, paint.lit)
    _cab(pen, body, paint, top=body.height - 0.50)


def _cab(pen: Pen, body: Body, paint: Paint, top: float) -> None:
    pen.hull((0.94, body.sill), (0.84, top), paint.base)
    pen.hull((0.84, top - 0.06), (0.78, top + 0.05), paint.lit)
    pen.hull((0.80, body.belt), (0.76, top - 0.16), GLASS)
    pen.shape([(0.1, body.belt), (0.4, body.belt), (0.32, top - 0.16), (0.06, top - 0.16)], GLINT)
    pen.boxes(1.04, body.belt, 0.12, 0.40, TRIM)
    pen.box(0, body.sill + 0.34, 1.0, 0.36, TRIM)
    for bar in (0.43, 0.55):
        pen.box(0, body.sill + bar, 0.94, 0.04, CHROME)
    pen.box(0, body.sill, 1.92, 0.26, paint.shaded)
    pen.boxes(0.72, body.sill + 0.05, 0.30, 0.18, LAMP_RIM)
    pen.boxes(0.70, body.sill + 0.07, 0.22, 0.14, HEADLIGHT)
    pen.boxes(0.90, body.sill + 0.07, 0.10, 0.12, INDICATOR)


def _truck_rear(pen: Pen, body: Body, paint: Paint) -> None:
    """Two tall doors with their bolts."""
    low = body.sill + 0.34
    pen.box(0, low, 2.0, body.height - low, paint.shaded)
    for side in (-0.48, 0.48):
        pen.box(side, low + 0.08, 0.90, body.height - low - 0.16, paint.base)
    for bolt in (-0.16, 0.16):
        pen.box(bolt, low + 0.05, 0.05, body.height - low - 0.1, CHROME)
    _tail(pen, body)


def _tanker_rear(pen: Pen, body: Body, paint: Paint) -> None:
    """The round end of the tank, with a ladder and a belt."""
    middle = body.height - 0.96
    pen.disc(0, middle, 0.96, paint.base, paint.shaded)
    pen.disc(0, middle + 0.08, 0.66, paint.lit, paint.shaded)
    pen.boxes(0.14, middle - 0.8, 0.05, 1.5, TRIM)
    for rung in range(6):
        pen.box(0, middle - 0.7 + 0.24 * rung, 0.3, 0.04, TRIM)
    pen.box(0, middle - 0.34, 1.7, 0.12, INDICATOR)
    _tail(pen, body)


def _tail(pen: Pen, body: Body) -> None:
    """The beam under the load with its lamps."""
    pen.box(0, body.sill + 0.12, 1.84, 0.18, TRIM)
    pen.boxes(0.76, body.sill + 0.13, 0.28, 0.15, TAIL_LIGHT)
    pen.boxes(0.54, body.sill + 0.15, 0.12, 0.11, INDICATOR)
    pen.boxes(0.66, 0.02, 0.42, 0.30, RUBBER)


def _bus_front(pen: Pen, body: Body, paint: Paint) -> None:
    """Glass nearly all over, the destination above it."""
    _coach(pen, body, paint)
    pen.box(0, body.belt, 1.80, body.height - body.belt - 0.36, GLASS)
    top = body.height - 0.42
    pen.shape([(0.2, body.belt + 0.05), (0.5, body.belt + 0.05), (0.4, top), (0.14, top)], GLINT)
    pen.box(0, body.belt + 0.03, 0.04, top - body.belt, TRIM)
    pen.box(0, body.height - 0.32, 1.2, 0.20, TRIM)
    pen.box(0, body.height - 0.27, 0.8, 0.10, INDICATOR)
    pen.boxes(1.07, body.belt + 0.5, 0.12, 0.42, TRIM)
    pen.boxes(0.76, body.sill + 0.22, 0.28, 0.18, HEADLIGHT)
    pen.boxes(0.52, body.sill + 0.24, 0.14, 0.14, LAMP_RIM)


def _bus_rear(pen: Pen, body: Body, paint: Paint) -> None:
    """A wide window high up, the engine's louvres below."""
    _coach(pen, body, paint)
    pen.box(0, body.height - 0.92, 1.66, 0.62, REAR_GLASS)
    pen.box(0, body.sill + 0.36, 1.24, 0.66, paint.shaded)
    for louvre in range(4):
        pen.box(0, body.sill + 0.42 + 0.15 * louvre, 1.12, 0.06, TRIM)
    pen.boxes(0.84, body.sill + 0.26, 0.18, 0.56, TAIL_LIGHT)
    pen.boxes(0.84, body.sill + 0.84, 0.18, 0.14, INDICATOR)


def _coach(pen: Pen, body: Body, paint: Paint) -> None:
    pen.box(0, body.sill, 2.0, body.height - body.sill, paint.base)
    pen.box(0, body.height - 0.09, 1.84, 0.09, paint.lit)
    pen.box(0, body.sill, 1.94, 0.20, paint.shaded)


FACES = {
    ("truck", True): _truck_front,
    ("truck", False): _truck_rear,
    ("tanker", True): _tanker_front,
    ("tanker", False): _tanker_rear,
    ("bus", True): _bus_front,
    ("bus", False): _bus_rear,
}
