"""What is gathered of a sweep, and when."""

import numpy as np
import pytest

from streamclust.models.evidence import gather
from streamclust.passes import Passes

RANDOM = np.random.default_rng(0)


def halves(rows):
    left = rows[:, 0] < rows[:, 0].mean()
    return np.array([rows[left].mean(axis=0), rows[~left].mean(axis=0)]), np.array(
        [left.sum(), (~left).sum()]
    )


def test_a_mixture_is_fitted_where_borders_do_not_tell_from_the_most_clusters(executor):
    rows = RANDOM.standard_normal((1000, 3))
    clusters = [halves(rows), (rows[:5], np.full(5, 200))]
    assert gather(rows, clusters, Passes(executor)) == [
        {"separated": 0},
        {"separated": 0, "groups": 1},
    ]
    groups = 20 * np.eye(3)
    rows = groups[RANDOM.integers(3, size=1000)] + rows
    assert gather(rows, [(groups, np.full(3, 333))], Passes(executor)) == [{"separated": 3}]


def test_degenerate_clusterings_neither_tell_nor_begin_a_mixture():
    groups = 20 * np.eye(4)
    rows = groups[RANDOM.choice(4, size=1000, p=[0.94, 0.02, 0.02, 0.02])]
    rows += RANDOM.standard_normal(rows.shape)
    refused = groups, np.array([940, 20, 20, 20])
    assert gather(rows, [refused], Passes()) == [{"separated": 4}]
    found = gather(rows, [refused, halves(rows)], Passes())
    assert [set(one) for one in found] == [{"separated"}, {"separated", "groups"}]


@pytest.mark.parametrize("n_rows", [1, 2, 9])
def test_few_rows(n_rows):
    rows = RANDOM.standard_normal((n_rows, 3))
    clusters = [(rows[:k], np.ones(k)) for k in range(1, n_rows + 1)]
    assert len(gather(rows, clusters, Passes())) == n_rows
