"""Contingency tables counted block by block, against scikit-learn's of all rows."""

import numpy as np
from sklearn.metrics.cluster import contingency_matrix

from streamclust.passes.accumulators.counts import Contingency


def test_blocks_count_as_all_rows_do():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, [4, 30], (5000, 2)).astype(np.int32)
    codes = rng.integers(0, 7, 5000)
    counted = Contingency([4, 30, 7], [(0, 2), (1, 2), (0, 1)])
    for start in range(0, 5000, 700):
        counted.update(labels[start : start + 700], codes[start : start + 700])
    columns = [*labels.T, codes]
    for table, (a, b) in zip(counted.result(), counted.pairs, strict=True):
        assert table.dtype == np.int64
        assert np.array_equal(table, contingency_matrix(columns[a], columns[b]))


def test_what_is_not_known_is_counted_nowhere():
    first, second = np.array([0, 1, -1, 1, -2]), np.array([1, -1, 0, 1, -1])
    counted = Contingency([2, 3], [(0, 1)])
    counted.update(first, second)
    assert counted.result()[0].tolist() == [[0, 1, 0], [0, 1, 0]]


def test_its_memory_is_that_of_its_tables():
    counted = Contingency([40, 1000, 7], [(0, 1), (2, 1)])
    assert Contingency.nbytes([40, 1000, 7], counted.pairs) == sum(
        table.nbytes for table in counted.result()
    )
