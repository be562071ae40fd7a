"""OKLab, a colour space in which equal steps look equally large.

Björn Ottosson (2020), "A perceptual color space for image processing".
"""

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
