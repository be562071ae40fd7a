"""How a picture goes wrong: against the sun, out of focus, or without light."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter


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
