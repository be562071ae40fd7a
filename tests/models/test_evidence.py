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


def test_mixtures_and_gaps_are_only_for_what_borders_do_not_tell(executor):
    rows = RANDOM.standard_normal((1000, 3))
    clusters = [halves(rows), (rows[:5], np.full(5, 200))]
    found = gather(rows, clusters, 0, Passes(executor))
    assert [set(one) for one in found] == [{"separated", "bic", "gap", "gap_error"}] * 2
    groups = 20 * np.eye(3)
    rows = groups[RANDOM.integers(3, size=1000)] + rows
    assert gather(rows, [(groups, np.full(3, 333))], 0, Passes(executor)) == [{"separated": 3}]


@pytest.mark.parametrize("n_rows", [1, 2, 9])
def test_few_rows(n_rows):
    rows = RANDOM.standard_normal((n_rows, 3))
    clusters = [(rows[:k], np.ones(k)) for k in range(1, n_rows + 1)]
    assert len(gather(rows, clusters, 0, Passes())) == n_rows
