"""Rows of unit length, whatever they are of."""

import numpy as np
import pytest
from rounding import rounding

from streamclust.passes.scaling import unit_rows


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int64])
def test_unit_rows(dtype: type) -> None:
    rows = (np.random.default_rng(0).standard_normal((3000, 500)) * 50 + 100).astype(dtype)
    rows[7] = 0
    unit = unit_rows(rows)
    assert unit.dtype == (np.float64 if dtype in (np.float64, np.int64) else np.float32)
    exact = rows.astype(np.float64)
    exact /= np.where(exact.any(axis=1), np.linalg.norm(exact, axis=1), 1)[:, None]
    # Lengths are sums in float64, here and there; what is left is the rounding of the quotient.
    rtol = 2 * rounding(500, np.float64) + np.finfo(unit.dtype).eps
    np.testing.assert_allclose(unit, exact, rtol=rtol)
    assert not unit[7].any()


def test_unit_rows_of_great_length_and_in_place() -> None:
    rows = np.full((2, 4), 1e30, np.float32)
    np.testing.assert_allclose(unit_rows(rows), 0.5, rtol=1e-6)
    assert unit_rows(rows, out=rows) is rows
    np.testing.assert_allclose(rows, 0.5, rtol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_unit_rows_pass_over_what_is_not_finite(wrong: float) -> None:
    rows = np.ones((3, 4), np.float32)
    rows[1, 2] = wrong
    unit = unit_rows(rows)
    np.testing.assert_array_equal(unit[[0, 2]], 0.5)
    assert np.isnan(unit[1, 2])


@pytest.mark.parametrize("factor", [1e200, 1e-200, 1e-155, 1e-162, 1e-310])
def test_unit_rows_whose_squares_are_beyond_float64(factor: float) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 7)) + 3
    rows[3] = 0
    expected = unit_rows(rows)
    mixed = rows.copy()
    mixed[1:40] *= factor
    unit = unit_rows(mixed)
    # Numbers below 2e-308 have fewer digits themselves.
    np.testing.assert_allclose(unit, expected, rtol=1e-12 if factor > 1e-300 else 1e-10)
    np.testing.assert_array_equal(unit[[0, 3, *range(40, 50)]], expected[[0, 3, *range(40, 50)]])
    assert unit_rows(mixed, out=mixed) is mixed
    np.testing.assert_array_equal(mixed, unit)
