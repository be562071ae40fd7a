"""What stands around the vehicle: a road under a sky, or a roadside without any vehicle."""

import numpy as np
from PIL import Image, ImageDraw

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
