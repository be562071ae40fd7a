"""Descriptors in Parquet, Arrow and Hugging Face data sets."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from cases import write_case

from streamclust import api
from streamclust.errors import SourceError
from streamclust.sources import open_source
from streamclust.sources.case_folder import find_case, open_sets
from streamclust.sources.formats.arrow import columns
from streamclust.sources.formats.arrow import lists as arrow_lists
from streamclust.sources.paths import iter_paths

pa = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = np.random.default_rng(0).normal(size=(300, 6)).astype("f4")
PATHS = [f"a/{row}é.jpg" for row in range(300)]


def fixed(values=ROWS):
    return pa.FixedSizeListArray.from_arrays(values.reshape(-1), values.shape[1])


def lists(values=ROWS):
    return pa.array([*values], pa.list_(pa.from_numpy_dtype(values.dtype)))


def large(values=ROWS):
    return lists(values).cast(pa.large_list(pa.from_numpy_dtype(values.dtype)))


def as_parquet(path, table):
    parquet.write_table(table, path, row_group_size=70)


def as_feather(path, table):
    feather.write_feather(table, path, compression="lz4", chunksize=70)


def as_file(path, table):
    feather.write_feather(table, path, compression="uncompressed", chunksize=70)


def as_stream(path, table):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=70)


WRITERS = [as_parquet, as_feather, as_stream]


def check(path, values=ROWS, paths=None):
    source = pickle.loads(pickle.dumps(open_source(path)))
    assert (source.shape, source.dtype) == (values.shape, values.dtype)
    for start, stop in [(0, 100), (100, 101), (120, 300), (3, 9), (0, 300), (5, 5), (280, 300)]:
        np.testing.assert_array_equal(source.read(start, stop), values[start:stop])
    assert source.has_paths == (paths is not None)
    if paths is not None:
        assert list(source.iter_paths()) == paths


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("make", [fixed, lists])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4"])
def test_a_column_of_lists(tmp_path, write, make, dtype):
    values = (ROWS * 100).astype(dtype)
    write(tmp_path / "a.x", pa.table({"n": range(300), "emb": make(values), "image_path": PATHS}))
    check(tmp_path / "a.x", values, PATHS)


@pytest.mark.parametrize("write", WRITERS)
def test_columns_of_numbers(tmp_path, write):
    columns = {f"x{number}": column for number, column in enumerate(ROWS.T)}
    write(tmp_path / "a.x", pa.table({"index": range(300), "filename": PATHS, **columns}))
    check(tmp_path / "a.x", paths=PATHS)
    whole = (ROWS * 9).astype("i2")
    columns = {f"x{number}": column for number, column in enumerate(whole.T)}
    write(tmp_path / "a.x", pa.table(columns))
    check(tmp_path / "a.x", whole)


def test_a_frame_of_pandas(tmp_path):
    pd.DataFrame({"path": PATHS, "emb": [*ROWS]}, index=PATHS).to_parquet(tmp_path / "a.parquet")
    check(tmp_path / "a.parquet", paths=PATHS)


@pytest.mark.parametrize("write", WRITERS)
def test_several_columns_of_lists_are_named(tmp_path, write):
    write(tmp_path / "a.x", pa.table({"b": fixed(), "c": fixed(ROWS[:, :2].copy())}))
    with pytest.raises(SourceError, match=r"holds lists in b, c: name one, as a\.x/b"):
        open_source(tmp_path / "a.x")
    check(tmp_path / "a.x" / "c", ROWS[:, :2])


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"x": [[1.0, 2.0], [3.0]]}, "row 1 of 'x' has 1 numbers, and the first 2"),
        ({"x": [[1.0, 2.0], None]}, "row 1 of 'x' holds no value"),
        ({"x": [[1.0, 2.0], [None, 1.0]]}, "row 1 of 'x' holds no value"),
        ({"x": [1.0, None]}, "row 1 of 'x' holds no value"),
        ({"x": ["a", "b"]}, r"holds no column of lists of numbers, but x \(string\)"),
        ({"x": [[1.0]], "y": [[2.0]]}, "name one"),
    ],
)
def test_what_is_no_table_of_numbers(tmp_path, write, table, words):
    write(tmp_path / "a.x", pa.table(table))
    with pytest.raises(SourceError, match=words) as caught:
        open_source(tmp_path / "a.x")[:]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("write", WRITERS)
def test_what_is_damaged(tmp_path, write):
    path = tmp_path / "a.x"
    write(path, pa.table({"emb": fixed(), "path": PATHS}))
    whole = path.read_bytes()
    for length in (len(whole) // 2, len(whole) - 9, len(whole) - 8):
        path.write_bytes(whole[:length])
        with pytest.raises(SourceError, match=r"is damaged|breaks off before its end"):
            open_source(path)[:]


def test_paths_of_another_table(tmp_path):
    for number, part in enumerate([PATHS[:100], PATHS[100:]]):
        table = pa.table({"image_path": part, "n": range(len(part))})
        as_parquet(tmp_path / f"metadata_{number}.parquet", table)
    assert list(iter_paths(tmp_path / "metadata_*.parquet")) == PATHS
    as_parquet(tmp_path / "b.parquet", pa.table({"n": range(100)}))
    with pytest.raises(SourceError, match=r"no column is called 'path' \(n\)"):
        list(iter_paths(tmp_path / "b.parquet"))


def test_a_data_set_of_hugging_face(tmp_path):
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_dict({"embedding": ROWS.tolist(), "image_path": PATHS})
    made = made.cast_column("embedding", datasets.Sequence(datasets.Value("float32")))
    made.save_to_disk(tmp_path / "a", num_shards=3)
    check(tmp_path / "a", paths=PATHS)
    datasets.DatasetDict({"train": made, "test": made}).save_to_disk(tmp_path / "b")
    with pytest.raises(SourceError, match="holds test, train: name one, as b/test"):
        open_source(tmp_path / "b")
    check(tmp_path / "b" / "train", paths=PATHS)


@pytest.mark.usefixtures("all_unrendered")
def test_a_run_on_a_table(tmp_path):
    case = write_case(tmp_path / "case", b=ROWS)
    (case / "images_paths.csv").unlink()
    as_parquet(case / "descriptors" / "a.parquet", pa.table({"emb": fixed(), "path": PATHS}))
    assert open_sets(find_case(case))[0].paths_file == case / "descriptors" / "a.parquet"
    made = api.run(case, tmp_path / "out", n_clusters=2)
    np.testing.assert_array_equal(made.store["descriptors/a/raw"][...], ROWS)
    assert made.store["images/path"][:].tolist() == PATHS
    whole = (tmp_path / "out/metrics.csv").read_text()
    assert whole.count("kmeans,2") == 2


@pytest.mark.parametrize("write", [as_file, as_stream])
@pytest.mark.parametrize("column", ["emb", "path"])
def test_places_beyond_the_memory_of_a_batch(tmp_path, write, column):
    """Arrow would read there, which ends the process."""
    path = tmp_path / "a.x"
    write(path, pa.table({"emb": lists(), "path": [f"{row:03}.jpg" for row in range(300)]}))
    ends = np.arange(71, dtype="i4") * (6 if column == "emb" else 7)
    moved = ends + (ends > 0) * np.int32(2**30)
    assert ends.tobytes() in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(ends.tobytes(), moved.tobytes()))
    with pytest.raises(SourceError, match=r"a\.x: is damaged"):
        [open_source(path)[:], *open_source(path).iter_paths()]


def test_rows_that_no_batch_can_hold(tmp_path):
    as_stream(path := tmp_path / "a.x", pa.table({"emb": fixed(ROWS[:67])}))
    whole = path.read_bytes()
    path.write_bytes(whole.replace((67).to_bytes(8, "little"), (2**40).to_bytes(8, "little")))
    with pytest.raises(SourceError, match="record batch 0 is too short for its rows"):
        open_source(path)


def test_a_stream_that_goes_on_behind_its_end(tmp_path):
    as_stream(path := tmp_path / "a.x", pa.table({"emb": fixed()}))
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(SourceError, match="goes on behind its end, at byte"):
        open_source(path)


def test_batches_are_begun_with_where_the_rows_are(tmp_path):
    """Rows behind are read when those before cannot be."""
    as_file(path := tmp_path / "a.x", pa.table({"n": [0] * 300, "emb": lists()}))
    whole, ends = path.read_bytes(), (np.arange(71, dtype="i4") * 6).tobytes()
    second = whole.index(ends, whole.index(ends) + 1)
    path.write_bytes(whole[:second] + bytes(len(ends)) + whole[second + len(ends) :])
    source = pickle.loads(pickle.dumps(open_source(path)))
    np.testing.assert_array_equal(source[150:290], ROWS[150:290])
    with pytest.raises(SourceError, match="row 70 of 'emb' has 0 numbers, and the first 6"):
        source[:150]


def test_shards_of_a_data_set_have_the_same_columns(tmp_path):
    for number, name in enumerate(["emb", "other"]):
        as_stream(tmp_path / f"{number}.arrow", pa.table({name: fixed()}))
    state = {"_data_files": [{"filename": f"{number}.arrow"} for number in range(2)]}
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.raises(SourceError, match=r"1\.arrow: has no column 'emb', which shards before"):
        open_source(tmp_path)[:]


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("make", [fixed, lists, large])
def test_all_rows_in_one_batch_behind_other_columns(tmp_path, monkeypatch, make, compression):
    """It is read in pieces, and so is one of which some bytes are not worth packing."""
    monkeypatch.setattr(columns, "_PIECE_BYTES", 6 * 4 * 13)
    monkeypatch.setattr(arrow_lists, "_AT_ONCE", 17)
    numbers = range(300)
    before = {
        "none": pa.nulls(300),
        "flag": pa.array([True, None, False] * 100),
        "day": pa.array([*numbers], pa.date32()),
        "price": pa.array([*numbers], pa.decimal128(9, 2)),
        "kind": pa.array(["bus", "car", None] * 100).dictionary_encode(),
        "view": pa.array(["more than twelve letters", "b", "c"] * 100, "string_view"),
        "view2": pa.array([b"x"] * 300, "binary_view"),
        "bytes": pa.array([b"ab"] * 300, pa.binary(2)),
        "box": pa.array([{"x": [1, 2], "y": None}] * 300),
        "tags": pa.array([[("k", [1.5])]] * 300, pa.map_(pa.string(), pa.list_(pa.float64()))),
        "nothing": pa.array([None] * 300, pa.list_(pa.list_(pa.string()), 2)),
        "when": pa.array([*numbers], pa.timestamp("us")),
    }
    table = pa.table({**before, "emb": make(), "path": PATHS, "after": pa.nulls(300, "f4")})
    options = pa.ipc.IpcWriteOptions(compression=compression)
    for new in (pa.ipc.new_file, pa.ipc.new_stream):
        file = pa.BufferOutputStream()
        with new(file, table.schema, options=options) as written:
            written.write_table(table)
        (tmp_path / "a.x").write_bytes(file.getvalue())
        check(tmp_path / "a.x" / "emb", paths=PATHS)
        source = open_source(tmp_path / "a.x" / "emb")
        assert all(len(part.batches) == 1 and part.lists for part in source.parts)
        assert next(source.pieces(299))[0] == (0 if compression else 299)


@pytest.mark.parametrize("write", [as_feather, as_file, as_stream])
@pytest.mark.parametrize(
    ("row", "bad", "length", "words"),
    [
        (211, None, -1, "holds no value"),
        (211, None, 6, "holds no value"),
        (187, [1.0, 2.0, None, 4.0, 5.0, 6.0], -1, "holds no value"),
        (187, [1.0, 2.0, None, 4.0, 5.0, 6.0], 6, "holds no value"),
        (299, [1.0] * 5, -1, "has 5 numbers, and the first 6"),
    ],
)
def test_the_row_that_is_none_behind_many(tmp_path, monkeypatch, write, row, bad, length, words):
    monkeypatch.setattr(arrow_lists, "_AT_ONCE", 17)
    rows = [*ROWS.tolist()]
    rows[row] = bad
    write(tmp_path / "a.x", pa.table({"emb": pa.array(rows, pa.list_(pa.float32(), length))}))
    with pytest.raises(SourceError, match=f"row {row} of 'emb' {words}"):
        open_source(tmp_path / "a.x")[:]


def test_a_folder_of_lance_is_told_with_the_way_out(tmp_path):
    for name in ("_versions/1.manifest", "data/0.lance"):
        file = tmp_path / "a.lance" / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x")
    with pytest.raises(SourceError) as caught:
        open_source(tmp_path / "a.lance")
    assert str(caught.value).endswith(
        "is a Lance data set: pyarrow.dataset.write_dataset(lance.dataset('a.lance').scanner()"
        ".to_reader(), 'a', format='parquet')"
    )


def test_what_many_columns_hold_is_reckoned(tmp_path):
    """A page and a dictionary of each, up to what there is of it."""
    parts = {f"x{number}": column for number, column in enumerate(ROWS.T)}
    held = []
    for n_columns in (3, 6):
        table = pa.table({name: parts[name] for name in list(parts)[:n_columns]})
        parquet.write_table(table, tmp_path / "a.x")
        group = parquet.read_metadata(tmp_path / "a.x").row_group(0)
        held.append(open_source(tmp_path / "a.x").working_bytes - 2 * group.total_byte_size)
    pieces = [2**24 // (4 * n_columns) * 4 * n_columns for n_columns in (3, 6)]
    assert held[0] - 2 * pieces[0] == held[1] - 2 * pieces[1]


def test_missing_values_of_a_dictionary_are_no_paths(tmp_path):
    values = pa.array(["a.jpg", None], pa.string())
    names = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 150, pa.int8()), values)
    as_feather(tmp_path / "a.arrow", pa.table({"path": names, "v": fixed()}))
    with pytest.raises(SourceError, match="row 1 of 'path' holds no value"):
        list(open_source(tmp_path / "a.arrow").iter_paths())


def test_columns_that_are_not_read_are_told(tmp_path):
    numbers = {f"f{at}": ROWS[:, at] for at in range(6)}
    table = pa.table({"image_id": range(300), **numbers, "size": range(300), "path": PATHS})
    as_parquet(tmp_path / "a.parquet", table)
    check(tmp_path / "a.parquet", paths=PATHS)
    told = "a.parquet: not read as descriptors: image_id, size"
    assert open_source(tmp_path / "a.parquet").note == told
    case, *_ = open_sets(find_case(tmp_path / "a.parquet"))
    assert case.notes == (told,)
