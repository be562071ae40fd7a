import pickle

import numpy as np
import pytest
from rounding import rounding
from tracing import traced

from streamclust.errors import SettingsError
from streamclust.passes.accumulators import covariance as module
from streamclust.passes.accumulators.covariance import (
    Covariance,
    compute_dtype,
    out_of_range,
    pieces,
)


def covariance_of(*blocks: np.ndarray) -> Covariance:
    covariance = Covariance()
    for block in blocks:
        covariance.update(block)
    return covariance


def scatter_of(values: np.ndarray) -> np.ndarray:
    exact = values.astype(np.float64)
    exact = exact - exact.mean(axis=0)
    return exact.T @ exact


def assert_rounded(covariance: Covariance, expected: np.ndarray, tolerance: float) -> None:
    """That each entry is off by so much of what its two columns hold (Cauchy & Schwarz)."""
    deviations = np.sqrt(np.diag(expected))
    off = np.abs(covariance.result().scatter - expected)
    assert (off <= tolerance * np.outer(deviations, deviations)).all()


@pytest.mark.parametrize(
    "dtype", [np.float64, np.longdouble, np.int64, np.float32, np.float16, np.uint8, bool]
)
def test_every_dtype_against_numpy(dtype: type) -> None:
    rng = np.random.default_rng(0)
    values = np.abs(rng.standard_normal((5000, 300)) @ rng.standard_normal((300, 300)))
    values = (values > 20 if dtype is bool else values).astype(dtype)
    covariance = covariance_of(values)
    known, kind = covariance.result(), compute_dtype(np.dtype(dtype))
    assert known.count == 5000
    np.testing.assert_allclose(known.mean, values.mean(axis=0, dtype=float), rtol=1e-12)
    # NumPy's own sum, over all rows in float64, is rounded too.
    own = rounding(len(values), np.float64)
    assert_rounded(covariance, scatter_of(values), rounding(module.PIECE_ROWS, kind) + own)
    np.testing.assert_array_equal(known.scatter, known.scatter.T)


@pytest.mark.parametrize("n_features", [1, 31, 32, 33, 256, 257, 513])
def test_panels_and_strips_meet(n_features: int) -> None:
    values = np.random.default_rng(1).standard_normal((50, n_features)) + 3
    known = covariance_of(values[:17], values[17:]).result()
    np.testing.assert_allclose(known.scatter, scatter_of(values), rtol=1e-10, atol=1e-10)


def test_a_large_mean_costs_few_digits() -> None:
    rng = np.random.default_rng(2)
    noise = rng.integers(-16, 17, (6000, 20)) / 16.0  # what float32 holds exactly next to 1e5
    for dtype, offset in [(np.float32, 1e5), (np.float64, 1e6)]:
        values = (noise + offset).astype(dtype)
        covariance = covariance_of(values[:1], values[1:3000], values[3000:])
        # The means are rounded at the size of the offset.
        tolerance = rounding(module.PIECE_ROWS, dtype) + rounding(len(values), np.float64) * offset
        assert_rounded(covariance, scatter_of(noise), tolerance)


def test_sorted_rows_are_as_exact_as_shuffled_ones() -> None:
    rng = np.random.default_rng(3)
    values = np.sort(rng.standard_normal((20000, 5)).astype(np.float32) * 100, axis=0)
    blocks, expected = np.array_split(values, 40), scatter_of(values)
    # What lies between blocks, here nearly all, is summed in float64.
    within = sum(map(scatter_of, blocks))
    tolerance = rounding(500) * within.max() + rounding(20000, np.float64) * expected.max()
    assert np.abs(covariance_of(*blocks).result().scatter - expected).max() < tolerance


def test_an_outlier_first_costs_no_digits() -> None:
    values = np.random.default_rng(4).standard_normal((5000, 8))
    values[0] = 1e7
    known = covariance_of(values[:1], values[1:]).result()
    expected = scatter_of(values)
    assert np.abs(known.scatter - expected).max() < 1e-12 * np.abs(expected).max()
    rest = covariance_of(values[1:]).result()
    np.testing.assert_allclose(rest.scatter, scatter_of(values[1:]), rtol=1e-9, atol=1e-9)


def test_pieces_are_even_and_complete() -> None:
    values = np.arange(4100)[:, None]
    cut = list(pieces(values, 2048))
    assert [len(piece) for piece in cut] == [1366, 1367, 1367]
    np.testing.assert_array_equal(np.concatenate(cut), values)
    assert list(pieces(values[:0], 2048)) == []


def test_the_dtype_of_products() -> None:
    narrow = (np.float16, np.float32, np.int8, np.uint8, np.int16, np.uint16, np.bool_)
    assert {compute_dtype(np.dtype(kind)) for kind in narrow} == {np.dtype(np.float32)}
    wide = (np.float64, np.longdouble, np.int32, np.uint32, np.int64)
    assert {compute_dtype(np.dtype(kind)) for kind in wide} == {np.dtype(np.float64)}


def test_dtypes_may_change_between_blocks() -> None:
    values = np.random.default_rng(5).integers(0, 100, (300, 4))
    mixed = covariance_of(values[:100].astype(np.float32), values[100:200], values[200:])
    assert_rounded(mixed, scatter_of(values), rounding(100))


@pytest.mark.parametrize("factor", [1e30, 1e18, 1e-16, 1e-30])
def test_products_that_leave_the_range_of_float32(factor: float) -> None:
    rng = np.random.default_rng(6)
    values = rng.standard_normal((5000, 30)).astype(np.float32)
    values[:, 7] *= np.float32(factor)  # one column alone
    values[:, 9] = 0.1  # a constant is no reason to leave float32
    covariance, expected = covariance_of(values[:1], values[1:]), scatter_of(values)
    expected[9] = expected[:, 9] = 0  # of a constant NumPy's mean is off
    assert_rounded(covariance, expected, rounding(module.PIECE_ROWS))
    assert not out_of_range(np.delete(values - values[0], 7, axis=1))


def test_sums_beyond_float64_are_infinite_without_a_word() -> None:
    values = np.array([[1e200], [-1e200]])
    both = covariance_of(values)
    both.merge(covariance_of(values + 1e201))
    assert np.isinf(both.result().scatter).all()


def test_rows_of_another_length_are_refused() -> None:
    covariance = covariance_of(np.zeros((2, 3)))
    with pytest.raises(SettingsError, match="4 columns cannot join rows of 3"):
        covariance.update(np.zeros((2, 4)))
    with pytest.raises(SettingsError, match="4 columns cannot join rows of 3"):
        covariance.merge(covariance_of(np.zeros((2, 4))))


def test_results_cannot_be_written_to() -> None:
    known = covariance_of(np.eye(3)).result()
    with pytest.raises(ValueError, match="read-only"):
        known.scatter[0, 0] = 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_rows", "n_features"), [(5000, 700), (100, 900), (3000, 20)])
def test_nbytes_is_true(dtype: type, n_rows: int, n_features: int) -> None:
    values = np.ones((n_rows, n_features), dtype)

    def updated_twice() -> Covariance:
        covariance = Covariance()
        covariance.update(values)
        covariance.update(values)
        return covariance

    held, peak = traced(updated_twice)
    stated = Covariance.nbytes(n_features, n_rows, values.itemsize)
    # A mean in float64 of float32 rows has numpy cast them in buffers of its own.
    assert 0.6 * stated < held <= peak <= stated + 2**18


def test_scratch_is_neither_kept_nor_pickled() -> None:
    covariance = covariance_of(np.ones((2000, 300), np.float32))
    state = 8 * 300**2 + 8 * 300
    assert len(pickle.dumps(covariance)) < state + 2000
    assert covariance._scratch is not None
    covariance.result()
    assert covariance._scratch is None
    covariance.update(np.ones((2000, 300), np.float32))
    covariance.merge(Covariance())
    assert covariance._scratch is None
    assert module.PIECE_ROWS >= 2000
