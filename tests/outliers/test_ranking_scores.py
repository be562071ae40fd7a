"""Agreement with a truth: by hand where scikit-learn computes it, and the cases around it."""

import math

import numpy as np
import pytest

from streamclust.outliers.evaluation import (
    finite_scores,
    precision_and_recall,
    precision_at,
    ranking_scores,
    reported_kind,
)


def test_a_ranking_by_hand():
    is_outlier = np.array([True, False, True, False, False])
    score = np.array([4, 3, 2, 2, 1], np.float32)
    scores = ranking_scores(is_outlier, score)
    # Of 6 pairs 4 are in order, one is a tie; precision 1 at half the recall, 2 / 4 at all.
    assert scores["auroc"] == pytest.approx(4.5 / 6)
    assert scores["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)


def test_rows_without_a_score_are_the_finite_scores():
    score = np.array([-5, np.nan, -1, np.inf], np.float32)
    assert np.argsort(-finite_scores(score), kind="stable").tolist() == [1, 3, 2, 0]
    scores = ranking_scores(np.array([False, True, False, True]), score)
    assert scores == {"auroc": 1, "average_precision": 1}
    assert np.isfinite(finite_scores(np.array([np.nan, np.nan]))).all()
    large = finite_scores(np.array([3e38, np.nan], np.float32))
    assert large[1] > large[0]


@pytest.mark.parametrize("outliers", [[True, True], [False, False]])
def test_rows_that_are_all_alike_have_no_ranking(outliers):
    assert all(map(math.isnan, ranking_scores(np.array(outliers), np.arange(2.0)).values()))


def test_precision_of_the_first_rows():
    is_outlier = np.array([True, False, True, False, False])
    score = np.array([4, 3, 2, 2, 1], np.float32)
    shares = [precision_at(is_outlier, score, count) for count in (1, 2, 3, 4, 5)]
    assert shares == pytest.approx([1, 1 / 2, 1.5 / 3, 2 / 4, 2 / 5])
    assert math.isnan(precision_at(is_outlier, score, 0))
    scores = ranking_scores(is_outlier, score, 2)
    assert scores["precision_at_flagged"] == 1 / 2
    ordinary = ranking_scores(is_outlier & False, score, 2)
    assert math.isnan(ordinary["auroc"])
    assert ordinary["precision_at_flagged"] == 0


def test_precision_and_recall():
    wanted = np.array([1, 1, 1, 0, 0, 0, 0], bool)
    found = np.array([1, 0, 0, 1, 1, 1, 0], bool)
    assert precision_and_recall(wanted, found) == pytest.approx(
        {"precision": 1 / 4, "recall": 1 / 3}
    )
    nothing = precision_and_recall(wanted, wanted & False)
    assert math.isnan(nothing["precision"])
    assert nothing["recall"] == 0
    assert math.isnan(precision_and_recall(wanted & False, found)["recall"])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("non_vehicle", "unusual content"),
        ("no_vehicle", "unusual content"),
        ("unusual content", "unusual content"),
        ("odd_size", "odd size"),
        (" Glare", "glare"),
    ],
)
def test_kinds_by_the_names_of_the_report(kind, name):
    assert reported_kind(kind) == name
