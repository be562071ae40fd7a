"""The same rows out of whatever holds them, a part at a time, and read once."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from streamclust.sources.containers import is_dask, is_lazy, slices_of

ROWS = np.arange(300).reshape(100, 3)


class Stored:
    """An array outside numpy that notes what is read of it."""

    def __init__(self, rows: np.ndarray, chunk_rows: int, dtype: Any = None) -> None:
        self.rows, self.shape, self.dtype = rows, rows.shape, dtype or rows.dtype
        self.chunks = (chunk_rows, rows.shape[1])
        self.reads: list[tuple[int, int]] = []

    def __getitem__(self, span: slice) -> np.ndarray:
        self.reads.append((span.start or 0, min(span.stop, len(self.rows))))
        return self.rows[span]


@pytest.mark.parametrize(
    ("chunk_rows", "batch_rows", "reads"),
    [
        (40, 25, [(0, 40), (40, 80), (80, 100)]),
        (10, 25, [(0, 20), (20, 40), (40, 60), (60, 80), (80, 100)]),
        (100, 1000, [(0, 100)]),
    ],
)
def test_every_chunk_is_read_once(chunk_rows, batch_rows, reads):
    stored = Stored(ROWS, chunk_rows)
    batches = list(slices_of(stored).parts(batch_rows))
    assert stored.reads == reads
    assert max(map(len, batches)) <= batch_rows
    np.testing.assert_array_equal(np.concatenate(batches), ROWS)


def test_every_chunk_of_a_dask_array_is_computed_once():
    import dask.array

    made = []

    def make(block: np.ndarray, block_info: dict) -> np.ndarray:
        made.append(block_info[0]["chunk-location"])
        return block

    tiled = dask.array.from_array(ROWS, chunks=(40, 2)).map_blocks(make, meta=ROWS[:0])
    made.clear()
    batches = list(slices_of(tiled).parts(25))
    np.testing.assert_array_equal(np.concatenate(batches), ROWS)
    assert [len(batch) for batch in batches] == [25, 15, 25, 15, 20]
    assert sorted(made) == [(i, j) for i in range(3) for j in range(2)]


def test_numpy_rows_are_views():
    for rows in (ROWS, np.asfortranarray(ROWS)):
        assert all(np.shares_memory(part, rows) for part in slices_of(rows).parts(7))


@pytest.mark.parametrize("make", [sparse.coo_array, sparse.csr_matrix, sparse.csc_array])
def test_sparse_rows_are_dense_a_part_at_a_time(make):
    parts = list(slices_of(make(ROWS)).parts(33))
    assert [part.shape for part in parts] == [(33, 3), (33, 3), (33, 3), (1, 3)]
    assert all(type(part) is np.ndarray for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), ROWS)


def test_frames_are_sliced_by_position():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, index=np.arange(100)[::-1], columns=list("abc"))
    parts = list(slices_of(frame).parts(33))
    assert list(parts[0].columns) == list("abc")
    np.testing.assert_array_equal(np.concatenate(parts), ROWS)
    mixed = frame.assign(b=np.float32(1), c=pandas.array([1] * 100, "Int64"))
    assert slices_of(mixed[["a"]]).dtype == np.int64
    assert slices_of(mixed[["b"]]).dtype == np.float32
    assert slices_of(mixed).dtype == object


def test_sizes_that_dask_does_not_know_are_computed_when_rows_are_counted():
    import dask.array

    tiled = dask.array.from_array(ROWS, chunks=(40, 2))
    some = tiled[tiled[:, 0] >= 150]  # the first chunk is empty then
    slices = slices_of(some)
    np.testing.assert_array_equal(np.concatenate(list(slices.parts(25))), ROWS[50:])
    assert slices.n_columns == 3
    assert np.isnan(some.shape[0])
    assert slices.shape == (50, 3)
    assert np.isnan(some.shape[0])  # as it was given
    np.testing.assert_array_equal(slices[20:33], ROWS[70:83])


def test_dask_frames_are_arrays_of_their_partitions():
    pandas = pytest.importorskip("pandas")
    import dask.dataframe

    frame = dask.dataframe.from_pandas(pandas.DataFrame(ROWS, columns=list("abc")), npartitions=3)
    assert is_dask(frame)
    slices = slices_of(frame)
    assert slices.dtype == ROWS.dtype
    np.testing.assert_array_equal(np.concatenate(list(slices.parts(25))), ROWS)


def test_a_type_that_is_not_numpys_is_read_from_the_first_row():
    stored = Stored(ROWS.astype(np.float32), 10, "a type of its own")
    assert slices_of(stored).dtype == np.float32
    assert stored.reads == [(0, 1)]


def test_what_is_lazy():
    import dask.array

    pandas = pytest.importorskip("pandas")
    assert is_lazy(Stored(ROWS, 10))
    assert is_lazy(dask.array.from_array(ROWS))
    assert is_dask(dask.array.from_array(ROWS))
    for rows in (ROWS, ROWS.tolist(), sparse.csr_array(ROWS), pandas.DataFrame(ROWS)):
        assert not is_lazy(rows)
        assert not is_dask(rows)
    assert slices_of(ROWS.tolist()) is None
