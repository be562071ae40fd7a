"""Measures of one image: light, contrast, detail and size, comparable between sizes.

All but the size are taken on a working copy of `SIDE`² pixels in all, so that they mean the same
for a thumbnail and for a photograph, and cost the same.
"""

from __future__ import annotations

import io
import logging
import math
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from streamclust.errors import DAMAGED, TOO_LARGE, UNSUPPORTED, ImageError

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

# What is wrong with an image is told with its row; Pillow would print it, of no row, besides.
logging.getLogger("PIL").addHandler(logging.NullHandler())

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
# Each line of pixels takes some bytes of its own, which count where it is but a few pixels long.
MOST_SIDE = 2**16 - 1
# Each goes over all pixels, however few bytes it has. Encoders write 10, and hardly more than 20.
MOST_SCANS = 100

_START_OF_SCAN = b"\xff\xda"
# Neither data of a scan, nor a restart in them, nor a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_END_OF_IMAGE = b"\xff\xd9"
# Of a JPEG that is walked: none of its segments takes long, but a file has room for millions.
_MOST_SEGMENTS = 10_000
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
# Pictures that are in order but are not read, by what their files begin with. Decoders of AVIF and
# JPEG 2000, where Pillow has them, unpack what a frame inside says, which may be far more than the
# file does.
_UNREAD = (
    ("AVIF", re.compile(rb".{4}ftyp(avi[fs]|mif1.{4}(.{4})?avif)", re.DOTALL)),
    ("HEIF", re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL)),
    ("JPEG 2000", re.compile(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51")),
    ("JPEG XL", re.compile(rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a")),
    ("PSD", re.compile(rb"8BPS")),
    ("SVG", re.compile(rb"(\xef\xbb\xbf)?\s*<(svg|[!?][^\0]*<svg)\b")),
)
_TILE_SIDES = (322, 323)
_ORIENTATION, _SHORT = 0x0112, 3
# How pixels are brought upright, by what EXIF says of the camera.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, 3),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
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
    width,       pixels of the file, as the picture is shown
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
        If the data are no such file, or cut short, or of another format, or more than
        `MOST_PIXELS` would have to be unpacked: 16 million, half of that as WebP or with a
        transparent colour, but an eighth of the width and height of a JPEG will do unless it is
        progressive; or if a side has more than `MOST_SIDE` pixels, or a JPEG more than
        `MOST_SCANS` scans. The message goes on from the image's path.
    """
    return measure_picture(*small_picture(data))


def small_picture(data: bytes) -> tuple[tuple[int, int], np.ndarray]:
    """Decode an image file as `measure_image` does.

    Returns
    -------
    size : tuple of int
        Width and height in the file, as the picture is shown.
    pixels : ndarray of shape (height, width, 3), float32
        The working copy, of about `SIDE`² pixels: RGB, 0 to 255; upright.
    """
    with open_bounded(data, 2 * SIDE) as (size, image):
        return size, upright(_shrunk(image), image)


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
        Width and height in the file, as the picture is shown.
    image : PIL.ImageFile.ImageFile
        As it lies in the file: `upright` turns what is made of it.

    Raises
    ------
    ImageError
        As `measure_image`, and for whatever decoding it raises in the block.
    """
    try:
        with _opened(data) as image:
            size = image.size
            image.draft("RGB", (side, side))
            _check_size(size if _is_held_whole(image, data) else image.size, size, image)
            _check_scans(image, data)
            if image.format in ("PNG", "TIFF"):
                # Only then what stands behind a PNG's pixels is known, and a TIFF is turned.
                image.load()
            if image.format == "TIFF":
                size = image.size
            width, height = size
            yield (height, width) if orientation(image) > 4 else size, image
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
    readable = f"save it as one of {', '.join(_FORMATS)}"
    for name, begins in _UNREAD:
        if begins.match(data[:1024]):
            raise ImageError(f"is a picture in {name}, which is not read: {readable}", UNSUPPORTED)
    raise ImageError(f"is no image: {readable}", DAMAGED)


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


def _check_scans(image: ImageFile, data: bytes) -> None:
    """Refuse a JPEG with far more scans than any encoder writes."""
    if image.format != "JPEG" or data.count(_START_OF_SCAN) <= MOST_SCANS:
        return
    # Profiles and small pictures inside of a file may hold those bytes, too.
    n_scans, place = 0, 2
    for _ in range(_MOST_SEGMENTS):
        marker = _MARKER.search(data, place)
        if marker is None or marker.group() == _END_OF_IMAGE:
            return
        n_scans += marker.group() == _START_OF_SCAN
        if n_scans > MOST_SCANS:
            break
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    raise ImageError(
        f"has more than {MOST_SCANS} scans: save it as a JPEG that is not progressive", TOO_LARGE
    )


def orientation(image: ImageFile) -> int:
    """How the pixels of an opened file lie, by EXIF: 1 upright, up to 8.

    Of a TIFF always 1, as Pillow turns it. Pillow's own reader of EXIF holds whatever a hostile
    file makes each entry point at.
    """
    exif = image.info.get("exif", b"")
    exif = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else b""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if image.format == "TIFF" or order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}L", exif, 4)
        (n_entries,) = struct.unpack_from(f"{order}H", exif, start)
        for place in range(start + 2, start + 2 + 12 * n_entries, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHLH", exif, place)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and value in _TURNS else 1
    # What is no EXIF leaves the picture as it lies.
    except struct.error:
        pass
    return 1


def upright(pixels: np.ndarray, image: ImageFile) -> np.ndarray:
    """Pixels, (height, width, channels), that were made of an opened file, as it is shown."""
    turn = _TURNS.get(orientation(image))
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def _check_size(size: tuple[int, int], in_file: tuple[int, int], image: Image.Image) -> None:
    if max(in_file) > MOST_SIDE:
        raise ImageError(
            f"has {in_file[0]} × {in_file[1]} pixels, on one side more than {MOST_SIDE:,}: cut it",
            TOO_LARGE,
        )
    width, height = size
    if image.format == "TIFF":
        # A tile is unpacked whole, also where it is larger than the picture.
        tile = (image.tag_v2.get(side, 1) for side in _TILE_SIDES)  # type: ignore[attr-defined]
        width, height = map(max, zip(size, tile, strict=True))
    twice = image.format == "WEBP" or image.mode == "PA" or "transparency" in image.info
    most = MOST_PIXELS // 2 if twice else MOST_PIXELS
    if width * height > most:
        raise ImageError(
            f"has {width} × {height} pixels, more than {most:,}: save it smaller, or as a JPEG "
            "that is not progressive",
            TOO_LARGE,
        )


def framed_picture(
    data: bytes, height: int, width: int, crop: float, resampling: str
) -> np.ndarray:
    """Decode an image file as networks are given pictures.

    Parameters
    ----------
    data : bytes
    height, width : int
        Of the picture, in pixels.
    crop : float
        Share of the largest rectangle of these proportions, in the middle of the image, that is
        kept; 0 for the whole image, whose sides are scaled each by its own.
    resampling : {"bilinear", "bicubic"}
        Both average what they shrink.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB, upright.

    Raises
    ------
    ImageError
        As `measure_image`.
    """
    with open_bounded(data, math.ceil(max(height, width) / (crop or 1))) as (_, image):
        # In the file it may lie on its side.
        size = (width, height) if orientation(image) <= 4 else (height, width)
        box = (0.0, 0.0, float(image.width), float(image.height))
        if crop:
            scale = crop * min(side / wanted for side, wanted in zip(image.size, size, strict=True))
            left, top = ((side - scale * w) / 2 for side, w in zip(image.size, size, strict=True))
            box = (left, top, left + scale * size[0], top + scale * size[1])
        pixels = _resized(image, size, resampling, box)
        if pixels.dtype != np.uint8:
            pixels = pixels.round().clip(0, 255).astype(np.uint8)
        return upright(pixels, image)


def _shrunk(image: Image.Image) -> np.ndarray:
    """RGB, 0 to 255, of about `SIDE`² pixels."""
    scale = SIDE / (image.width * image.height) ** 0.5
    width, height = (max(1, round(side * scale)) for side in image.size)
    return _resized(image, (width, height), "bilinear").astype(np.float32, copy=False)


def _resized(
    image: Image.Image,
    size: tuple[int, int],
    resampling: str,
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """RGB, 0 to 255, of a size, as it lies in the file; floats where levels come of arithmetic."""
    from PIL.Image import Resampling

    whole = averageable(image)
    small = whole.resize(size, Resampling[resampling.upper()], box)
    if whole.mode in ("I", "F"):
        return grey_levels(np.asarray(small, np.float32), whole)
    if whole.mode in ("L", "RGB"):
        return np.asarray(small.convert("RGB"))
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
