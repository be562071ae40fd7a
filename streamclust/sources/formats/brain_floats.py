"""bfloat16, which numpy does not have: the upper half of float32, and read as that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from streamclust.sources.base import ArraySource, Payload, StoredArray, check_layout, stored_array


@dataclass(eq=False)
class BrainFloats(ArraySource):
    """Rows of bfloat16 as float32, which hold the same values.

    Parameters
    ----------
    halves : StoredArray of uint16
    """

    path: Path
    halves: StoredArray

    def __post_init__(self) -> None:
        self.dtype = np.dtype(np.float32)
        self.shape = self.halves.shape
        self.order: Literal["C", "F"] = self.halves.order

    @classmethod
    def opened(
        cls,
        path: Path,
        shape: tuple[int, ...],
        payload: Payload,
        order: Literal["C", "F"] = "C",
        byte_order: str = "<",
    ) -> BrainFloats:
        """Open an array whose bytes are `payload`; SourceError if it is no table."""
        check_layout(path, shape, np.dtype(np.float32))
        halves = stored_array(path, shape, np.dtype(f"{byte_order}u2"), order, payload)
        return cls(path, halves)

    def read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read rows `start` to `stop`."""
        widened = self.halves.read(start, stop).astype(np.uint32)
        widened <<= 16
        return widened.view(np.float32)
