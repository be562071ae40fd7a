"""Descriptor sets side by side as one array: each block scaled and weighted, nothing copied."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.passes.accumulators import ColumnMoments
from streamclust.passes.blocks import read_rows
from streamclust.passes.scaling import column_scale, unit_rows


@dataclass(frozen=True, eq=False)
class ScaledBlock:
    """One set of a mixture.

    Parameters
    ----------
    array : array-like of shape (n_rows, n_columns)
    center : ndarray of shape (n_columns,)
        Subtracted from the rows.
    factor : ndarray of shape (n_columns,)
        What the columns are multiplied by then.
    unit : bool
        Whether rows are made of unit length first.
    """

    array: Any
    center: np.ndarray
    factor: np.ndarray
    unit: bool = False


class Joined:
    """Blocks side by side, read part by part: an array of float32 rows.

    Parameters
    ----------
    blocks : sequence of Block
        All of as many rows.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, blocks: Sequence[ScaledBlock]) -> None:
        self.blocks = list(blocks)
        columns = [len(block.factor) for block in self.blocks]
        self.shape = (int(self.blocks[0].array.shape[0]), sum(columns))
        self.ends = np.cumsum(columns)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> np.ndarray:
        start, stop, _ = part.indices(self.shape[0])
        joined = np.empty((max(0, stop - start), self.shape[1]), self.dtype)
        for block, end in zip(self.blocks, self.ends, strict=True):
            place = joined[:, end - len(block.factor) : end]
            if isinstance(block.array, Indicators):
                values = block.array[start:stop]
            else:
                values = read_rows(block.array, start, stop)
            if block.unit:
                values = unit_rows(values)
            np.subtract(values, block.center, out=place, casting="unsafe")
            place *= block.factor.astype(np.float32)
        return joined


class Indicators:
    """Labels as columns of 0 and 1, one a cluster; noise belongs to none.

    Parameters
    ----------
    labels : array-like of int of shape (n_rows,)
    n_clusters : int
    """

    def __init__(self, labels: Any, n_clusters: int) -> None:
        self.labels = labels
        self.shape = (int(labels.shape[0]), n_clusters)

    def __getitem__(self, part: slice) -> np.ndarray:
        labels = np.asarray(self.labels[part])
        return (labels[:, None] == np.arange(self.shape[1])).astype(np.float32)


def weighted_block(array: Any, moments: ColumnMoments, scaling: str, weight: float) -> ScaledBlock:
    """A set scaled so that the variances of its columns sum to `weight`.

    Parameters
    ----------
    array : array-like of shape (n_rows, n_columns)
    moments : ColumnMoments
        Of its rows; for "l2" of the unit rows.
    scaling : {"none", "standard", "minmax", "l2"}
        Within the set.
    weight : float

    Raises
    ------
    SettingsError
        When all its rows are equal: no weight gives them a share of the variance.
    """
    scale = column_scale(scaling, moments)
    variance = float((moments.variance / scale**2).sum())
    if not variance > 0:
        raise SettingsError("all rows are equal: leave the set out")
    factor = np.sqrt(weight / variance) / scale
    return ScaledBlock(array, moments.mean, factor, unit=scaling == "l2")
