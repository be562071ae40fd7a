"""Pictures and their descriptors: drawn, encoded, and described as they were written."""

import io
from dataclasses import dataclass

import numpy as np

from streamclust.demo.drawing import draw_picture
from streamclust.demo.extractors import describe, read_pixels
from streamclust.demo.fleet import DRAWING, Fleet, stream

JPEG_QUALITY = 85
# Pictures described at a time: bounds the memory of the extractors' intermediate maps.
BATCH = 64


@dataclass(frozen=True)
class DrawnChunk:
    """The JPEG files of a chunk's pictures and the descriptors computed from them."""

    jpegs: list[bytes]
    descriptors: dict[str, np.ndarray]


def draw_chunk(fleet: Fleet, chunk: int) -> DrawnChunk:
    """Draw and describe the pictures of one chunk."""
    pictures = fleet.pictures(chunk)
    rng = stream(fleet.random_state, chunk, DRAWING)
    jpegs = []
    for index in range(len(pictures)):
        file = io.BytesIO()
        draw_picture(pictures, index, rng).save(file, "JPEG", quality=JPEG_QUALITY)
        jpegs.append(file.getvalue())
    batches = [
        describe(read_pixels(jpegs[start : start + BATCH])) for start in range(0, len(jpegs), BATCH)
    ]
    together = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    return DrawnChunk(jpegs, together)
