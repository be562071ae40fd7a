"""Measures of one image: light, contrast, detail and size, comparable between sizes.

All but the size are taken on a working copy of `SIDE`² pixels in all, so that they mean the same
for a thumbnail and for a photograph, and cost the same.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from streamclust.errors import DAMAGED, TOO_LARGE, ImageError

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

MEASURES = (
    "saturated",
    "white_disc",
    "brightness",
    "highlights",
    "contrast",
    "detail",
    "entropy",
    "width",
    "height",
    "aspect",
)
SIDE = 64
# A pixel is saturated this close to the image's white level (JPEG does not keep 255 exactly),
# and a level below the least is none: nothing in the image is white.
_WHITE_MARGIN, _LEAST_WHITE = 10, 200
_MID_GREY = 128
# Pixels that may be unpacked, and the memory that takes: 4 bytes each, twice where the mode is
# changed, four times in WebP's decoder. A bound for what a hostile file can make us hold.
MOST_PIXELS = 2**24
PEAK_BYTES = 8 * MOST_PIXELS

_START_OF_SCAN = b"\xff\xda"
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Octaves of detail, as shares of the side: finer than 2 % lies what a mere enlargement lacks.
_FINE, _MIDDLE, _COARSE = 0.02, 0.04, 0.08


def measure_image(data: bytes) -> np.ndarray:
    """Measure an image file.

    ============ ===================================================================
    saturated    share of pixels at the image's white level in all channels
    white_disc   radius of the largest saturated disc, in sides: glare is one round
                 flood of light, while a white background is cut up by what stands on it
    brightness   mean luma (ITU-R BT.601), 0 to 255
    highlights   luma that 95 % of the pixels stay below
    contrast     standard deviation of luma
    detail       see `detail`
    entropy      of the histogram of luma in 256 bins, in bits
    width,       pixels of the file
    height
    aspect       width / height
    ============ ===================================================================

    A side is the square root of the image's area. Values of more than 8 bits, and floats, are
    taken on the scale of `_white_level`; what is transparent is mid-grey, neither dark nor light.

    Parameters
    ----------
    data : bytes
        A JPEG, PNG, BMP, GIF, TIFF, WebP or PPM file.

    Returns
    -------
    ndarray of shape (len(MEASURES),), float32
        In the order of `MEASURES`.

    Raises
    ------
    ImageError
        If the data are no such file, or cut short, or more than `MOST_PIXELS` would have to
        be unpacked: 16 million, half of that as WebP or with a transparent colour, but an
        eighth of the width and height of a JPEG will do unless it is progressive. The message
        goes on from the image's path.
    """
    return measure_picture(*small_picture(data))


def small_picture(data: bytes) -> tuple[tuple[int, int], np.ndarray]:
    """Decode an image file as `measure_image` does.

    Returns
    -------
    size : tuple of int
        Width and height in the file.
    pixels : ndarray of shape (height, width, 3), float32
        The working copy, of about `SIDE`² pixels: RGB, 0 to 255.
    """
    with open_bounded(data, 2 * SIDE) as (size, image):
        return size, _shrunk(image)


def measure_picture(size: tuple[int, int], pixels: np.ndarray) -> np.ndarray:
    """The measures of `measure_image`, of what `small_picture` gives."""
    width, height = size
    luma = pixels @ _LUMA
    saturated = _saturated(pixels)
    measures = (
        saturated.mean(),
        _white_disc(saturated),
        luma.mean(),
        np.percentile(luma, 95),
        luma.std(),
        detail(luma),
        _entropy(luma),
        width,
        height,
        width / height,
    )
    return np.array(measures, np.float32)


def detail(luma: np.ndarray) -> float:
    """Sharpness without regard to size and contrast: fine detail over coarser detail.

    The energies of two neighbouring octaves of a difference-of-Gaussians pyramid (Burt &
    Adelson 1983), 2 to 4 % and 4 to 8 % of the side, as a logarithm to base 10 of their
    ratio. Natural scenes hold equal energy in every octave (Field 1987), hence values near 0
    at any size and contrast; an image that was blurred, or enlarged from a few pixels, lacks
    the finer one.

    Parameters
    ----------
    luma : ndarray of shape (height, width)
        0 to 255.
    """
    from scipy.ndimage import gaussian_filter

    side = float(np.sqrt(luma.size))
    fine, middle, coarse = (
        gaussian_filter(luma, share * side, mode="nearest", truncate=3.0)
        for share in (_FINE, _MIDDLE, _COARSE)
    )
    # The rounding of grey levels is no detail: on a plain image the ratio must not be chance.
    finer = float(np.square(fine - middle).mean()) + 0.02
    coarser = float(np.square(middle - coarse).mean()) + 0.02
    return float(np.log10(finer / coarser))


def _saturated(pixels: np.ndarray) -> np.ndarray:
    """Pixels at the white level: that of the image, as many a camera's is below 255."""
    white = np.percentile(pixels.reshape(-1, 3), 99, axis=0)
    if white.min() < _LEAST_WHITE:
        return np.zeros(pixels.shape[:2], bool)
    return (pixels >= white - _WHITE_MARGIN).all(axis=2)


def _white_disc(saturated: np.ndarray) -> float:
    from scipy.ndimage import distance_transform_edt

    if not saturated.any():
        return 0.0
    return float(distance_transform_edt(np.pad(saturated, 1)).max() / np.sqrt(saturated.size))


def _entropy(luma: np.ndarray) -> float:
    shares = np.bincount(luma.astype(np.uint8).ravel(), minlength=256) / luma.size
    shares = shares[shares > 0]
    return float((shares * np.log2(1 / shares)).sum())


@contextmanager
def open_bounded(data: bytes, side: int) -> Iterator[tuple[tuple[int, int], ImageFile]]:
    """Open an image that can be decoded, and its mode changed once, within `PEAK_BYTES`.

    Parameters
    ----------
    data : bytes
        A JPEG, PNG, BMP, GIF, TIFF, WebP or PPM file.
    side : int
        Pixels that are wanted of its shorter side: a JPEG is decoded to an eighth, a quarter or
        half of its size where that leaves as many.

    Yields
    ------
    size : tuple of int
        Width and height in the file.
    image : PIL.ImageFile.ImageFile
        Not decoded yet.

    Raises
    ------
    ImageError
        As `measure_image`, and for whatever decoding it raises in the block.
    """
    try:
        with _opened(data) as image:
            size = image.size
            image.draft("RGB", (side, side))
            _check_size(size if _is_held_whole(image, data) else image.size, image)
            yield size, image
    except ImageError:
        raise
    # Pillow's readers raise whatever they stumble over in a damaged file.
    except Exception as error:
        raise ImageError(f"is damaged ({error}): copy it again", DAMAGED) from error


def _opened(data: bytes) -> ImageFile:
    """Read the header only; `Image.open` would warn of large images, and read more formats."""
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile

    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(io.BytesIO(data))
    Image.init()
    for name in _FORMATS[1:]:
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(data[:16]) is True:
            return factory(io.BytesIO(data), "")
    raise ImageError(f"is no image: save it as one of {', '.join(_FORMATS)}", DAMAGED)


def _is_held_whole(image: ImageFile, data: bytes) -> bool:
    """Tell whether a JPEG's scans must all be read before any of it can be shrunk."""
    if image.format != "JPEG" or "progressive" in image.info:
        return True
    place = 2
    while place + 4 < len(data):
        if data[place : place + 2] == _START_OF_SCAN:
            return data[place + 4] < image.layers  # type: ignore[attr-defined]
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return True


def _check_size(size: tuple[int, int], image: Image.Image) -> None:
    width, height = size
    twice = image.format == "WEBP" or image.mode == "PA" or "transparency" in image.info
    most = MOST_PIXELS // 2 if twice else MOST_PIXELS
    if width * height > most:
        raise ImageError(
            f"has {width} × {height} pixels, more than {most:,}: save it smaller, or as a JPEG "
            "that is not progressive",
            TOO_LARGE,
        )


def _shrunk(image: Image.Image) -> np.ndarray:
    """RGB, 0 to 255, of about `SIDE`² pixels."""
    from PIL.Image import Resampling

    scale = SIDE / (image.width * image.height) ** 0.5
    width, height = (max(1, round(side * scale)) for side in image.size)
    whole = averageable(image)
    small = whole.resize((width, height), Resampling.BILINEAR)
    if whole.mode in ("I", "F"):
        return grey_levels(np.asarray(small, np.float32), whole)
    return _on_grey(np.asarray(small.convert("RGBA"), np.float32))


def averageable(image: Image.Image) -> Image.Image:
    """An image in a mode in which pixels can be averaged; no copy where it is in one."""
    if image.mode in ("L", "LA", "RGB", "RGBA", "I", "F") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return image.convert("I")
    return image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")


def _on_grey(pixels: np.ndarray) -> np.ndarray:
    opaque = pixels[..., 3:] / 255
    return pixels[..., :3] * opaque + _MID_GREY * (1 - opaque)


def grey_levels(values: np.ndarray, image: Image.Image) -> np.ndarray:
    """Values of more than 8 bits, or floats, as grey RGB of 0 to 255, by the white of the image
    in mode I or F that they are from."""
    high = float(image.getextrema()[1])  # type: ignore[arg-type]
    if not math.isfinite(high):
        high = float(values.max(where=np.isfinite(values), initial=0))
    grey = np.nan_to_num(values / _white_level(high, image.mode), posinf=1, neginf=0)
    return np.repeat(255 * grey.clip(0, 1)[..., np.newaxis], 3, axis=2)


def _white_level(high: float, mode: str) -> float:
    """White of an image with the largest value `high`, of ints (mode I) or floats (F).

    Sensors of 10, 12 or 14 bits write 16, and the file does not say so: white is that of the
    fewest bits, of these or 8, that hold `high`. A picture darker than a quarter of its range is
    therefore taken for a brighter one of fewer bits. Floats go up to 1, or a little beyond where
    they were interpolated, or else as ints do.
    """
    if mode == "F" and high < 2:
        return max(1.0, high)
    bits = max(8, math.ceil(high).bit_length())
    return float((1 << (bits if bits > 16 else bits + bits % 2)) - 1)
