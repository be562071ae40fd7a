"""Scalings of rows, by column from moments already known or to unit length; and descriptor sets
side by side as one array, each scaled and weighted, nothing copied."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from streamclust.errors import SettingsError
from streamclust.passes.accumulators import ColumnMoments, compute_dtype
from streamclust.passes.blocks import read_rows

Scaling = Literal["none", "standard", "minmax", "l2"]
SCALINGS: tuple[Scaling, ...] = ("none", "standard", "minmax", "l2")

PIECE_VALUES = 2**18  # values read twice while they are in cache

# The squares of shorter rows are float64 numbers with fewer digits, or none.
_SHORTEST = math.sqrt(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)


def column_scale(scaling: str, moments: ColumnMoments) -> np.ndarray:
    """Tell what each column is divided by.

    Parameters
    ----------
    scaling : {"none", "standard", "minmax", "l2"}
        Nothing; the standard deviation (ddof 0, as StandardScaler); the range (as MinMaxScaler);
        nothing, since for "l2" it is the rows that were made of unit length.
    moments : ColumnMoments
        Of all rows; for "l2", of the unit rows.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        1 for constant columns.

    Raises
    ------
    SettingsError
        The scaling is not one of these.
    """
    if scaling in ("none", "l2"):
        return np.ones_like(moments.mean)
    if scaling == "standard":
        constant = _is_constant(moments)
        return np.where(constant, 1.0, np.sqrt(moments.variance))
    if scaling == "minmax":
        constant = moments.range < 10 * np.finfo(np.float64).eps
        return np.where(constant, 1.0, moments.range)
    raise SettingsError(f"scaling={scaling!r} is not one of {', '.join(SCALINGS)}")


@np.errstate(invalid="ignore")  # rows that are not finite are for others to refuse or to mask
def unit_rows(values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Divide every row by its Euclidean length; rows of zeros stay zero.

    Rows whose squares are beyond float64 are divided by their largest absolute value first.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
    out : ndarray of the same shape, optional
        Where to write; may be `values`.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
        float32 for values that float32 holds exactly, float64 for all others.
    """
    if out is None:
        out = np.empty(values.shape, compute_dtype(values.dtype))
    step = max(PIECE_VALUES // max(values.shape[1], 1), 1)
    for start in range(0, len(values), step):
        piece = values[start : start + step]
        # Summed in float64 without float64 squares, whose memory a thread maps anew each time.
        lengths = np.sqrt(np.einsum("ij,ij->i", piece, piece, dtype=np.float64))
        ordinary = (lengths > _SHORTEST) & (lengths < np.inf)
        if not ordinary.all():
            piece, lengths = _rescaled(piece, lengths, ~ordinary)
        np.divide(piece, lengths[:, None], out=out[start : start + step], casting="same_kind")
    return out


def _rescaled(
    values: np.ndarray, lengths: np.ndarray, extreme: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Copies of rows and lengths, the extreme ones divided by their largest absolute value."""
    rows = values[extreme].astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    largest[largest == 0] = 1.0
    rows /= largest
    values, lengths = values.astype(compute_dtype(values.dtype)), lengths.copy()
    values[extreme] = rows
    lengths[extreme] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    lengths[lengths == 0] = 1.0
    return values, lengths


@np.errstate(over="ignore")  # infinite variances are for `check_range` to refuse
def _is_constant(moments: ColumnMoments) -> np.ndarray:
    """Tell the columns whose variance is within its own rounding error, as scikit-learn does.

    The bound is that of Chan, Golub & LeVeque (1983) for a two-pass variance.
    """
    count, eps = moments.count, np.finfo(np.float64).eps
    bound = count * eps * moments.variance + (count * moments.mean * eps) ** 2
    return moments.variance <= bound


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
