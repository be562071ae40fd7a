import numpy as np
import pytest
from rounding import rounding
from scipy import sparse

from streamclust.errors import SettingsError
from streamclust.estimators.inputs import (
    CheckedRows,
    default_batch_rows,
    is_dask,
    is_lazy,
    iter_batches,
    largest_spread,
    near_enough,
)
from streamclust.passes.scaling import unit_rows


class Stored:
    """An array outside numpy that notes what is read of it."""

    def __init__(self, rows: np.ndarray, chunk_rows: int) -> None:
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype
        self.chunks = (chunk_rows, rows.shape[1])
        self.reads: list[tuple[int, int]] = []

    def __getitem__(self, span: slice) -> np.ndarray:
        self.reads.append((span.start, min(span.stop, len(self.rows))))
        return self.rows[span]


ROWS = np.arange(300).reshape(100, 3)


@pytest.mark.parametrize(
    ("chunk_rows", "batch_rows", "reads"),
    [
        (40, 25, [(0, 40), (40, 80), (80, 100)]),
        (10, 25, [(0, 20), (20, 40), (40, 60), (60, 80), (80, 100)]),
        (100, 1000, [(0, 100)]),
    ],
)
def test_every_chunk_is_read_once(
    chunk_rows: int, batch_rows: int, reads: list[tuple[int, int]]
) -> None:
    stored = Stored(ROWS, chunk_rows)
    batches = list(iter_batches(stored, batch_rows))
    assert stored.reads == reads
    assert max(map(len, batches)) <= batch_rows
    np.testing.assert_array_equal(np.concatenate(batches), ROWS)


def test_every_chunk_of_a_dask_array_is_computed_once() -> None:
    import dask.array

    made = []

    def make(block: np.ndarray, block_info: dict) -> np.ndarray:
        made.append(block_info[0]["chunk-location"])
        return block

    tiled = dask.array.from_array(ROWS, chunks=(40, 2)).map_blocks(make, meta=ROWS[:0])
    made.clear()
    batches = list(iter_batches(tiled, 25))
    np.testing.assert_array_equal(np.concatenate(batches), ROWS)
    assert [len(batch) for batch in batches] == [25, 15, 25, 15, 20]
    assert sorted(made) == [(i, j) for i in range(3) for j in range(2)]


def test_numpy_rows_are_views_and_all_others_arrays() -> None:
    assert all(np.shares_memory(batch, ROWS) for batch in iter_batches(ROWS, 7))
    for rows in (ROWS.tolist(), sparse.coo_array(ROWS), sparse.csr_matrix(ROWS)):
        batches = list(iter_batches(rows, 33))
        assert [batch.shape for batch in batches] == [(33, 3), (33, 3), (33, 3), (1, 3)]
        assert all(type(batch) is np.ndarray for batch in batches)
        np.testing.assert_array_equal(np.concatenate(batches), ROWS)


def test_what_is_lazy() -> None:
    import dask.array

    pandas = pytest.importorskip("pandas")
    assert is_lazy(Stored(ROWS, 10))
    assert is_lazy(dask.array.from_array(ROWS))
    assert is_dask(dask.array.from_array(ROWS))
    for rows in (ROWS, ROWS.tolist(), sparse.csr_array(ROWS), pandas.DataFrame(ROWS)):
        assert not is_lazy(rows)
        assert not is_dask(rows)


def test_a_default_batch_is_of_bounded_size() -> None:
    assert default_batch_rows(2560) * 2560 * 8 <= 2**25 < (default_batch_rows(2560) + 1) * 2560 * 8
    assert default_batch_rows(10**9) == 1


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


def test_checked_rows() -> None:
    rows = CheckedRows(Stored(ROWS, 40), np.float32, unit_rows)
    assert (rows.shape, rows.dtype) == ((100, 3), np.float32)
    np.testing.assert_array_equal(rows[20:30], unit_rows(ROWS[20:30].astype(np.float32)))
    broken = ROWS.astype(float)
    broken[50, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        CheckedRows(broken, np.float64)[40:60]


def test_squares_of_the_largest_spread_can_be_summed() -> None:
    most = largest_spread(20)
    values = np.zeros((2, 20), np.float32)
    values[1] = 0.49 * most
    assert near_enough(values) is values
    sums = np.square(values).sum(dtype=np.float32) * np.float32(2**30)
    assert np.isfinite(sums)
    with pytest.raises(SettingsError, match="too large for squared distances"):
        near_enough(-values * 1.1)
    assert largest_spread(20, np.float64) > 1e100


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
