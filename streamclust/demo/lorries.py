"""Large vehicles from the front and from the rear: truck, tanker and bus."""

from streamclust.demo.bodies import Body
from streamclust.demo.pen import (
    CHROME,
    GLASS,
    GLINT,
    HEADLIGHT,
    INDICATOR,
    LAMP_RIM,
    REAR_GLASS,
    RUBBER,
    TAIL_LIGHT,
    TRIM,
    Paint,
    Pen,
)


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
