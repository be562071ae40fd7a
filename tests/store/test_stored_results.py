"""What is stored of descriptions, layouts and tables of attributes is read as it was written."""

import math

import numpy as np
import pytest
import zarr

from streamclust.passes.blocks import rows_at
from streamclust.store.attributes import AttributeTable, last_table, remember_table, stage_codes
from streamclust.store.clusterings import StoredClustering
from streamclust.store.descriptions import (
    Description,
    Finding,
    description_fingerprint,
    load_description,
    publish_description,
    restore_description,
)
from streamclust.store.layouts import (
    StoredLayout,
    layout_sources,
    layouts_of,
    publish_layout,
    stage_layout,
    stored_layouts,
)
from streamclust.store.outputs import Outputs
from streamclust.store.tables import stored_tables
from streamclust.store.workspace import Workspace, stage_array

TABLES = {
    "a.csv": (
        ("set", "n", "of", "score", "name"),
        [
            {"set": "2024", "n": 5_000_001, "of": np.int64(3), "score": 0.12345678, "name": "=1"},
            {"set": "b", "n": 2, "score": math.nan, "name": ""},
            {"set": None, "n": 0, "of": None, "score": 1.0, "name": "'x"},
        ],
    ),
    "empty.csv": (("set", "n"), []),
}


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    made = Workspace(tmp_path, create=True)
    with made.staging() as staged:
        staged.create_group("a").create_array("reduced", data=np.zeros((3, 2), np.float32))
        made.publish(staged["a/reduced"], "descriptors/a/reduced", "of reduced")
        clustering = staged.create_group("kmeans-2")
        clustering.create_array("sizes", data=np.array([2, 1]))
        made.publish(clustering, "descriptors/a/clusterings/kmeans-2", "of kmeans-2")
    return made


def test_cells_of_tables_are_read_with_their_types(workspace):
    stored = stored_tables(workspace, "compare")
    assert (stored.files, list(stored.lines("a.csv"))) == ([], [])
    stored.publish(TABLES, "first")
    assert (stored.fingerprint, stored.files) == ("first", list(TABLES))
    assert list(stored.columns("empty.csv")) == ["set", "n"]
    assert list(stored.lines("empty.csv")) == list(stored.lines("none.csv")) == []
    first, second, third = stored.lines("a.csv")
    assert first == {"set": "2024", "n": 5_000_001, "of": 3, "score": 0.123457, "name": "=1"}
    assert [type(first[column]) for column in ("n", "of", "score")] == [int, int, float]
    assert (second["set"], second["n"], second["name"]) == ("b", 2, None)
    assert math.isnan(second["of"])
    assert math.isnan(second["score"])
    assert third["set"] is None
    assert (third["score"], type(third["score"])) == (1, float)


def test_tables_are_written_where_they_do_not_stand(workspace):
    stored, outputs = stored_tables(workspace, "compare"), Outputs(workspace.folder, pytest.fail)
    stored.publish(TABLES, "first")
    stored.write(outputs)
    file = workspace.folder / "a.csv"
    assert file.read_text().split() == [
        "set,n,of,score,name", "2024,5000001,3,0.123457,'=1", "b,2,,,", ",0,,1,'x",
    ]  # fmt: skip
    written = file.stat().st_mtime_ns
    (workspace.folder / "empty.csv").unlink()
    stored.write(outputs)
    assert file.stat().st_mtime_ns == written
    assert (workspace.folder / "empty.csv").read_text() == "set,n\n"
    stored.publish({"a.csv": (("n",), [{"n": 1}])}, "second")
    stored.write(outputs)
    assert file.read_text() == "n\n1\n"
    assert stored.restore("first")
    assert len(list(stored.lines("a.csv"))) == 3


def described() -> Description:
    finding = Finding(1, "colour", "", "red|pink", 0.8, 0.0, math.inf, 1e-9, 12)
    unknown = dict.fromkeys(("accuracy", "chance"), math.nan)
    return Description(
        sizes=np.array([2, 1]),
        rows={"typical": [np.array([0, 2]), np.array([1])], "worst": [np.array([], int)] * 2},
        nearest=np.array([1, 0]),
        outlier_shares=np.full(2, np.nan),
        findings=[finding],
        against_nearest=[],
        readability={"readability": 0.5, **unknown},
        cluster_readability=np.array([0.4, 0.6]),
    )


def test_a_description_is_read_as_it_was_stored(workspace):
    clustering = StoredClustering(workspace, "a", "kmeans-2")
    assert load_description(clustering) is None
    with workspace.staging() as staged:
        publish_description(staged, clustering, described(), "first")
    read, written = load_description(clustering), described()
    assert description_fingerprint(clustering) == "first"
    assert read.findings == written.findings
    assert read.against_nearest == []
    for kind, rows in written.rows.items():
        assert [part.tolist() for part in read.rows[kind]] == [part.tolist() for part in rows]
    assert read.readability == pytest.approx(written.readability, nan_ok=True)
    for name in ("sizes", "nearest", "outlier_shares", "cluster_readability"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert restore_description(clustering, "first")
    assert not restore_description(clustering, "another")


def test_a_layout_is_current_until_its_rows_are_replaced(workspace):
    layout = StoredLayout(workspace, "a", "pca-2")
    about = {"method": "pca", "dimensions": 2, "axis_name": "axis", "clustering": None}
    about |= {"limits": [[0.0, 1.0]] * 2, "outside": 3, "quality": {"preservation": None}}
    with workspace.staging() as staged:
        group, positions = stage_layout(staged, {"axes": np.eye(2)}, (3, 2), 2)
        positions[:2] = 1
        made_of = layout_sources(workspace, "a", None)
        publish_layout(group, layout, "first", **about, made_of=made_of)
    assert (layout.method, layout.dimensions, layout.axis_name) == ("pca", 2, "axis")
    assert (layout.clustering, layout.outside, layout.limits.shape) == (None, 3, (2, 2))
    assert np.isnan(layout.positions[2]).all()
    assert list(layouts_of(workspace, "a")) == ["pca-2"]
    workspace.annotate("descriptors/a/reduced", fingerprint="of others")
    assert layouts_of(workspace, "a") == {}
    assert stored_layouts(workspace, "a") == [layout]


def test_the_table_that_was_used_last_is_remembered(workspace, tmp_path):
    assert last_table(workspace) is None
    for table in (
        AttributeTable(tmp_path / "known.csv"),
        AttributeTable(tmp_path / "known.csv", ("colour", "type")),
    ):
        remember_table(workspace, table)
        assert last_table(workspace) == table


def test_codes_are_those_of_their_rows():
    rows, codes = np.array([1, 70_000]), {"colour": np.array([2, 0], np.int32)}
    stored = stage_codes(zarr.create_group({}), rows, codes, 70_001)
    assert stored.shape == (70_001, 1)
    assert stored[rows, 0].tolist() == [2, 0]
    assert np.count_nonzero(stored[...] >= 0) == 2


@pytest.mark.parametrize(
    "values", [np.arange(20.0).reshape(10, 2), np.array([*"abcdefghij"], object)]
)
def test_rows_are_read_by_number_in_any_order(values):
    dtype = str if values.dtype == object else values.dtype
    array = stage_array(zarr.create_group({}), "values", values.shape, dtype, 3)
    array[...] = values
    rows = np.array([9, 0, 4, 4, 3])
    np.testing.assert_array_equal(rows_at(array, rows), values[rows])
