"""Descriptors that are rounded when they are stored."""

import numpy as np
import pandas as pd
import pytest
from cases import write_case

from streamclust import api
from streamclust.errors import SourceError

ROWS = np.random.default_rng(0).normal(size=(300, 6)).astype("f4")


@pytest.fixture
def case(tmp_path):
    whole = np.arange(1800, dtype=np.uint8).reshape(300, 6)
    return write_case(tmp_path / "case", a=ROWS, b=ROWS.astype("f8"), c=whole)


def test_values_are_rounded_to_the_nearest(case, tmp_path):
    made = api.ingest(case, tmp_path / "out", store_dtype="float16")
    raw = {name: made.store[f"descriptors/{name}/raw"][...] for name in "abc"}
    np.testing.assert_array_equal(raw["a"], ROWS.astype("f2"))
    np.testing.assert_array_equal(raw["b"], ROWS.astype("f2"))
    assert raw["c"].dtype == np.uint8
    made = api.ingest(case, tmp_path / "out", store_dtype="float32")
    assert [made.store[f"descriptors/{name}/raw"].dtype for name in "ab"] == ["f4", "f4"]


@pytest.mark.usefixtures("all_unrendered")
def test_new_rows_are_rounded_as_the_old_ones(tmp_path):
    case = write_case(tmp_path / "case", a=ROWS)
    new = write_case(tmp_path / "new", a=ROWS[:50] + np.float32(1e-5))
    (new / "images_paths.csv").write_text("".join(f"new/{row}.jpg\n" for row in range(50)))
    made = api.run(case, tmp_path / "out", n_clusters=2, store_dtype="float16")
    made.assign(new, tmp_path / "new.csv")
    before = pd.read_csv(tmp_path / "new.csv").iloc[:, 2].tolist()
    assert before == made.labels("a")[:50].tolist()
    made.update(new)
    assert made.store["descriptors/a/raw"].dtype == np.float16
    assert made.store["descriptors/a/raw"].shape == (350, 6)
    assert made.verify() == []


def test_what_is_out_of_its_range_is_refused(tmp_path):
    values = ROWS.copy()
    values[17, 3] = -70_000
    case = write_case(tmp_path / "case", a=values)
    with pytest.raises(SourceError, match=r"row 17 holds -70000, and float16 ends at 65504: leave"):
        api.ingest(case, tmp_path / "out", store_dtype="float16")
    values[17, 3] = np.inf
    case = write_case(tmp_path / "infinite", a=values)
    made = api.ingest(case, tmp_path / "out", store_dtype="float16", invalid="mask")
    assert made.store["descriptors/a/raw"].dtype == np.float16


def test_rows_below_the_range_are_refused(tmp_path):
    rows = ROWS.copy()
    rows[:, 0] = 1e-9
    case = write_case(tmp_path / "case", a=rows)
    made = api.ingest(case, tmp_path / "out", store_dtype="float16")
    assert not made.store["descriptors/a/raw"][:, 0].any()
    rows[7] = 1e-9
    case = write_case(tmp_path / "other", a=rows)
    with pytest.raises(SourceError, match="row 7 holds up to 1e-09, which float16 has as 0"):
        api.ingest(case, tmp_path / "other_out", store_dtype="float16")
