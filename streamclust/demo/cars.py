"""Cars from the front and from the rear: sedan, hatchback, SUV, van and pickup."""

from streamclust.demo.bodies import Body
from streamclust.demo.pen import (
    CHROME,
    GLASS,
    GLINT,
    HEADLIGHT,
    LAMP_RIM,
    REAR_GLASS,
    RUBBER,
    TAIL_LIGHT,
    TRIM,
    Paint,
    Pen,
)


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
