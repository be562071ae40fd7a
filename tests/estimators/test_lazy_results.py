import dask.array
import numpy as np
import pytest

from streamclust.estimators.lazy_results import map_chunks

ROWS = np.arange(40.0).reshape(20, 2)


def doubled(rows):
    return np.concatenate([rows, rows[:, :1]], axis=1)


def firsts(rows):
    return rows[:, 0]


@pytest.mark.parametrize("chunks", [((7, 13), (1, 1)), ((0, 20, 0), 2), ((5,) * 4, 2)], ids=str)
@pytest.mark.parametrize("known", [True, False])
def test_results_have_the_dtype_and_shape_that_are_told(chunks, known):
    array = dask.array.from_array(ROWS, chunks=chunks)
    if not known:
        array = array[array[:, 0] >= 0]
    for function, n_columns in ((doubled, 3), (firsts, None)):
        told = map_chunks(array, function, np.dtype(np.float32), np.float32, n_columns)
        assert told.dtype == np.float32
        assert told.ndim == (1 if n_columns is None else 2)
        assert told.shape[1:] == (() if n_columns is None else (3,))
        made = told.compute()
        assert made.dtype == np.float32
        np.testing.assert_array_equal(made, function(ROWS))


def test_rows_are_checked_when_they_are_computed():
    array = dask.array.from_array(np.where(ROWS == 20, np.nan, ROWS), chunks=(5, 2))
    told = map_chunks(array, firsts, np.dtype(np.float64), np.float64)
    assert told[:10].compute().shape == (10,)
    with pytest.raises(ValueError, match="NaN"):
        told.compute()
