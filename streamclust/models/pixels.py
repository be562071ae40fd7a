"""Measures of one image: light, contrast, detail and size, comparable between sizes.

All but the size are taken on a working copy of `SIDE`² pixels in all, so that they mean the same
for a thumbnail and for a photograph, and cost the same.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from streamclust.errors import SourceError

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
DAMAGED, TOO_LARGE = "damaged image", "image too large"
# Pixels that may be unpacked, and the memory that takes: 4 bytes each, twice where the mode is
# changed, four times in WebP's decoder. A bound for what a hostile file can make us hold.
MOST_PIXELS = 2**24
PEAK_BYTES = 8 * MOST_PIXELS

_START_OF_SCAN = b"\xff\xda"
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Octaves of detail, as shares of the side: finer than 2 % lies what a mere enlargement lacks.
_FINE, _MIDDLE, _COARSE = 0.02, 0.04, 0.08


class ImageError(SourceError):
    """An image cannot be measured; the message goes on from its path.

    Attributes
    ----------
    kind : str
        `DAMAGED` or `TOO_LARGE`.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message, kind)
        self.kind = kind

    def __str__(self) -> str:
        return str(self.args[0])


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

    A side is the square root of the image's area.

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
        be unpacked: 16 million, half of that as WebP, but an eighth of the width and height
        of a JPEG will do unless it is progressive.
    """
    (width, height), pixels = _working_copy(data)
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


def _working_copy(data: bytes) -> tuple[tuple[int, int], np.ndarray]:
    """The size in pixels, and the image as float32 RGB of about `SIDE`² pixels."""
    try:
        with _opened(data) as image:
            size = image.size
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            _check_size(size if _is_held_whole(image, data) else image.size, image.format)
            return size, np.asarray(_shrunk(image), np.float32)
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


def _check_size(size: tuple[int, int], format: str | None) -> None:
    width, height = size
    most = MOST_PIXELS // 2 if format == "WEBP" else MOST_PIXELS
    if width * height > most:
        raise ImageError(
            f"has {width} × {height} pixels, more than {most:,}: save it smaller, or as a JPEG "
            "that is not progressive",
            TOO_LARGE,
        )


def _shrunk(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    scale = SIDE / (image.width * image.height) ** 0.5
    size = tuple(max(1, round(side * scale)) for side in image.size)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return image.resize(size, Image.Resampling.BILINEAR)
