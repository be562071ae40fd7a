"""What is known of a clustering, as one dict of scores, and how to ask for it."""

import math
from typing import Any

Scores = dict[str, Any]


def is_known(scores: Scores, column: str) -> bool:
    """Whether there is a number in a column."""
    value = scores.get(column)
    return value is not None and not math.isnan(value)


def algorithm_of(scores: Scores) -> str:
    """The algorithm's name; k-means where none is told."""
    return str(scores.get("algorithm", "kmeans"))


def of_all_rows(scores: Scores, column: str) -> float:
    """A mean silhouette of all rows, noise counting 0; the least there is where it is not known."""
    if not is_known(scores, column):
        return -1.0
    return float(scores[column]) * (1 - (scores.get("noise") or 0.0))
