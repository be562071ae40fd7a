import numpy as np
import pytest
from tracing import traced

from streamclust.errors import SettingsError
from streamclust.passes.accumulators.moments import Moments


def moments_of(values: np.ndarray) -> Moments:
    moments = Moments()
    moments.update(values)
    return moments


@pytest.mark.parametrize(
    "dtype",
    [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.uint16, np.int64, bool],
)
def test_every_dtype_against_numpy(dtype: type) -> None:
    values = (np.random.default_rng(0).standard_normal((5000, 9)) * 20).astype(dtype)
    known = moments_of(values).result()
    exact = values.astype(np.float64)
    assert known.count == 5000
    # Of few values that recur all sums are rounded alike, so that errors do not make up for others.
    tolerance = 5000 * np.finfo(np.float64).eps
    atol = tolerance * np.abs(exact).max()
    np.testing.assert_allclose(known.mean, exact.mean(axis=0), rtol=0, atol=atol)
    np.testing.assert_allclose(known.variance, exact.var(axis=0), rtol=tolerance)
    np.testing.assert_array_equal(known.minimum, exact.min(axis=0))
    np.testing.assert_array_equal(known.range, np.ptp(exact, axis=0))


def test_a_large_mean_costs_few_digits() -> None:
    noise = np.random.default_rng(1).integers(-8, 9, (20000, 3)) / 8.0
    known = moments_of(noise + 1e6).result()
    np.testing.assert_allclose(known.variance, noise.var(axis=0), rtol=1e-10)


def test_a_constant_column_has_no_variance() -> None:
    values = np.full((10000, 2), 0.1, dtype=np.float32)
    values[:, 1] = np.arange(10000)
    known = moments_of(values).result()
    assert known.variance[0] < 1e-30
    assert known.range[0] == 0
    assert known.variance[1] > 1


def test_nothing_seen() -> None:
    known = Moments().result()
    assert known.count == 0
    assert known.mean.shape == known.variance.shape == (0,)


def test_rows_of_another_length_are_refused() -> None:
    moments = moments_of(np.zeros((2, 3)))
    with pytest.raises(SettingsError, match="4 columns cannot join rows of 3"):
        moments.update(np.zeros((2, 4)))


@pytest.mark.parametrize("shape", [(8192, 512), (300, 40000), (20000, 30)])
def test_nbytes_is_true(shape: tuple[int, int]) -> None:
    values = np.ones(shape, np.float32)
    _, peak = traced(lambda: moments_of(values))
    # A mean in float64 of float32 rows has numpy cast them in buffers of its own.
    assert 0.5 * Moments.nbytes(shape[1]) < peak <= Moments.nbytes(shape[1]) + 2**18
