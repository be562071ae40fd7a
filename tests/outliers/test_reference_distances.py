"""Reference distances against scipy's, and what they are for."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from streamclust.outliers.measures.reference import PIECE_ROWS, ReferenceDistances, ReferenceSamples

ROWS = np.random.default_rng(0).standard_normal((PIECE_ROWS + 200, 6)) * np.arange(1, 7)
NUMBERS = np.arange(len(ROWS))


def drawn(rows, size, draws, seed=0):
    samples = ReferenceSamples(size, draws, seed)
    samples.update(rows, np.arange(len(rows)))
    return samples.result()


def by_brute_force(rows, numbers, samples, k):
    """Mean over the samples of the kth distance, a row's own left out."""
    per_sample = []
    for values, own in samples:
        distances = cdist(rows.astype(np.float64), values.astype(np.float64))
        distances[numbers[:, None] == own] = np.inf
        per_sample.append(np.sort(distances, axis=1)[:, k - 1])
    return np.mean(per_sample, axis=0)


@pytest.mark.parametrize(("dtype", "offset", "rtol"), [("f8", 0, 1e-6), ("f4", 1000, 1e-3)])
def test_distances_are_those_of_brute_force(dtype, offset, rtol):
    rows = (ROWS + offset).astype(dtype)
    samples = drawn(rows, 100, 4)
    near, far = ReferenceDistances(samples)(rows, NUMBERS)
    assert near.dtype == far.dtype == np.float32
    np.testing.assert_allclose(near, by_brute_force(rows, NUMBERS, samples, 1), rtol=rtol)
    np.testing.assert_allclose(far, by_brute_force(rows, NUMBERS, samples, 5), rtol=rtol)


def test_only_the_own_number_is_left_out():
    samples = drawn(ROWS, 100, 4)
    strangers = np.full(len(ROWS), -1)
    near, _ = ReferenceDistances(samples, near=3)(ROWS, strangers)
    expected = by_brute_force(ROWS, strangers, samples, 3)
    np.testing.assert_allclose(near, expected, rtol=1e-6)
    assert (near < ReferenceDistances(samples, near=3)(ROWS, NUMBERS)[0]).any()


@pytest.mark.parametrize("n_rows", [2, 3, 30])
def test_of_few_rows_all_others_are_references(n_rows):
    rows, numbers = ROWS[:n_rows], NUMBERS[:n_rows]
    distances = ReferenceDistances(drawn(rows, 500, 3), near=500)
    others = np.sort(cdist(rows, rows), axis=1)[:, 1:]
    np.testing.assert_allclose(distances(rows, numbers)[0], others[:, -1], rtol=1e-6)
    near, _ = ReferenceDistances(drawn(rows, 500, 3))(rows, numbers)
    np.testing.assert_allclose(near, others[:, 0], rtol=1e-6)


def test_identical_rows_are_at_no_distance():
    rows = np.repeat(ROWS[:1], 50, axis=0)
    near, far = ReferenceDistances(drawn(rows, 20, 3))(rows, NUMBERS[:50])
    assert not near.any()
    assert not far.any()


def test_samples_are_different_rows_of_all():
    samples = drawn(ROWS, 50, 4)
    for values, numbers in samples:
        assert len(np.unique(numbers)) == 50
        np.testing.assert_array_equal(values, ROWS[numbers])
    assert len({tuple(numbers) for _, numbers in samples}) == 4
    assert not np.array_equal(samples[0][1], drawn(ROWS, 50, 4, seed=1)[0][1])


def test_alike_outliers_do_not_hide_behind_each_other():
    rng = np.random.default_rng(1)
    group = 8 + 0.01 * rng.standard_normal((30, 10))
    rows = np.concatenate([rng.standard_normal((5000, 10)), group])
    distances = ReferenceDistances(drawn(rows, 500, 10))
    for measure in distances(rows, np.arange(len(rows))):
        assert measure[5000:].min() > measure[:5000].max()
