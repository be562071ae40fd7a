"""Descriptors that a program holds are clustered as those of files are."""

import dask.array
import numpy as np
import pandas as pd
import pytest
import zarr

from streamclust import api
from streamclust.errors import SourceError
from streamclust.sources.memory import held_sets, open_held

ROWS = np.random.default_rng(0).normal(size=(300, 6)).astype("f4")


def containers(folder):
    np.save(folder / "rows.npy", ROWS)
    return {
        "array": ROWS,
        "Fortran order": np.asfortranarray(ROWS),
        "other bytes": ROWS.astype(">f4"),
        "mapped": np.load(folder / "rows.npy", mmap_mode="r"),
        "part of a map": np.load(folder / "rows.npy", mmap_mode="r")[:],
        "frame": pd.DataFrame(ROWS),
        "zarr": zarr.array(ROWS, chunks=(70, 6)),
        "dask": dask.array.from_array(ROWS, chunks=(90, 6)),
    }


def test_rows_of_any_container(tmp_path):
    for name, held in containers(tmp_path).items():
        source = open_held(held, "a")
        assert (source.shape, source.dtype) == (ROWS.shape, ROWS.dtype), name
        for part in (slice(0, 100), slice(100, 300), slice(20, 50), slice(0, 0)):
            np.testing.assert_array_equal(source[part], ROWS[part], name)


def test_tensors():
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(open_held(torch.from_numpy(ROWS), "a")[:], ROWS)


def test_a_map_is_read_from_its_file(tmp_path):
    maps = containers(tmp_path)
    assert not open_held(maps["mapped"], "a").is_sequential
    assert open_held(maps["part of a map"][10:], "a").is_sequential


@pytest.mark.usefixtures("all_unrendered")
def test_a_run_on_arrays(tmp_path):
    done = []
    made = api.run({"b": ROWS, "a": ROWS[:, :3]}, tmp_path / "out", n_clusters=2)
    assert made.descriptors == ["a", "b"]
    np.testing.assert_array_equal(made.store["descriptors/b/raw"][...], ROWS)
    api.run(
        {"a": ROWS[:, :3].copy(), "b": ROWS},
        tmp_path / "out",
        n_clusters=2,
        observers=[done.append],
    )
    started = {event.step for event in done if type(event).__name__ == "StepStarted"}
    assert "ingest" not in started
    made.assign({"b": ROWS[:50]}, tmp_path / "new.csv")
    assert len(pd.read_csv(tmp_path / "new.csv")) == 50
    made.update({"a": ROWS[:50, :3] + 1, "b": ROWS[:50] + 1})
    assert made.store["descriptors/b/raw"].shape == (350, 6)


def test_one_array_has_no_name(tmp_path):
    assert list(held_sets(ROWS)) == ["descriptors"]
    assert held_sets([str(tmp_path)]) is None
    assert held_sets(tmp_path) is None


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"a": ROWS[0]}, r"a: has shape \(6,\), not \(rows, columns\)"),
        ({"a": ROWS.astype(object)}, "a: holds object values"),
        ({"a": ROWS[:0]}, "a: has 0 rows"),
        ({"a": [[1, 2]]}, "a: is list, not an array"),
        ({"a": ROWS, "b": ROWS[1:]}, "the numbers of rows differ: a 300, b 299"),
        ({"path": ROWS}, "'path' cannot name a set"),
        ({}, "no descriptors"),
        (pd.DataFrame({"x": ["a"]}), "descriptors: holds object values"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(tmp_path, held, words):
    with pytest.raises(SourceError, match=words):
        api.plan(held)


def test_what_was_written_to_a_map_that_is_copied(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="c")
    mapped[:] = 7
    assert (open_held(mapped, "a")[:] == 7).all()


def test_masked_values_are_refused():
    masked = np.ma.masked_greater(ROWS, 1)
    with pytest.raises(SourceError, match="a: has masked values"):
        open_held(masked, "a")
    np.testing.assert_array_equal(open_held(np.ma.array(ROWS), "a")[:], ROWS)


def test_columns_of_frames_that_are_no_descriptors():
    frame = pd.DataFrame(ROWS, columns=list("abcdef"))
    source = open_held(frame.assign(id=range(300), name="x", is_car=False, n=1), "a")
    np.testing.assert_array_equal(source[:], ROWS)
    assert source.note == "a: not read as descriptors: id, name, is_car, n"


def test_chunks_of_lazy_arrays_count_in_memory():
    whole = ROWS.nbytes
    assert open_held(zarr.array(ROWS, chunks=(300, 6)), "a").working_bytes == whole
    assert open_held(dask.array.from_array(ROWS, chunks=(150, 6)), "a").working_bytes == whole


class NoArray:
    """As a tensor with a gradient."""

    shape, dtype, ndim = (3, 2), "torch.float32", 2

    def __getitem__(self, rows):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def test_tensors_that_are_no_arrays():
    with pytest.raises(SourceError, match=r"requires grad.*tensor\.detach\(\)"):
        open_held(NoArray(), "a")
