"""Whether new rows fall into the clusters as the old ones did."""

import math
from dataclasses import dataclass

import numpy as np

# Siddiqi, N. (2006). Credit Risk Scorecards. Wiley: below the first, no change worth acting on;
# from the second on, another population.
SLIGHT, LARGE = 0.1, 0.25
# Beyond this quantile of what chance alone makes of the index, chance is not the reason.
_CERTAIN = 0.95
# Added to each count: an empty bin has a logarithm, too.
_HALF = 0.5


def stability_terms(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The terms of the population stability index, one a bin: their sum is the index.

    (p − q) ln(p / q) of the shares q of the rows before and p of those now, which sum to the
    symmetric divergence of Kullback and Leibler [1]_ that credit scoring calls so [2]_. Half a
    row is added to each count.

    Parameters
    ----------
    before, now : ndarray of int, shape (n_bins,)
        Rows in each bin.

    Returns
    -------
    ndarray of float64, shape (n_bins,)
        0 and above; all 0 where there are no rows in one of the two.

    References
    ----------
    .. [1] Kullback, S. & Leibler, R. A. (1951). On information and sufficiency. The Annals of
       Mathematical Statistics 22(1).
    .. [2] Lewis, E. M. (1994). An Introduction to Credit Scoring. Athena Press.
    """
    if not (before.sum() and now.sum()):
        return np.zeros(len(before))
    old, new = before + _HALF, now + _HALF
    old, new = old / old.sum(), new / new.sum()
    return (new - old) * np.log(new / old)


def by_chance(n_before: int, n_now: int, n_bins: int) -> float:
    """The index that chance alone exceeds once in twenty, where nothing has changed.

    (1 / n + 1 / m) times the quantile of chi² with one degree of freedom less than bins: Yurdakul,
    B. & Naranjo, J. (2020). Statistical properties of the population stability index. Journal of
    Risk Model Validation 14(4).
    """
    from scipy.special import chdtri

    if n_bins < 2 or not (n_before and n_now):
        return 0.0
    return float((1 / n_before + 1 / n_now) * chdtri(n_bins - 1, 1 - _CERTAIN))


@dataclass(frozen=True)
class Drift:
    """What the index says.

    Attributes
    ----------
    index : float
    chance : float
        As `by_chance` gives it.
    """

    index: float
    chance: float

    @classmethod
    def of(cls, before: np.ndarray, now: np.ndarray) -> "Drift":
        """Of rows in bins, as for `stability_terms`; bins that are empty in both do not count."""
        n_bins = int(np.count_nonzero((before > 0) | (now > 0)))
        index = float(stability_terms(before, now).sum())
        return cls(index, by_chance(int(before.sum()), int(now.sum()), n_bins))

    @property
    def is_large(self) -> bool:
        """Whether the clusters are of another population."""
        return self.index >= max(LARGE, self.chance)

    def in_words(self) -> str:
        """The verdict, with the index."""
        told = f"population stability index {self.index:.3f}"
        if not math.isfinite(self.index) or self.index <= self.chance:
            return f"no drift that chance does not explain ({told}, {self.chance:.3f} by chance)"
        if self.index < SLIGHT:
            return f"hardly any drift ({told}, below {SLIGHT})"
        if self.index < LARGE:
            return f"some drift ({told}, from {SLIGHT} on)"
        return f"large drift ({told}, from {LARGE} on): cluster the new rows, too"
