"""Consistency of labels within groups: against pandas, any number of groups, and chance."""

import math

import numpy as np
import pandas as pd
import pytest
from tracing import traced

from streamclust.models import consistency
from streamclust.models.consistency import BYTES_A_ROW, FIXED_BYTES, GroupConsistency

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


def test_memory_with_many_groups():
    n_rows = 300_000
    groups, labels = RNG.integers(0, n_rows // 10, n_rows), RNG.integers(0, 1000, n_rows)
    _, taken = traced(lambda: GroupConsistency(groups).shares(labels.astype(np.int32), 0))
    assert taken <= n_rows * BYTES_A_ROW + FIXED_BYTES
    assert taken >= n_rows * 8
