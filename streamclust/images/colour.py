"""Colours in OKLab, where equal steps look equally large, and that of the middle of a picture.

Pixels count by their nearness to the middle, and for less the more of the picture's edge is of
their colour: a vehicle is taken in the middle of its picture, sky and road reach the edge.

References
----------
Björn Ottosson (2020), "A perceptual color space for image processing".
"""

from __future__ import annotations

import numpy as np

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_OKLAB, _FROM_LMS = np.linalg.inv(_TO_OKLAB), np.linalg.inv(_TO_LMS)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """OKLab of sRGB colours.

    Parameters
    ----------
    rgb : ndarray of shape (..., 3)
        0 to 1.

    Returns
    -------
    ndarray of shape (..., 3)
        Lightness, 0 to 1; redness (against green) and yellowness (against blue), within ±0.4.
    """
    return oklab_of_linear(linear_rgb(rgb))


def srgb(lab: np.ndarray) -> np.ndarray:
    """Convert OKLab, shape (..., 3), to sRGB, clipped to 0..1."""
    linear = np.clip(linear_of_oklab(lab), 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def linear_rgb(rgb: np.ndarray) -> np.ndarray:
    """Light of sRGB colours in 0..1, by the transfer function of IEC 61966-2-1."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab_of_linear(linear: np.ndarray) -> np.ndarray:
    """OKLab, shape (..., 3), of linear RGB."""
    return np.cbrt(linear @ _TO_LMS.T) @ _TO_OKLAB.T


def linear_of_oklab(lab: np.ndarray) -> np.ndarray:
    """Linear RGB, shape (..., 3), of OKLab; beyond 0..1 where no screen shows it."""
    return (lab @ _FROM_OKLAB.T) ** 3 @ _FROM_LMS.T


COLOURS = (
    *("white", "silver", "grey", "black", "red", "orange", "yellow", "green", "blue", "purple"),
    *("pink", "brown", "beige"),
)
# What `body_colour` tells beside the name: the colour of the middle in OKLab.
BODY = ("lightness", "redness", "yellowness")

# Standard deviations of the weight about the middle, in heights and widths of the picture; the
# share of its sides that is edge; how much of a colour's weight an equal share of the edge takes.
_SPREAD = (0.22, 0.32)
_EDGE = 0.08
_DISCOUNT = 0.9
# Steps of OKLab within which colours of middle and edge are taken for the same.
_STEPS = np.array([0.08, 0.04, 0.04])

# Hues in degrees: where each colour ends and the next begins.
_HUES = ((42, "red"), (72, "orange"), (118, "yellow"), (200, "green"), (292, "blue"),
         (345, "purple"), (360, "red"))  # fmt: skip
# Least chroma of a colour. Tinted glass, sky in black paint and dust on the road have some: of
# yellowish and bluish hues more is asked; brown paint has little.
_CHROMA, _WARM_CHROMA, _COOL_CHROMA, _BROWN_CHROMA = 0.038, 0.067, 0.054, 0.030
# A colour that has this part of the weight is that of the body: the rest is glass and tyres.
_LEAST_COLOURED = 0.18
_LEAST_OF_ONE = 0.13
# Otherwise lightness tells: that which so much of the weight stays below, as glass is darker.
_BODY_QUANTILE = 0.71
_WHITE, _SILVER, _GREY = 0.81, 0.65, 0.53


def body_colour(pixels: np.ndarray) -> tuple[int, np.ndarray]:
    """The colour of what stands in the middle.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3)
        0 to 255.

    Returns
    -------
    code : int
        Index in `COLOURS`.
    lab : ndarray of shape (3,), float64
        Mean of the pixels that tell it, in OKLab: the measures of `BODY`.
    """
    lab = oklab(np.asarray(pixels, np.float64) / 255)
    weight = _weights(lab).ravel()
    lab = lab.reshape(-1, 3)
    names, coloured = _hues(lab)
    shares = np.bincount(names[coloured], weight[coloured], len(COLOURS)) / weight.sum()
    best = int(shares.argmax())
    if shares.sum() > _LEAST_COLOURED and shares[best] > _LEAST_OF_ONE:
        same = coloured & (names == best)
        return best, np.average(lab[same], axis=0, weights=weight[same])
    return _grey(lab, weight)


def _grey(lab: np.ndarray, weight: np.ndarray) -> tuple[int, np.ndarray]:
    """White, silver, grey or black, by the lightness of the body."""
    order = np.argsort(lab[:, 0], kind="stable")
    upto = np.cumsum(weight[order]) / weight.sum()
    body = lab[order[min(int(np.searchsorted(upto, _BODY_QUANTILE)), len(order) - 1)]]
    limits = {"white": _WHITE, "silver": _SILVER, "grey": _GREY, "black": -np.inf}
    name = next(name for name, least in limits.items() if body[0] > least)
    mean = np.average(lab, axis=0, weights=weight)
    return COLOURS.index(name), np.array([body[0], *mean[1:]])


def _weights(lab: np.ndarray) -> np.ndarray:
    """How much each pixel counts, (height, width)."""
    height, width = lab.shape[:2]
    down, across = ((np.arange(side) + 0.5) / side - 0.5 for side in (height, width))
    middle = np.exp(-((down / _SPREAD[0]) ** 2)[:, None] / 2 - (across / _SPREAD[1]) ** 2 / 2)
    rim = max(1, round(_EDGE * min(height, width)))
    edge = np.ones((height, width))
    edge[rim:-rim, rim:-rim] = 0
    cells = np.floor(lab.reshape(-1, 3) / _STEPS).astype(np.int64)
    cells -= cells.min(axis=0)
    cell = np.ravel_multi_index(tuple(cells.T), tuple(cells.max(axis=0) + 1))
    in_middle, at_edge = (np.bincount(cell, part.ravel() / part.sum()) for part in (middle, edge))
    kept = in_middle[cell] / (in_middle[cell] + _DISCOUNT * at_edge[cell])
    return middle * kept.reshape(height, width)


def _hues(lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The name that each pixel's hue would have, and whether it has chroma enough to have one."""
    light, red, yellow = lab.T
    chroma, hue = np.hypot(red, yellow), np.degrees(np.arctan2(yellow, red)) % 360
    ends, hues = zip(*_HUES, strict=True)
    codes = np.array([COLOURS.index(name) for name in hues])
    # The remainder of a hue of -1e-15 is 360, past the last end.
    names = codes[np.minimum(np.searchsorted(ends, hue, side="right"), len(codes) - 1)]
    warm = (hue >= 38) & (hue < 118)
    names[((hue >= 330) | (hue < 15)) & (light > 0.52)] = COLOURS.index("pink")
    names[warm & (light < 0.55) & (chroma < 0.13)] = COLOURS.index("brown")
    names[warm & (hue >= 50) & (light >= 0.55) & (chroma < 0.085)] = COLOURS.index("beige")
    least = np.full(len(lab), _CHROMA)
    least[(hue > 50) & (hue < 118)] = _WARM_CHROMA
    least[(hue > 200) & (hue < 290)] = _COOL_CHROMA
    least[(hue > 30) & (hue < 100) & (light < 0.5)] = _BROWN_CHROMA
    return names, chroma > least
