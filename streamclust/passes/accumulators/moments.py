"""Count, mean, spread and range of every column, exact to float64 rounding."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from streamclust.errors import SettingsError

PIECE_VALUES = 2**19  # float64 values worked on at once: 4 MiB, so that a piece stays in cache
PIECE_ROWS = 4096


@dataclass(frozen=True, eq=False)
class ColumnMoments:
    """What `Moments` knows; all arrays are float64 of shape (n_features,).

    Attributes
    ----------
    count : int
        Rows seen.
    mean, minimum, maximum : ndarray
    m2 : ndarray
        Sum of squared deviations from the mean.
    """

    count: int
    mean: np.ndarray
    m2: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """Population variance (divided by the count), as StandardScaler's ``var_``."""
        return self.m2 / max(self.count, 1)

    @property
    def range(self) -> np.ndarray:
        """Maximum minus minimum, as MinMaxScaler's ``data_range_``."""
        return self.maximum - self.minimum


class Moments:
    """Accumulate count, mean, sum of squared deviations, minimum and maximum per column.

    Rows of any real dtype are converted to float64 piece by piece; a piece is taken in by the
    corrected two-pass sum, and pieces are joined by the pairwise formula of Chan, Golub & LeVeque
    (1983), "Algorithms for computing the sample variance", so that neither a large mean nor many
    rows cost digits.

    Examples
    --------
    >>> import numpy as np
    >>> moments = Moments()
    >>> moments.update(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> moments.result().mean, moments.result().variance
    (array([2., 5.]), array([1., 0.]))
    """

    def __init__(self) -> None:
        self._known = ColumnMoments(0, *(np.empty(0) for _ in range(4)))

    @classmethod
    def going_on(cls, known: ColumnMoments) -> Self:
        """Moments that have seen what `known` tells of."""
        moments = cls()
        moments._known = known
        return moments

    @property
    def count(self) -> int:
        """Rows seen."""
        return self._known.count

    @staticmethod
    def nbytes(n_features: int) -> int:
        """Bytes held at the peak of an update, the block itself not counted."""
        return 8 * n_features * (_piece_rows(n_features) + 24)

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See a block of shape (n_rows, n_features); no rows change nothing.

        Raises
        ------
        SettingsError
            The block has another number of columns than those before.
        """
        step = _piece_rows(values.shape[1])
        for start in range(0, len(values), step):
            self._take(_piece_moments(values[start : start + step]))

    def merge(self, other: Self) -> None:
        """Take in what `other` saw; `other` is left as it is.

        Raises
        ------
        SettingsError
            The two saw rows of different length.
        """
        if other.count:
            self._take(other._known)

    def result(self) -> ColumnMoments:
        """Tell the moments; with no rows seen, the arrays are empty."""
        return self._known

    @np.errstate(over="ignore", invalid="ignore")  # whoever divides by the squares refuses infinity
    def _take(self, new: ColumnMoments) -> None:
        old = self._known
        if not old.count:
            self._known = new
            return
        check_same_width(old.mean, new.mean)
        count = old.count + new.count
        delta = new.mean - old.mean
        self._known = ColumnMoments(
            count,
            old.mean + delta * (new.count / count),
            old.m2 + new.m2 + delta**2 * (old.count * new.count / count),
            np.minimum(old.minimum, new.minimum),
            np.maximum(old.maximum, new.maximum),
        )


def check_same_width(seen: np.ndarray, new: np.ndarray) -> None:
    """Refuse columns that do not match; both are (n_features,)."""
    if seen.shape != new.shape:
        raise SettingsError(
            f"rows of {new.size} columns cannot join rows of {seen.size} columns in one statistic"
        )


def _piece_rows(n_features: int) -> int:
    return min(max(PIECE_VALUES // max(n_features, 1), 1), PIECE_ROWS)


@np.errstate(over="ignore", invalid="ignore")
def _piece_moments(piece: np.ndarray) -> ColumnMoments:
    count = len(piece)
    deviations = piece.astype(np.float64)
    guess = deviations.mean(axis=0)
    minimum, maximum = deviations.min(axis=0), deviations.max(axis=0)
    deviations -= guess
    rest = deviations.mean(axis=0)
    m2 = np.einsum("ij,ij->j", deviations, deviations) - count * rest**2
    return ColumnMoments(count, guess + rest, np.maximum(m2, 0), minimum, maximum)
