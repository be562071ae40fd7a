"""What is wrong with the pictures of each cluster, counted over all images of a scan."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from streamclust.accumulators.contingency import count_pairs
from streamclust.memory import Need
from streamclust.models.reasons import KINDS, RULES, Yardstick
from streamclust.passes import Passes, Rows
from streamclust.steps.labelled import Labelled


def picture_kinds(
    passes: Passes, pixels: Any, yardstick: Yardstick, clusterings: Sequence[Labelled]
) -> list[np.ndarray]:
    """Count the kinds of pictures in the clusters of clusterings.

    Parameters
    ----------
    passes : Passes
    pixels : array of shape (n_rows, len(MEASURES))
        As `streamclust.steps.scan.scan_images` stores them; NaN where there is no image.
    yardstick : Yardstick
    clusterings : sequence of Labelled

    Returns
    -------
    list of ndarray of int64, shape (1 + len(KINDS), k)
        Images with nothing wrong, and of each kind, for each clustering.
    """
    counts = _Kinds(yardstick, [own.n_clusters for own in clusterings])
    return passes.reduce("kinds of pictures", _rows(pixels, clusterings), counts).tables


def picture_need(step: str, pixels: Any, clusterings: Sequence[Labelled]) -> Need:
    """Memory of a block of measures, of the rules it breaks, and of labels."""
    rows = _rows(pixels, clusterings)
    measures = rows.n_columns * np.dtype(pixels.dtype).itemsize
    a_row = 3 * measures + 4 * len(RULES) + 4 * len(clusterings) + 32
    return Need(f"{step} of pictures", per_block=rows.rows_a_block * a_row)


def _rows(pixels: Any, clusterings: Sequence[Labelled]) -> Rows:
    return Rows(pixels, extras=tuple(own.labels for own in clusterings))


class _Kinds:
    """A table of kinds and clusters for each clustering."""

    def __init__(self, yardstick: Yardstick, n_clusters: Sequence[int]) -> None:
        self.yardstick = yardstick
        self.tables = [np.zeros((1 + len(KINDS), k), np.int64) for k in n_clusters]

    def update(self, measures: np.ndarray, *labels: np.ndarray) -> None:
        known = np.isfinite(measures).all(axis=1)
        kinds = self.yardstick.first_kinds(measures[known]) + 1
        for table, own in zip(self.tables, labels, strict=True):
            table += count_pairs(kinds, own[known], table.shape)

    def merge(self, other: Self) -> None:
        for table, seen in zip(self.tables, other.tables, strict=True):
            table += seen
