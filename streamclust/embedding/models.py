"""What makes descriptors of pictures: a model with its preprocessing, and the simple one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from streamclust.embedding.picture_features import (
    SIDE,
    cells,
    colour_histogram,
    layout,
    opponent_colours,
    oriented_gradients,
)

SIMPLE = "simple"


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes what a network takes.

    Attributes
    ----------
    side : int
        Of the square picture, in pixels.
    crop : float
        Share of the image's shorter side that the square in the middle has; 0 for the whole image,
        whose sides are scaled each by its own.
    resampling : {"bilinear", "bicubic"}
    mean, std : tuple of float
        Of red, green and blue between 0 and 1: taken away, and divided by.
    """

    side: int
    crop: float = 0.0
    resampling: str = "bilinear"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Model(Protocol):
    """Makes descriptors of pictures.

    Attributes
    ----------
    preprocessing : Preprocessing
    widths : mapping of str to int
        Numbers of a row, by the names of the sets.
    """

    preprocessing: Preprocessing
    widths: Mapping[str, int]

    def __call__(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Rows of each set, float32, of pictures of shape (n, side, side, 3), uint8."""

    def record(self) -> dict[str, Any]:
        """What made the descriptors, as it is kept beside them."""


class SimpleModel:
    """Colours, edges by direction, and what is where, of a picture of 64 × 64 pixels.

    It needs no file, and knows nothing of what is shown: pictures alike in colour and outline are
    alike to it.
    """

    preprocessing = Preprocessing(SIDE)
    widths: Mapping[str, int] = {"colour": 128, "layout": 512, "shape": 512}

    def __call__(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        opponent = opponent_colours(pictures.astype(np.float32) / 255)
        energy = oriented_gradients(opponent[..., 0])
        return {
            "colour": colour_histogram(opponent),
            "layout": layout(opponent, energy),
            "shape": cells(energy),
        }

    def record(self) -> dict[str, Any]:
        return {"model": SIMPLE, "version": 1, "preprocessing": asdict(self.preprocessing)}
