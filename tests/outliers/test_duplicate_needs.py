"""The memory that the duplicates take, were every row one."""

from typing import Any

import numpy as np
import pytest
from tracing import traced

from streamclust.outliers.near_duplicates import (
    FindDuplicates,
    NearPairs,
    common_groups,
    duplicate_groups,
)
from streamclust.passes import Rows, Shape
from streamclust.planning import ExpectedShapes
from streamclust.settings import Settings

N_ROWS = 60_000


def groups_of(exact: bool, seed: int):
    """Four duplicates of every row, in no order: 240,000 pairs."""
    rng = np.random.default_rng(seed)
    pairs = NearPairs(1.0, 0.4)
    for start in range(0, N_ROWS, 10_000):
        shape = (10_000, 4)
        apart = 0 if exact else np.sort(rng.uniform(0.01, 0.39, shape), axis=1)
        others = rng.integers(0, N_ROWS, shape)
        distances = np.broadcast_to(apart, shape).astype(np.float32)
        pairs.update(distances, others, np.arange(start, start + 10_000))
    return duplicate_groups(pairs.result(), 0.4)


@pytest.mark.parametrize("sets", [(True,) * 3, (True, False)])
def test_very_many_pairs_stay_within_what_is_planned(sets):
    def found() -> Any:
        return common_groups(groups_of(exact, seed) for seed, exact in enumerate(sets))

    expected = ExpectedShapes({"a": Rows(Shape((N_ROWS, 8), np.float32))}, Settings())
    (need,) = FindDuplicates(["a"]).needs(expected)
    assert traced(found, repeats=1)[1] <= need.fixed
    groups = found()
    if all(sets):
        assert np.array_equal(groups.row, np.arange(N_ROWS))
        assert not groups.group.any()
