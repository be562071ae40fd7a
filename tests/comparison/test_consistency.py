"""Consistency of labels within groups: against pandas, any number of groups, and chance."""

import math

import numpy as np
import pandas as pd
import pytest
from tracing import traced

from streamclust.comparison import labelling_yield as consistency
from streamclust.comparison.labelling_yield import BYTES_A_ROW, FIXED_BYTES, GroupConsistency

RNG = np.random.default_rng(2)


def plainly(groups: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    known = (groups >= 0) & (labels >= 0)
    table = pd.crosstab(groups[known], labels[known])
    table = table[table.sum(axis=1) > 1]
    n_rows = int(table.to_numpy().sum())
    return table.max(axis=1).sum() / n_rows, n_rows


@pytest.mark.parametrize("cells", [50, 2**20])
def test_shares_of_groups_in_any_order(monkeypatch, cells):
    monkeypatch.setattr(consistency, "_CELLS", cells)
    groups = RNG.integers(-1, 900, 4000) * 7919
    labels = RNG.integers(-1, 12, 4000)
    share, by_chance, n_rows = GroupConsistency(groups).shares(labels, 0)
    assert (share, n_rows) == pytest.approx(plainly(groups, labels))
    assert by_chance == pytest.approx(share, abs=0.02)


def test_equal_labels_within_groups():
    groups = np.repeat(np.arange(500), 4)
    share, by_chance, _ = GroupConsistency(groups).shares(groups % 2, 0)
    assert share == 1
    # Of four rows of two labels: all of one (2 / 16), three of one (8 / 16), or two (6 / 16).
    assert by_chance == pytest.approx((2 * 4 + 8 * 3 + 6 * 2) / 16 / 4, abs=0.01)


@pytest.mark.parametrize("groups", [np.arange(9), np.full(9, -1)])
def test_rows_without_siblings_tell_nothing(groups):
    share, by_chance, n_rows = GroupConsistency(groups).shares(np.zeros(9, int), 0)
    assert math.isnan(share)
    assert math.isnan(by_chance)
    assert n_rows == 0


@pytest.mark.parametrize("cells", [3, 2**20])
def test_split_and_whole_groups_counted_by_hand(monkeypatch, cells):
    monkeypatch.setattr(consistency, "_CELLS", cells)
    groups = GroupConsistency(np.array([7, 7, 7, 9, 9, 9, 4, 4, -1, -1, 3, 5, 5]))
    told = groups.whole(np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 2, -1]), 3)
    # 9 is split; 3 and what is labelled of 5 are single rows.
    np.testing.assert_array_equal(told[:2], [[1, 1, 0], [1, 1, 0]])
    share = 5 / 10
    assert told[2, 0] == 2 * share**3 + share**2
    assert groups.whole(np.full(13, -1), 3).sum() == 0


@pytest.mark.parametrize("n_groups", [1, 30_000])
def test_memory_with_any_number_of_groups(n_groups):
    n_rows = 300_000
    groups = RNG.integers(0, n_groups, n_rows)
    labels = RNG.integers(0, 1000, n_rows).astype(np.int32)
    _, shared = traced(lambda: GroupConsistency(groups).shares(labels, 0))
    _, whole = traced(lambda: GroupConsistency(groups).whole(labels, 1000))
    assert max(shared, whole) <= n_rows * BYTES_A_ROW + FIXED_BYTES
    assert min(shared, whole) >= n_rows * 8
