"""The yield of naming clusters: by hand, by leaving rows out one by one, and its interval."""

import math

import numpy as np
import pytest

from streamclust.comparison.labelling_yield import (
    _leave_one_out,
    are_elsewhere,
    known_apart,
    labelling_yield,
)
from streamclust.passes.accumulators.counts import count_pairs


def test_it_is_exact_where_all_is_known():
    table = np.array([[6, 1, 0], [2, 5, 0], [0, 4, 0]])
    told = labelling_yield(table, np.array([8, 7, 5]), 20)
    assert (told.share, told.low, told.high) == (11 / 20,) * 3
    assert (told.baseline, told.n_known) == (8 / 20, 20)


def test_nothing_known():
    told = labelling_yield(np.zeros((2, 3), int), np.zeros(2, int), 9)
    assert told.n_known == 0
    assert math.isnan(told.share)


@pytest.mark.parametrize("seed", range(20))
def test_leaving_rows_out_one_by_one(seed):
    """Against the plain way; small counts, so that there are ties."""
    table = np.random.default_rng(seed).integers(0, 5, (3, 6))
    right = 0.0
    for value, cluster in zip(*np.nonzero(table), strict=True):
        others = table[:, cluster].copy()
        others[value] -= 1
        if others.any() and others[value] == others.max():
            right += table[value, cluster] / np.count_nonzero(others == others.max())
    assert _leave_one_out(table) == pytest.approx(right)


@pytest.mark.parametrize(("n_clusters", "n_known"), [(10, 300), (30, 300), (12, 3600)])
def test_the_interval_holds_the_yield_of_all_rows(n_clusters, n_known):
    rng = np.random.default_rng(n_clusters)
    n_rows, n_values, held, errors = 4000, 8, 0, []
    for _ in range(100):
        chances = rng.dirichlet(np.full(n_values, 0.5), n_clusters).cumsum(axis=1)
        labels = rng.integers(0, n_clusters, n_rows)
        values = (chances[labels] > rng.random(n_rows)[:, None]).argmax(axis=1)
        shape = (n_values, n_clusters)
        true = count_pairs(values, labels, shape).max(axis=0).sum() / n_rows
        known = rng.choice(n_rows, n_known, replace=False)
        table = count_pairs(values[known], labels[known], shape)
        told = labelling_yield(table, table.sum(axis=1), n_rows)
        held += told.low <= true <= told.high
        errors.append(told.share - true)
    assert held >= 93
    assert abs(np.mean(errors)) < 0.01


def test_how_far_known_rows_are_from_all():
    sizes = np.array([40, 40, 20])
    assert known_apart(sizes // 4, sizes) == 0
    assert known_apart(np.array([0, 0, 7]), sizes) == pytest.approx(0.8)
    assert known_apart(np.array([5, 5, 10]), sizes) == pytest.approx(0.3)
    assert known_apart(np.array([3, 0]), np.array([3, 9_999_997])) == pytest.approx(1)
    assert math.isnan(known_apart(np.zeros(3, int), sizes))


def test_few_rows_of_a_uniform_sample_lie_where_all_do():
    rng, sizes = np.random.default_rng(0), np.full(50, 100)
    few = [rng.multivariate_hypergeometric(sizes, 60) for _ in range(100)]
    assert min(known_apart(known, sizes) for known in few) > 0.25
    assert not any(are_elsewhere(known, sizes) for known in few)
    half = np.repeat([12, 0], 25)
    assert are_elsewhere(half, sizes)
    assert not are_elsewhere(sizes, sizes)
    assert not are_elsewhere(0 * sizes, sizes)
