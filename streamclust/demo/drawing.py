"""A picture of a vehicle by a road camera, drawn with polygons at twice its size."""

import numpy as np
from PIL import Image, ImageDraw

from streamclust.demo.bodies import BODIES, Body
from streamclust.demo.cars import REARS, draw_car
from streamclust.demo.fleet import COLOURS, NO_VEHICLE, OUTLIER_KINDS, TYPES, VIEWS, Pictures
from streamclust.demo.lorries import draw_lorry
from streamclust.demo.pen import PAINTS, PLATE_FRONT, PLATE_REAR, RUBBER, SHADOW, Paint, Pen
from streamclust.demo.scenery import draw_roadside, draw_scene
from streamclust.demo.spoiling import SPOILERS

SMALLEST, LARGEST = 64, 160
OVERSAMPLING = 2


def draw_picture(pictures: Pictures, index: int, rng: np.random.Generator) -> Image.Image:
    """Draw one picture.

    Parameters
    ----------
    pictures : Pictures
        The truth of some rows.
    index : int
        Which of them to draw.
    rng : numpy.random.Generator
        Draws what the truth leaves open: the scenery and the camera's noise.

    Returns
    -------
    PIL.Image.Image
        An RGB image of SMALLEST to LARGEST pixels a side.
    """
    kind = list(TYPES)[pictures.kind[index]]
    size = _picture_size(kind, pictures, index)
    canvas = draw_scene((size[0] * OVERSAMPLING, size[1] * OVERSAMPLING), rng)
    if pictures.outlier[index] == NO_VEHICLE:
        draw_roadside(canvas, rng)
    else:
        _draw_vehicle(canvas, kind, pictures, index)
    image = canvas.resize(size, Image.Resampling.BOX)
    spoil = SPOILERS.get(OUTLIER_KINDS[pictures.outlier[index]])
    if spoil is not None:
        image = spoil(image, rng)
    return _expose(image, pictures.light[index], rng)


def _picture_size(kind: str, pictures: Pictures, index: int) -> tuple[int, int]:
    scale = float(pictures.pose[index, 0])
    width = np.clip(104 * np.exp(0.22 * scale), SMALLEST, LARGEST)
    height = np.clip(width * (0.35 + 0.36 * BODIES[kind].height), SMALLEST, LARGEST)
    return int(width), int(height)


def _draw_vehicle(canvas: Image.Image, kind: str, pictures: Pictures, index: int) -> None:
    body = BODIES[kind].jittered(pictures.build[index])
    width, height = canvas.size
    _, across, up, lean = (float(value) for value in np.clip(pictures.pose[index], -2, 2))
    pen = Pen(
        draw=ImageDraw.Draw(canvas),
        centre=width * (0.5 + 0.015 * across),
        ground=height * (0.94 + 0.012 * up),
        unit=min(0.415 * width, 0.87 * height / body.height) * (1 + 0.02 * up),
        lean=0.03 * lean,
    )
    shade = PAINTS[list(COLOURS)[pictures.colour[index]]]
    paint = Paint.mixed(shade, pictures.build[index])
    _draw_body(pen, body, paint, kind, front=VIEWS[pictures.view[index]] == "front")


def _draw_body(pen: Pen, body: Body, paint: Paint, kind: str, *, front: bool) -> None:
    """Draw shadow and wheels, the body above them, and its plate."""
    pen.draw.ellipse((*pen.at(-1.14, 0.10), *pen.at(1.14, -0.12)), SHADOW)
    pen.boxes(0.78, -0.02, 0.34, 2.6 * body.wheel, RUBBER)
    pen.box(0, body.sill * 0.7, 1.4, body.sill * 0.6, RUBBER)
    draw = draw_car if kind in REARS else draw_lorry
    draw(pen, body, paint, kind, front)
    plate = PLATE_FRONT if front else PLATE_REAR
    pen.box(0, body.sill + (0.10 if front else 0.24), 0.46, 0.13, plate)


def _expose(image: Image.Image, light: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Apply the hour of the day (how bright, how warm) and the sensor's noise."""
    bright, warm = np.exp(0.11 * np.clip(light[0], -2, 2)), 0.035 * np.clip(light[1], -2, 2)
    gain = bright * np.array([1 + warm, 1, 1 - warm], dtype=np.float32)
    pixels = np.asarray(image, dtype=np.float32) * gain
    pixels += 3 * rng.standard_normal(pixels.shape[:2], dtype=np.float32)[..., np.newaxis]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
