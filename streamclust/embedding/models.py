"""What makes descriptors of pictures: a model with its preprocessing, and the simple one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
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
from streamclust.embedding.preprocessing import Preprocessing
from streamclust.memory import MIB, Need

SIMPLE = "simple"


# Pictures that are described together. Rows follow from it in their last bits: it does not depend
# on the budget, nor on the number of threads, each of which describes a batch.
BATCH = 8


class Model(Protocol):
    """Makes descriptors of pictures, on the thread that asks; several may.

    Attributes
    ----------
    preprocessing : Preprocessing
    widths : mapping of str to int
        Numbers of a row, by the names of the sets.
    need : Need
        Memory of the model, and of describing a batch.
    notes : sequence of str
        What a person should know of it.
    """

    preprocessing: Preprocessing
    widths: Mapping[str, int]
    need: Need
    notes: Sequence[str]

    def __call__(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Rows of each set, float32, of pictures (n, height, width, 3), uint8."""

    def record(self) -> dict[str, Any]:
        """What made the descriptors, as it is kept beside them."""


class SimpleModel:
    """Colours, edges by direction, and what is where, of a picture of 64 × 64 pixels.

    It needs no file, and knows nothing of what is shown: pictures alike in colour and outline are
    alike to it.
    """

    preprocessing = Preprocessing(SIDE, SIDE)
    widths: Mapping[str, int] = {"colour": 128, "layout": 512, "shape": 512}
    need = Need(per_block=16 * MIB)
    notes: Sequence[str] = ()

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
