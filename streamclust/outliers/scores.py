"""Outlier measures made comparable, and the rule that makes one score of them.

**Comparable.** Each measure is a distance or a ratio; its logarithm is centred on its median and
divided by its quartile range (as a normal deviate: a robust z). Ranks would lose how far the
extremes lie, and with that the best of the score (see docs/outliers.md for the measurements).

**One score.** The root of the weighted mean of the squares of the positive parts, over the measures
of a set, and again over the sets: what is ordinary for one of them speaks neither for nor against
the row, and what is extreme for one is not averaged away by the others. What one of S sets sees
alone counts 1 / √S of that, which a fence may miss where the others agree with each other: a row
twice as far out as its own set's fence is flagged in any case.
"""

from dataclasses import dataclass

import numpy as np

# Evidence that carries on all data tried, and such that is only right now and then.
WEIGHTS = {
    "reference": 1.0,
    "mahalanobis": 1.0,
    "residual": 1 / 9,
    "knn_kth": 1 / 9,
    "lof": 1 / 9,
    "micro_cluster": 1 / 9,
}

# So many times beyond its own fence, one set is enough. Up to four sets, what is that far out in
# one mostly passes the fence of all. 1.5 would add 16 rows to 129 flagged of 6,000 drawn images,
# none of them bad, and none on 2,003 real ones.
FAR_OUT_ALONE = 2.0

# Rows that lie farther out than these are not of the core whose covariance is the yardstick.
CORE_NEAR, CORE_FAR, CORE_FAR_SHARE, CORE_GAP, CORE_LEAST = 2.0, 3.0, 0.97, 6.0, 0.90

_NORMAL_QUARTILES = 1.349  # the quartile range of a standard normal deviate
_NORMAL_MEAN_DEVIATION = 1.2533  # its standard deviation over its mean absolute deviation
_NOTHING = 1e-9
_SMALLEST = 1e-6  # of the median: zero distances have a logarithm, too


@dataclass(frozen=True)
class RobustScale:
    """What makes a measure comparable: median and spread of its logarithm over all rows.

    Attributes
    ----------
    floor : float
        Smaller values count as this.
    center, spread : float
        Of the natural logarithm: median, and quartile range as a standard deviation. Where that
        is 0, as half of the rows or more are alike, the mean absolute deviation stands in
        (Iglewicz & Hoaglin 1993, How to detect and handle outliers); 0 where all rows are.
    """

    floor: float
    center: float
    spread: float

    @classmethod
    def of(cls, values: np.ndarray) -> "RobustScale":
        """Learn it from the values of all rows (n_rows,); those not finite are left out."""
        known = values[np.isfinite(values)]
        positive = known[known > 0]
        if len(positive) == 0:
            return cls(1.0, 0.0, 0.0)
        floor = _SMALLEST * float(np.median(positive))
        logs = np.log(np.maximum(known, floor), dtype=np.float64)
        low, center, high = np.percentile(logs, [25, 50, 75])
        spread = (high - low) / _NORMAL_QUARTILES
        if spread < _NOTHING:
            spread = _NORMAL_MEAN_DEVIATION * np.abs(logs - center).mean()
        return cls(floor, float(center), float(spread))

    def z(self, values: np.ndarray) -> np.ndarray:
        """Robust z of the logarithm, float32; 0 where the spread is, NaN stays NaN."""
        logs = np.log(np.maximum(values, self.floor, dtype=np.float64))
        logs -= self.center
        if self.spread < _NOTHING:
            return np.where(np.isnan(logs), np.nan, 0).astype(np.float32)
        return (logs / self.spread).astype(np.float32)


def reference_gap(near: np.ndarray, far: np.ndarray, floor: float) -> np.ndarray:
    """How much denser it is about a row than farther off: the far reference distance over the near
    one, of which what is smaller than `floor` (that of its `RobustScale`) counts as that: rows that
    are there many times over have a near distance of 0."""
    return far / np.maximum(near, floor)


def core_rows(
    near_z: np.ndarray, far: np.ndarray, far_z: np.ndarray, gap_z: np.ndarray
) -> np.ndarray:
    """Tell which rows are of the core: neither isolated nor of a small group.

    Mahalanobis distances from the covariance of all rows forgive what is many: a group of 2 % in
    one direction makes that direction wide. One reweighting step, as in fast-MCD [1]_, from the
    reference distances. Where there are many columns, a group need not be far out to be masked so;
    but it is much denser than what surrounds it, which ordinary rows never are by that much.

    Parameters
    ----------
    near_z, far_z, gap_z : ndarray of shape (n_rows,)
        Robust z of the near and far reference distances and of far over near; NaN for rows that
        are not valid.
    far : ndarray of shape (n_rows,)
        The far distances.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
        90 % of the valid rows at least.

    References
    ----------
    .. [1] Rousseeuw, P. J. & Van Driessen, K. (1999). A fast algorithm for the minimum covariance
       determinant estimator. Technometrics 41(3).
    """
    valid = np.isfinite(far)
    out = np.maximum(near_z / CORE_NEAR, far_z / CORE_FAR)
    out = np.maximum(out, gap_z / CORE_GAP)
    out[far > np.quantile(far[valid], CORE_FAR_SHARE)] = np.inf
    return valid & (out <= max(1.0, np.quantile(out[valid], CORE_LEAST, method="higher")))


def micro_cluster(near: np.ndarray, far: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Membership in a small far group, as a robust z: far from 5 % of all rows, yet in company.

    Parameters
    ----------
    near, far, gap : ndarray of shape (n_rows,)
        Robust z of the near and far reference distances and of their ratio.
    """
    return np.where(np.isnan(near), near, np.minimum(far, gap))


def combined(z: dict[str, np.ndarray]) -> np.ndarray:
    """One score of a set's measures: the root weighted mean square of the positive robust z.

    Parameters
    ----------
    z : dict of str to ndarray of shape (n_rows,)
        Robust z by name; names without a weight are passed over, and so are values of NaN.

    Returns
    -------
    ndarray of shape (n_rows,), float32
        0 and above; NaN where all measures are.
    """
    weights = {name: WEIGHTS[name] for name in z if name in WEIGHTS}
    return _root_mean_square([z[name] for name in weights], list(weights.values()))


def over_sets(scores: list[np.ndarray]) -> np.ndarray:
    """The scores of several sets made one, by the same rule; of a row's, those that are NaN are
    left out of the mean."""
    return _root_mean_square(scores, [1.0] * len(scores))


def _root_mean_square(columns: list[np.ndarray], weights: list[float]) -> np.ndarray:
    total = np.zeros(len(columns[0]))
    known = np.zeros(len(columns[0]))
    for column, weight in zip(columns, weights, strict=True):
        told = ~np.isnan(column)
        total[told] += weight * np.square(np.maximum(column[told], 0), dtype=np.float64)
        known[told] += weight
    with np.errstate(invalid="ignore"):
        return np.sqrt(total / known).astype(np.float32)


def far_out(scores: np.ndarray) -> float:
    """The threshold ``auto``: Tukey's outer fence, three quartile ranges above the third quartile.

    It follows from the bulk of the scores alone, not from how many outliers there are: none may
    be flagged, or many.

    References
    ----------
    Tukey, J. W. (1977). Exploratory Data Analysis. Addison-Wesley.
    """
    known = scores[np.isfinite(scores)]
    if len(known) == 0:
        return float("inf")
    low, high = np.percentile(known, [25, 75])
    return float(high + 3 * (high - low))


def share_threshold(scores: np.ndarray, share: float) -> float:
    """The threshold that a `share` of the rows lie above."""
    known = scores[np.isfinite(scores)]
    return float(np.quantile(known, 1 - share)) if len(known) else float("inf")
