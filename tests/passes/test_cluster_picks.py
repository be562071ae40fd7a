"""Rows that stand for clusters, against all distances at once."""

import numpy as np
import pytest

from streamclust.passes.accumulators.kept_rows import ClusterPicks

MEANS = np.array([[0.0, 0.0], [10.0, 0.0], [np.nan, np.nan], [0.0, 8.0]])


@pytest.fixture
def picked():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 3, -1], 4000)
    values = (MEANS[labels] + rng.normal(0, 2, (4000, 2))).astype(np.float32)
    picks = ClusterPicks(MEANS, 100, 5, 0)
    for part in np.array_split(np.arange(4000), 7):
        picks.update(values[part], labels[part], part)
    apart = np.linalg.norm(values[:, None] - MEANS, axis=2)
    return labels, apart, picks.result()


def test_the_extremes_are_those_of_all_rows(picked):
    labels, apart, (_, border, far) = picked
    own = apart[np.arange(len(labels)), labels]
    others = apart.copy()
    others[np.arange(len(labels)), labels] = np.nan
    other = np.nanmin(others, axis=1)
    margin = np.abs(other - own) / (other + own)
    for cluster in (0, 1, 3):
        mine = np.flatnonzero(labels == cluster)
        farthest = mine[np.argsort(-own[mine])][:5]
        assert far.rows[far.labels == cluster].tolist() == farthest.tolist()
        nearest = mine[np.argsort(margin[mine])][:5]
        assert border.rows[border.labels == cluster].tolist() == nearest.tolist()
        beyond = border.others[border.labels == cluster]
        assert beyond.tolist() == np.nanargmin(others[nearest], axis=1).tolist()
    assert not {2, -1} & set(far.labels.tolist())


def test_the_sample_is_uniform_and_nested(picked):
    labels, apart, (sample, *_) = picked
    assert np.bincount(sample.labels).tolist() == [100, 100, 0, 100]
    np.testing.assert_array_equal(labels[sample.rows], sample.labels)
    np.testing.assert_allclose(sample.distances, apart[sample.rows, sample.labels], rtol=1e-6)
    # Of 100 of 1,000 numbered rows the mean number is within 4 standard errors.
    for cluster in (0, 1, 3):
        rows, mine = sample.rows[sample.labels == cluster], np.flatnonzero(labels == cluster)
        assert abs(rows.mean() - mine.mean()) < 4 * mine.std() / 10
        assert abs(rows[:50].mean() - mine.mean()) < 4 * mine.std() / 50**0.5


def test_a_single_cluster_borders_on_none():
    picks = ClusterPicks(np.zeros((1, 2)), 3, 2, 0)
    picks.update(np.eye(4, 2), np.zeros(4, int), np.arange(4))
    assert picks.result().border.others.tolist() == [-1, -1]
