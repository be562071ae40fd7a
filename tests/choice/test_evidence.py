"""What a sample tells of a set's clusterings."""

import numpy as np
import pytest

from streamclust.choice.choice_evidence import groups, overlap, separated
from streamclust.passes.passes import Passes


def scores(k, separated, largest=0.5, algorithm="kmeans"):
    return {
        "algorithm": algorithm,
        "n_clusters": k,
        "separated": separated,
        "smallest_cluster": 0.1,
        "largest_cluster": largest,
    }


def test_clusters_with_empty_borders_are_counted(executor):
    random = np.random.default_rng(0)
    corners = 20 * np.eye(3)
    rows = corners[random.integers(3, size=1000)] + random.standard_normal((1000, 3))
    beside = np.vstack([corners, corners[0] + 1])
    clusters = [(corners, np.full(3, 333)), (beside, np.array([167, 333, 333, 166]))]
    assert separated(rows, clusters, Passes(executor)) == [3, 2]


def test_groups_overlap_where_an_algorithms_sound_clusterings_do_not_tell():
    clear, unclear = scores(4, 4), scores(6, 2)
    assert not overlap([clear, unclear])
    assert overlap([unclear])
    assert overlap([clear, scores(4, 1, algorithm="ward")])
    refused = scores(4, 4, largest=0.94)
    assert overlap([refused, unclear])
    assert not overlap([refused])


@pytest.mark.parametrize("n_groups", [1, 5])
def test_groups_do_not_depend_on_what_was_clustered(executor, n_groups):
    random = np.random.default_rng(1)
    means = 2 * random.standard_normal((n_groups, 12))
    rows = means[random.integers(n_groups, size=8000)] + random.standard_normal((8000, 12))
    assert groups(rows, Passes(executor), 0) == n_groups


@pytest.mark.parametrize("n_rows", [1, 2, 9, 20])
def test_few_or_equal_rows_tell_no_groups_and_do_not_fail(n_rows):
    rows = np.random.default_rng(0).standard_normal((n_rows, 3))
    clusters = [(rows[:k], np.ones(k)) for k in range(1, n_rows + 1)]
    assert len(separated(rows, clusters, Passes())) == n_rows
    groups(rows, Passes(), 0)
    assert groups(np.ones((n_rows, 3)), Passes(), 0) is None
