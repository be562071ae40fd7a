"""How well scores, flags and reasons agree with a truth; the indices are scikit-learn's."""

import math

import numpy as np

# Bytes a row that scikit-learn holds for one ranking: sorted scores, weights and counts in float64.
RANKING_BYTES = 120

UNUSUAL = "unusual content"
_SAME_KIND = {"non vehicle": UNUSUAL, "no vehicle": UNUSUAL}


def ranking_scores(
    is_outlier: np.ndarray, score: np.ndarray, n_flagged: int | None = None
) -> dict[str, float]:
    """How well a score ranks outliers before the others.

    Parameters
    ----------
    is_outlier : ndarray of bool, shape (n_rows,)
    score : ndarray of float, shape (n_rows,)
        Larger is more suspect; rows without a score (NaN) are the most suspect of all.
    n_flagged : int, optional
        How many rows were flagged.

    Returns
    -------
    dict
        ``auroc`` and ``average_precision``, NaN where all rows are alike; with `n_flagged`
        ``precision_at_flagged``, that of as many rows of highest score.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    score = most_suspect(score)
    alike = is_outlier.all() or not is_outlier.any()
    scores = {
        "auroc": math.nan if alike else float(roc_auc_score(is_outlier, score)),
        "average_precision": (
            math.nan if alike else float(average_precision_score(is_outlier, score))
        ),
    }
    if n_flagged is not None:
        scores["precision_at_flagged"] = precision_at(is_outlier, score, n_flagged)
    return scores


def precision_at(is_outlier: np.ndarray, score: np.ndarray, count: int) -> float:
    """Share of outliers among the `count` rows of highest score; NaN among none.

    Rows that tie for the last places count by their share: what any order of them gives on the
    average.
    """
    if count == 0:
        return math.nan
    last = np.partition(score, len(score) - count)[len(score) - count]
    above, tied = score > last, score == last
    places = count - np.count_nonzero(above)
    return float((is_outlier[above].sum() + places * is_outlier[tied].mean()) / count)


def most_suspect(score: np.ndarray) -> np.ndarray:
    """The scores in float64, those that are NaN or infinite made larger than all others."""
    score = np.asarray(score, np.float64)
    known = np.isfinite(score)
    above = score[known].max(initial=0.0)
    return np.where(known, score, above + abs(above) + 1) if not known.all() else score


def found_scores(wanted: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Precision and recall of the rows found (bool) for those wanted (bool); NaN for 0 / 0."""
    from sklearn.metrics import precision_score, recall_score

    return {
        "precision": float(precision_score(wanted, found, zero_division=np.nan)),
        "recall": float(recall_score(wanted, found, zero_division=np.nan)),
    }


def reported_kind(true_kind: str) -> str:
    """What streamclust calls a kind of outlier that a truth table calls `true_kind`.

    >>> reported_kind("odd_size"), reported_kind("non_vehicle")
    ('odd size', 'unusual content')
    """
    kind = true_kind.strip().lower().replace("_", " ").replace("-", " ")
    return _SAME_KIND.get(kind, kind)
