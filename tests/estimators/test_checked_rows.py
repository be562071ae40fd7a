"""Rows of every container come as the same floats, checked, and a block at a time."""

import numpy as np
import pytest
import zarr
from scipy import sparse
from sklearn.base import BaseEstimator

from streamclust.estimators.checked_rows import CheckedRows, default_batch_rows, stacked

ROWS = np.arange(300).reshape(100, 3) % 7


class Named(BaseEstimator):
    """Something that learns columns."""


def containers(rows):
    """The rows as each container holds them."""
    import dask.array
    import dask.dataframe
    import pandas

    frame = pandas.DataFrame(rows, columns=list("abc"))
    stored = zarr.create_array({}, shape=rows.shape, chunks=(30, 2), dtype=rows.dtype)
    stored[...] = rows
    made = {
        "numpy": rows,
        "Fortran order": np.asfortranarray(rows),
        "every other": np.repeat(rows, 2, axis=0)[::2],
        "pandas": frame,
        "Zarr": stored,
        "dask": dask.array.from_array(rows, chunks=(40, 2)),
        "dask frame": dask.dataframe.from_pandas(frame, npartitions=3),
    }
    if rows.dtype != np.float16:  # of which scipy has no sparse rows
        made["sparse"] = sparse.csr_array(rows)
    return made


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "i2", "i8", "?"])
def test_all_containers_give_the_same(dtype):
    rows = ROWS.astype(dtype)
    expected = np.float32 if rows.dtype.kind == "f" and rows.dtype.itemsize <= 4 else np.float64
    for name, X in containers(rows).items():
        checked = CheckedRows(Named(), X, reset=True)
        assert checked.dtype == expected, name
        assert checked.shape == (100, 3), name
        for values in (checked[:], np.concatenate(list(checked.batches(33)))):
            assert values.dtype == expected, name
            assert values.flags.c_contiguous
            np.testing.assert_array_equal(values, rows.astype(expected), err_msg=name)


def test_names_are_learnt_and_asked_for():
    for name, X in containers(ROWS.astype(float)).items():
        model = Named()
        CheckedRows(model, X, reset=True)
        assert model.n_features_in_ == 3
        assert hasattr(model, "feature_names_in_") == ("pandas" in name or "frame" in name), name
        fewer = X.iloc[:, :2] if hasattr(X, "iloc") else X[:, :2]
        with pytest.raises(ValueError, match=r"features|feature names should match"):
            CheckedRows(model, fewer, reset=False)


def test_rows_of_another_byte_order():
    checked = CheckedRows(Named(), ROWS.astype(">f4"), reset=True)
    assert checked.dtype == np.float32
    np.testing.assert_array_equal(checked[:], ROWS)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_when_it_is_read(bad):
    rows = ROWS.astype(float)
    rows[50, 1] = bad
    for name, X in containers(rows).items():
        with pytest.raises(ValueError, match="Input X contains"):  # noqa: PT012
            checked = CheckedRows(Named(), X, reset=True)
            assert name == "sparse" or checked[:40].all() is not None
            checked[40:60]
        with pytest.raises(ValueError, match=r"Named does not accept missing|contains infinity"):
            list(CheckedRows(Named(), X, reset=True).batches(33))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (5, 0), (2, 3, 4)])
def test_what_are_no_rows(shape):
    import dask.array

    stored = zarr.create_array({}, shape=shape, chunks=tuple(max(n, 1) for n in shape), dtype="f8")
    for X in (np.zeros(shape), stored, dask.array.zeros(shape)):
        with pytest.raises(ValueError, match=r"2D array|0 sample|0 feature|dim 3"):  # noqa: PT012
            checked = CheckedRows(Named(), X, reset=True)
            list(checked.batches())


@pytest.mark.parametrize("X", [[["a", "b"]], np.ones((3, 2), complex), "rows", 7, None])
def test_what_are_no_numbers(X):
    with pytest.raises((ValueError, TypeError)):
        list(CheckedRows(Named(), X, reset=True).batches())


def test_empty_chunks_and_unknown_sizes_of_dask():
    import dask.array

    whole = dask.array.from_array(ROWS, chunks=((0, 30, 0, 70), 3))
    for X in (whole, whole[whole[:, 0] >= 0], whole[whole[:, 0] > 3]):
        checked = CheckedRows(Named(), X, reset=True)
        batches = list(checked.batches(33))
        assert min(map(len, batches)) > 0
        np.testing.assert_array_equal(np.concatenate(batches), np.asarray(X))
        np.testing.assert_array_equal(checked[:], np.asarray(X))


def test_rows_that_are_known_are_not_checked_again(monkeypatch):
    from streamclust.estimators import checked_rows as module

    seen = []
    real = module.check_array
    monkeypatch.setattr(module, "check_array", lambda *a, **k: seen.append(1) or real(*a, **k))
    checked = CheckedRows(Named(), ROWS.astype(np.float32), reset=True)
    for _ in range(3):
        for start in (0, 50):
            part = checked[start : start + 50]
            assert np.shares_memory(part, checked.slices.held)
    assert len(seen) == 2
    assert len(checked.prepared(lambda rows: rows + 1)[0:50]) == 50
    assert len(seen) == 2


def test_prepared_rows():
    checked = CheckedRows(Named(), ROWS, reset=True).prepared(lambda rows: rows + 1)
    np.testing.assert_array_equal(checked[20:30], ROWS[20:30] + 1)
    np.testing.assert_array_equal(np.concatenate(list(checked.batches(33))), ROWS + 1)


def test_a_default_batch_is_of_bounded_size():
    assert default_batch_rows(2560) * 2560 * 8 <= 2**25 < (default_batch_rows(2560) + 1) * 2560 * 8
    assert default_batch_rows(10**9) == 1


def test_stacked():
    parts = (ROWS[:40], ROWS[40:])
    made = stacked(iter(parts), ROWS.shape, np.float32)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, ROWS)
