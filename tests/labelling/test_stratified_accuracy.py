"""Accuracies by stratified samples, against Neyman's formula, scipy's Wilson, and the truth."""

import numpy as np
import pytest
from scipy import stats

from streamclust.labelling.stratified_accuracy import allocate, stratified_accuracy


def test_rows_are_asked_for_in_proportion_to_size_and_spread():
    sizes, spreads = np.array([4000, 2000, 1000]), np.array([0.1, 0.4, 0.2])
    asked = allocate(sizes, spreads, 700)
    assert asked.sum() == 700
    expected = 700 * sizes * spreads / (sizes @ spreads)
    np.testing.assert_allclose(asked, expected, atol=1.5)
    few = allocate(np.array([1, 0, 5, 9000]), np.array([1.0, 1, 0, 1]), 20)
    assert few.tolist() == [1, 0, 2, 17]
    assert allocate(np.array([3, 4]), np.ones(2), 100).tolist() == [3, 4]


def test_one_stratum_is_a_simple_random_sample():
    """Of so many answers that those lent do not show, it is Wilson's."""
    found = stratified_accuracy(*map(np.array, ([10**9], [4000], [3200])))
    wilson = stats.binomtest(3200, 4000).proportion_ci(method="wilson")
    assert found.estimate == 0.8
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=1e-4)


def test_the_estimate_weighs_strata_by_their_rows():
    sizes, asked, right = map(np.array, ([900, 100], [10, 10], [9, 1]))
    found = stratified_accuracy(sizes, asked, right)
    assert found.estimate == pytest.approx(0.9 * 0.9 + 0.1 * 0.1)
    assert (found.rows, found.asked, found.right) == (1000, 20, 10)
    assert found.low < found.estimate < found.high


def test_all_rows_looked_at_leave_no_doubt():
    sizes = np.array([5, 7])
    found = stratified_accuracy(sizes, sizes, np.array([5, 3]))
    assert (found.low, found.estimate, found.high) == pytest.approx((8 / 12,) * 3)
    assert found.more == 0


def test_no_answer_is_no_accuracy():
    found = stratified_accuracy(np.array([5, 7]), np.zeros(2, int), np.zeros(2, int))
    assert np.isnan([found.estimate, found.low, found.high]).all()


@pytest.mark.parametrize(("alpha", "beta"), [(4, 1), (30, 1), (2, 2)])
def test_the_interval_holds_the_truth(alpha, beta):
    random = np.random.default_rng(0)
    held = []
    for _ in range(400):
        sizes = np.maximum(2, random.dirichlet(np.full(28, 0.7)) * 5000).astype(int)
        truly = (sizes * random.beta(alpha, beta, 28)).round().astype(int)
        asked = allocate(sizes, np.ones(28), 200)
        right = random.hypergeometric(truly, sizes - truly, asked)
        found = stratified_accuracy(sizes, asked, right)
        held.append(found.low <= truly.sum() / sizes.sum() <= found.high)
    # 95 % of 400, less three standard errors.
    assert np.mean(held) > 0.917


def test_more_answers_make_the_interval_as_narrow_as_is_said():
    few = stratified_accuracy(*map(np.array, ([10**6], [100], [80])))
    enough = np.array([100 + few.more])
    found = stratified_accuracy(np.array([10**6]), enough, (0.8 * enough).astype(int))
    assert (found.high - found.low) / 2 == pytest.approx(0.03, abs=0.002)
