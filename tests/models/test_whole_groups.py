"""Groups inside clusters, counted by hand."""

import numpy as np

from streamclust.models.whole_groups import whole_groups


def test_split_and_whole_groups():
    groups = np.array([7, 7, 7, 9, 9, 9, 4, 4, -1, -1, 3, 5, 5])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 2, -1])
    told = whole_groups(groups, labels, 3)
    # 9 is split; 3 and what is labelled of 5 are single rows.
    np.testing.assert_array_equal(told[:2], [[1, 1, 0], [1, 1, 0]])
    share = 5 / 10
    assert told[2, 0] == 2 * share**3 + share**2
    assert whole_groups(groups, np.full(13, -1), 3).sum() == 0
