"""The three verbs and the executors."""

import operator

import numpy as np
import pytest
import zarr

from streamclust.errors import ClusterError, SourceError
from streamclust.events import Events, PassAdvanced, PassStarted
from streamclust.passes.accumulators.clusters import Assignment
from streamclust.passes.accumulators.kept_rows import UniformSample
from streamclust.passes.accumulators.moments import Moments
from streamclust.passes.blocks import Columns, Rows, Shape, block_rows
from streamclust.passes.executors import LocalExecutor, in_order
from streamclust.passes.passes import Passes


@pytest.fixture
def stored(tmp_path, blobs):
    """The blobs as a Zarr array of six chunks."""
    array = zarr.create_array(
        tmp_path / "x.zarr", shape=blobs[0].shape, chunks=(512, 24), dtype="f4"
    )
    array[...] = blobs[0]
    return array


def rows_of(array, **more):
    return Rows(array, rows_a_block=512, **more)


@pytest.mark.parametrize(("row_bytes", "expected"), [(10_240, 2048), (512, 65_536), (1, 131_072)])
def test_blocks_are_powers_of_two_within_32_mib(row_bytes, expected):
    assert block_rows(row_bytes, 10**9) == expected
    assert block_rows(row_bytes, 1000) == 1000


def test_planned_rows_have_the_blocks_of_those_that_are_there():
    planned, there = Rows(Shape((9000, 1500), np.float64)), Rows(np.empty((9000, 1500)))
    assert planned.spans() == there.spans()
    assert len(planned.spans()) > 1


def test_columns_of_labels():
    columns = Columns([np.arange(5), np.arange(5) * 2])
    assert columns.shape == (5, 2)
    assert columns[1:3].tolist() == [[1, 2], [2, 4]]


def test_reduce_is_the_same_on_every_executor(executor, stored, blobs):
    """Bit for bit: no rounding may depend on where a block was summed."""
    expected = Passes(LocalExecutor(1)).reduce("", rows_of(blobs[0]), Moments()).result()
    found = Passes(executor).reduce("", rows_of(stored), Moments()).result()
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.m2, expected.m2)
    np.testing.assert_allclose(found.mean, blobs[0].mean(0, dtype=np.float64), rtol=1e-12)


def test_invalid_rows_are_passed_over(blobs):
    valid = np.arange(3000) % 3 > 0
    found = Passes().reduce("", rows_of(blobs[0], valid=valid), Moments()).result()
    assert found.count == 2000
    expected = blobs[0][valid].mean(0, dtype=np.float64)
    np.testing.assert_allclose(found.mean, expected, rtol=1e-12)


class Doubled:
    """A transform of two outputs."""

    def __call__(self, values, *extras):
        return values * 2, values[:, 0] > 0


def outputs(folder, chunk=1024):
    doubled = zarr.create_array(
        folder / "doubled", shape=(3000, 24), chunks=(chunk, 24), dtype="f4", fill_value=np.nan
    )
    positive = zarr.create_array(folder / "positive", shape=(3000,), chunks=(chunk,), dtype=bool)
    return doubled, positive


@pytest.mark.parametrize("chunk", [256, 512, 1024, 3000])
def test_write_fills_every_output_whatever_its_chunks(tmp_path, stored, blobs, chunk):
    doubled, positive = outputs(tmp_path, chunk)
    Passes(LocalExecutor(2)).write("", rows_of(stored), Doubled(), (doubled, positive))
    np.testing.assert_array_equal(doubled[...], blobs[0] * 2)
    np.testing.assert_array_equal(positive[...], blobs[0][:, 0] > 0)


def test_write_leaves_the_fill_value_at_invalid_rows(tmp_path, executor, stored, blobs):
    valid = np.arange(3000) % 5 > 0
    doubled, positive = outputs(tmp_path)
    Passes(executor).write("", rows_of(stored, valid=valid), Doubled(), (doubled, positive))
    np.testing.assert_array_equal(doubled[...][valid], blobs[0][valid] * 2)
    assert np.isnan(doubled[...][~valid]).all()
    assert not positive[...][~valid].any()


class Remembers:
    """A learner that keeps what it saw."""

    def __init__(self):
        self.batches = []

    def partial_fit(self, values, *extras):
        self.batches.append(values.copy())


def test_fold_shows_every_row_once_in_mixed_batches(executor, stored, blobs):
    learners = [Remembers() for _ in range(3)]
    learned = Passes(executor).fold("", rows_of(stored), learners, batch_rows=100, seed=1)
    for learner in learned:
        seen = np.concatenate(learner.batches)
        order = np.lexsort(blobs[0].T)
        np.testing.assert_array_equal(seen[np.lexsort(seen.T)], blobs[0][order])
        assert min(map(len, learner.batches)) >= 100
    for batch, other in zip(learned[0].batches, learned[2].batches, strict=True):
        np.testing.assert_array_equal(batch, other)


def test_fold_mixes_rows_of_several_blocks():
    rows = np.repeat(np.arange(4.0), 512)[:, None]
    learned = Passes().fold("", rows_of(rows), [Remembers()], batch_rows=256, seed=0)
    assert min(len(np.unique(batch)) for batch in learned[0].batches) == 4


def test_results_come_in_order_with_a_bounded_window():
    under_way, most = 0, 0

    class Future:
        def __init__(self, item):
            nonlocal under_way, most
            self.item = item
            under_way += 1
            most = max(most, under_way)

        def result(self):
            nonlocal under_way
            under_way -= 1
            return self.item

        def cancel(self):
            raise AssertionError("nothing is left to cancel")

    assert list(in_order(Future, range(20), 3)) == list(range(20))
    assert most == 3


def test_errors_of_a_task_come_through(executor):
    with pytest.raises((ZeroDivisionError, ClusterError), match="division"):
        list(executor.map(_inverse, [1, 0]))
    with pytest.raises(SourceError, match="of its own"):
        list(executor.map(_own_error, [1]))


def _inverse(number):
    return 1 / number


def _own_error(_):
    raise SourceError("an error of its own")


def test_no_scheduler_is_said_in_words():
    from streamclust.passes.dask_executor import DaskExecutor

    with pytest.raises(ClusterError, match=r"no dask scheduler at tcp://127\.0\.0\.1:1"):
        DaskExecutor("tcp://127.0.0.1:1", timeout=0.5)


def test_blas_runs_on_one_thread_inside_tasks():
    from threadpoolctl import threadpool_info

    def threads(_):
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    for found in LocalExecutor(2).map(threads, range(4)):
        assert set(found) == {1}


def test_passes_tell_how_far_they_are(blobs):
    seen = []
    Passes(events=Events(seen.append)).reduce("counting", rows_of(blobs[0]), Moments())
    assert seen[0] == PassStarted("counting", 3000, "rows")
    assert sum(event.amount for event in seen if isinstance(event, PassAdvanced)) == 3000


@pytest.mark.parametrize("size", [1, 100, 3000, 5000])
def test_the_sample_is_uniform_nested_and_free_of_blocks(blobs, size):
    def sampled(rows_a_block, size):
        rows = Rows(blobs[0], numbered=True, rows_a_block=rows_a_block)
        return Passes().reduce("", rows, UniformSample(size, 7)).result()

    values, numbers = sampled(512, size)
    assert len(np.unique(numbers)) == min(size, 3000)
    np.testing.assert_array_equal(values, blobs[0][numbers])
    np.testing.assert_array_equal(sampled(100, size)[1], numbers)
    np.testing.assert_array_equal(sampled(512, 20)[1][:size], numbers[:20])


def test_every_row_is_as_likely_to_be_sampled():
    counts = np.zeros(50)
    for seed in range(2000):
        sample = UniformSample(10, seed)
        sample.update(np.zeros((50, 1)), np.arange(50))
        counts[sample.result()[1]] += 1
    # 2000 draws of 10 of 50: mean 400, standard deviation 18.
    assert counts.min() > 320
    assert counts.max() < 480


def test_assignment_is_that_of_brute_force(blobs):
    values = blobs[0].astype(np.float64) + 1e6
    centers = [values[:3], values[10:17]]
    labels, distances = Assignment(centers)(values)
    for c, own in enumerate(centers):
        brute = ((values[:, None] - own[None]) ** 2).sum(2)
        np.testing.assert_array_equal(labels[:, c], brute.argmin(1))
        np.testing.assert_allclose(distances[:, c], brute.min(1), atol=1e-3)


def test_map_keeps_the_order_of_items(executor):
    assert list(executor.map(operator.neg, range(30))) == [-i for i in range(30)]
