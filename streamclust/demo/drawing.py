"""Pictures by a road camera, drawn with polygons at twice their size: a vehicle on a road or none,
and how a picture goes wrong, against the sun, out of focus, or without light."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from streamclust.demo.fleet import COLOURS, NO_VEHICLE, OUTLIER_KINDS, TYPES, VIEWS, DrawnPictures
from streamclust.demo.vehicles import (
    BODIES,
    PAINTS,
    PLATE_FRONT,
    PLATE_REAR,
    REARS,
    RUBBER,
    SHADOW,
    Body,
    Paint,
    Pen,
    draw_car,
    draw_lorry,
)

SKIES = ((176, 196, 214), (150, 176, 206), (188, 190, 192), (206, 196, 184))
GREENS = ((84, 104, 70), (70, 92, 74), (104, 110, 80), (112, 104, 96))


def draw_scene(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Draw an empty road: sky, verge and asphalt with its lane marks."""
    width, height = size
    horizon = rng.uniform(0.10, 0.30)
    tone = rng.uniform(88, 138)
    sky = np.array(SKIES[rng.integers(len(SKIES))])
    asphalt = tone + np.array([rng.uniform(-3, 4), 0.0, rng.uniform(-4, 5)])

    depth = np.linspace(0, 1, height)
    below = np.clip((depth - horizon) / (1 - horizon), 0, 1)
    rows = np.where(
        (depth < horizon)[:, np.newaxis],
        sky * (0.92 + 0.12 * depth / horizon)[:, np.newaxis],
        asphalt * (0.86 + 0.2 * below)[:, np.newaxis],
    )
    grain = rng.normal(0, 3, (height // 4 + 1, width // 4 + 1)).repeat(4, 0).repeat(4, 1)
    pixels = rows[:, np.newaxis, :] + grain[:height, :width, np.newaxis]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    _draw_verge(ImageDraw.Draw(image), size, horizon * height, rng)
    _draw_lanes(ImageDraw.Draw(image), size, horizon * height, rng)
    return image


def draw_roadside(image: Image.Image, rng: np.random.Generator) -> None:
    """Draw what a camera that fired for nothing sees: a zebra crossing, a sign or a bush."""
    draw = ImageDraw.Draw(image)
    width, height = image.size
    left = width * rng.uniform(0.25, 0.55)
    match rng.integers(3):
        case 0:
            for stripe in range(6):
                x = width * (0.04 + 0.16 * stripe)
                draw.rectangle((x, height * 0.6, x + width * 0.09, height * 0.88), "#d9d9d4")
        case 1:
            draw.rectangle((left, height * 0.3, left + width * 0.03, height * 0.95), "#7c8084")
            disc = (left - width * 0.12, height * 0.1, left + width * 0.15, height * 0.38)
            draw.ellipse(disc, "#f1f1ee", outline="#b51f24", width=max(2, width // 30))
        case _:
            for _ in range(14):
                x, y = left + width * rng.normal(0, 0.12), height * rng.normal(0.62, 0.09)
                r = width * rng.uniform(0.06, 0.13)
                leaf = tuple(int(value) for value in np.array((62, 96, 52)) * rng.uniform(0.7, 1.2))
                draw.ellipse((x - r, y - r, x + r, y + r), leaf)


def _draw_verge(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], horizon: float, rng: np.random.Generator
) -> None:
    width, _ = size
    green = GREENS[rng.integers(len(GREENS))]
    edges = np.linspace(0, width, 9)
    for left, right, share in zip(edges, edges[1:], rng.uniform(0.1, 0.7, 8), strict=False):
        draw.rectangle((left, horizon * (1 - share), right, horizon), green)


def _draw_lanes(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], horizon: float, rng: np.random.Generator
) -> None:
    """Two lane marks that meet far away, one of them dashed."""
    width, height = size
    vanishing = width * rng.uniform(0.35, 0.65)
    mark = (214, 212, 204)
    for foot, dashes in ((rng.uniform(-0.15, 0.1), 1), (rng.uniform(0.9, 1.15), 3)):
        for dash in range(dashes):
            near, far = 1 - dash / dashes, 1 - (dash + 0.55) / dashes if dashes > 1 else 0.0
            y_near, y_far = (horizon + (height - horizon) * part for part in (near, far))
            x_near, x_far = (vanishing + (foot * width - vanishing) * part for part in (near, far))
            thick, thin = 0.03 * width * near, 0.03 * width * far
            draw.polygon(
                [(x_near, y_near), (x_near + thick, y_near), (x_far + thin, y_far), (x_far, y_far)],
                mark,
            )


def glare(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Flood the picture with light that fades from a bright spot."""
    width, height = image.size
    across, down = rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.6)
    x = np.linspace(0, 1, width) - across
    y = np.linspace(0, 1, height)[:, np.newaxis] - down
    flood = 90 + 330 * np.exp(-(x * x + y * y) / rng.uniform(0.08, 0.2))
    pixels = np.asarray(image, dtype=np.float32) * 0.75 + flood[..., np.newaxis]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def blur(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Smear the picture until only blots of colour are left."""
    return image.filter(ImageFilter.GaussianBlur(image.size[0] * rng.uniform(0.07, 0.12)))


def dark(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Leave a few per cent of the light."""
    share = rng.uniform(0.03, 0.10)
    return image.point(lambda value: value * share)


SPOILERS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "glare": glare,
    "blur": blur,
    "dark": dark,
}


SMALLEST, LARGEST = 64, 160
OVERSAMPLING = 2


def draw_picture(pictures: DrawnPictures, index: int, rng: np.random.Generator) -> Image.Image:
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


def _picture_size(kind: str, pictures: DrawnPictures, index: int) -> tuple[int, int]:
    scale = float(pictures.pose[index, 0])
    width = np.clip(104 * np.exp(0.22 * scale), SMALLEST, LARGEST)
    height = np.clip(width * (0.35 + 0.36 * BODIES[kind].height), SMALLEST, LARGEST)
    return int(width), int(height)


def _draw_vehicle(canvas: Image.Image, kind: str, pictures: DrawnPictures, index: int) -> None:
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
