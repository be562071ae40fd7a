"""How right labels are, from a random sample of each cluster that a person has looked at."""

import math
from dataclasses import dataclass

import numpy as np

# Two-sided, 95 %.
_NORMAL = 1.959963984540054
# What a stratum of few answers is taken to vary by leans on all of them, as on so many answers.
_PRIOR = 2.0


@dataclass(frozen=True)
class Accuracy:
    """An accuracy with its 95 % interval.

    Attributes
    ----------
    rows : int
        That it is of.
    asked : int
        That there are answers of.
    right : int
        Of those.
    estimate, low, high : float
        NaN without an answer.
    more : int or None
        Further answers for an interval of ± `WANTED`; 0 where it is as narrow.
    """

    rows: int
    asked: int
    right: int
    estimate: float
    low: float
    high: float
    more: int


WANTED = 0.03


def allocate(sizes: np.ndarray, spreads: np.ndarray, total: int) -> np.ndarray:
    """How many rows of each stratum are asked for.

    In proportion to rows and spread, which has the least variance of all ways to spend `total`
    [1]_; two of each stratum at least, all where there are no more.

    Parameters
    ----------
    sizes : ndarray of int, shape (n_strata,)
    spreads : ndarray of float, shape (n_strata,)
        Guesses of the standard deviation of being right; only their ratios matter.
    total : int
        More where two of each stratum are more.

    Returns
    -------
    ndarray of int, shape (n_strata,)

    References
    ----------
    .. [1] Neyman, J. (1934). On the two different aspects of the representative method. Journal of
       the Royal Statistical Society 97(4).
    """
    asked = np.minimum(sizes, 2)
    weights = sizes * np.maximum(spreads, 1e-9)
    for _ in range(max(0, min(total, int(sizes.sum())) - int(asked.sum()))):
        # The next one goes where the strata are furthest below their share.
        open_ = np.where(asked < sizes, weights / (asked + 1), -1.0)
        asked[open_.argmax()] += 1
    return asked


def stratified_accuracy(sizes: np.ndarray, asked: np.ndarray, right: np.ndarray) -> Accuracy:
    """The share of rows that are right, from simple random samples of strata.

    The estimate is that of stratified sampling [1]_; the interval Wilson's for as many independent
    answers as would vary as little [2]_. A stratum's own share says little of how much few answers
    vary (two right ones do not vary at all): it is drawn towards that of all.

    Parameters
    ----------
    sizes, asked, right : ndarray of int, shape (n_strata,)
        Rows, answers, and those of them that are right.

    References
    ----------
    .. [1] Cochran, W. G. (1977). Sampling techniques, 3rd edition, chapter 5. Wiley.
    .. [2] Franco, C., Little, R. J. A., Louis, T. A. & Slud, E. V. (2019). Comparative study of
       confidence intervals for proportions in complex sample surveys. Journal of Survey Statistics
       and Methodology 7(3).
    """
    n_rows, n_asked, n_right = int(sizes.sum()), int(asked.sum()), int(right.sum())
    if not n_asked:
        return Accuracy(n_rows, 0, 0, math.nan, math.nan, math.nan, n_rows)
    shares = sizes / n_rows
    overall = (n_right + 1) / (n_asked + 2)
    leaning = (right + _PRIOR * overall) / (asked + _PRIOR)
    with np.errstate(invalid="ignore", divide="ignore"):
        # A stratum without an answer is as all are.
        means = np.where(asked > 0, right / asked, overall)
    estimate = float(shares @ means)
    spread = leaning * (1 - leaning)
    variance = float(shares**2 @ (spread * (1 - asked / sizes) / np.maximum(asked, 1)))
    low, high = _wilson(estimate, float(shares @ spread) / variance if variance > 0 else math.inf)
    more = _more((high - low) / 2, n_asked, n_rows)
    return Accuracy(n_rows, n_asked, n_right, estimate, low, high, more)


def _more(half: float, n_asked: int, n_rows: int) -> int:
    """Further answers that make half the width of an interval `WANTED`; the variance falls as one
    over the answers, and is none when all rows are answered for."""
    if half <= WANTED or n_asked == n_rows:
        return 0
    left = 1 / n_asked - 1 / n_rows
    return math.ceil(1 / ((WANTED / half) ** 2 * left + 1 / n_rows)) - n_asked


def _wilson(estimate: float, n: float) -> tuple[float, float]:
    """Wilson's interval of a share of `n` independent answers."""
    if math.isinf(n):
        return estimate, estimate
    square = _NORMAL**2
    middle = (estimate + square / (2 * n)) / (1 + square / n)
    half = (
        _NORMAL / (1 + square / n) * math.sqrt(estimate * (1 - estimate) / n + square / (4 * n**2))
    )
    return max(0.0, middle - half), min(1.0, middle + half)
