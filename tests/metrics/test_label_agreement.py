"""Agreement of two codings from their table: scikit-learn's indices of the labels themselves."""

import math

import numpy as np
import pytest
from sklearn import metrics
from sklearn.metrics.cluster import expected_mutual_information as theirs

from streamclust.metrics.label_agreement import agreement, expected_mutual_information, occupied
from streamclust.passes.accumulators.counts import count_pairs

RNG = np.random.default_rng(5)
NAMES = ("ami", "ari", "homogeneity", "completeness", "v_measure")


def codings(n_rows: int, n_classes: int, n_clusters: int, shared: float):
    """Two skewed codings, a part of whose rows tell the same."""
    truth = (n_classes * RNG.random(n_rows) ** 2).astype(np.int64)
    labels = np.where(RNG.random(n_rows) < shared, truth, RNG.integers(0, n_clusters, n_rows))
    return truth, labels % n_clusters


CASES = {
    "independent": codings(3000, 7, 5, 0),
    "alike": codings(3000, 7, 7, 0.8),
    "large": codings(60_000, 13, 30, 0.3),
    "many": codings(5000, 900, 40, 0.5),
    "equal": (np.arange(90) % 9,) * 2,
    "one cluster": (np.arange(30) % 3, np.zeros(30, int)),
    "one of each": (np.zeros(30, int),) * 2,
    "all apart": (np.arange(40),) * 2,
    "one row": (np.zeros(1, int),) * 2,
    "tiny": (np.array([0, 0, 1]), np.array([1, 0, 1])),
    "opposed": (np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])),
}


@pytest.mark.parametrize("case", CASES)
def test_the_indices_are_those_of_scikit_learn(case):
    truth, labels = CASES[case]
    # Codes that no row has change nothing.
    told = agreement(count_pairs(truth, labels, (truth.max() + 3, labels.max() + 2)))
    expected = [
        metrics.adjusted_mutual_info_score(truth, labels),
        metrics.adjusted_rand_score(truth, labels),
        *metrics.homogeneity_completeness_v_measure(truth, labels),
    ]
    assert told == pytest.approx(dict(zip(NAMES, expected, strict=True)), abs=1e-9)


@pytest.mark.parametrize("n_rows", [50, 5000, 400_000])
def test_the_expectation_leaves_nothing_out(n_rows):
    truth, labels = codings(n_rows, 12, 9, 0.2)
    table = occupied(count_pairs(truth, labels, (12, 9)))
    told = expected_mutual_information(table.sum(axis=1), table.sum(axis=0))
    assert told == pytest.approx(theirs(table, n_rows), rel=1e-7)


def test_by_hand():
    truth = np.repeat([0, 1, 2], 20)
    finer = agreement(count_pairs(truth, np.arange(60) // 10, (3, 6)))
    assert finer["homogeneity"] == pytest.approx(1)
    assert finer["completeness"] == pytest.approx(math.log(3) / math.log(6))


def test_no_rows_tell_nothing():
    empty = np.zeros((3, 4), np.int64)
    assert all(map(math.isnan, agreement(empty).values()))
