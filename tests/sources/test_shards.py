"""Rows in several files: shards, folders of shards, and files of a row each."""

import pickle

import numpy as np
import pytest
from cases import write_case

from streamclust import api
from streamclust.errors import SourceError
from streamclust.sources import open_source
from streamclust.sources.case_folder import find_case, open_sets, set_name

WHOLE = np.random.default_rng(0).normal(size=(40, 5)).astype("f4")


@pytest.fixture
def shards(tmp_path):
    """Shards of which the tenth would stand before the second."""
    folder = tmp_path / "img_emb"
    folder.mkdir()
    for number, rows in enumerate(np.split(WHOLE, [1, 2, 9, 10, 11, 20, 21, 22, 30, 31])):
        np.save(folder / f"img_emb_{number}.npy", rows)
    return folder


def test_the_rows_of_a_pattern_follow_one_another(shards):
    source = open_source(shards / "img_emb_*.npy")
    assert source.shape == WHOLE.shape
    for start in range(41):
        for stop in range(start, 41):
            np.testing.assert_array_equal(source.read(start, stop), WHOLE[start:stop])
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again[3:33], WHOLE[3:33])
    np.testing.assert_array_equal(open_source(shards)[:], WHOLE)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("img_emb_*.npy", "img_emb"), ("part-?.npy", "part"), ("0[12].npy", "top"), ("*", "top")],
)
def test_the_name_of_their_set(tmp_path, pattern, name):
    assert set_name(tmp_path / "top" / pattern) == name


@pytest.mark.usefixtures("all_unrendered")
def test_a_case_of_shards(shards, tmp_path):
    made = api.run(shards / "img_emb_*.npy", tmp_path / "out", n_clusters=2)
    assert made.descriptors == ["img_emb"]
    np.testing.assert_array_equal(made.store["descriptors/img_emb/raw"][...], WHOLE)
    case = write_case(tmp_path / "case", a=WHOLE)
    shards.rename(case / "descriptors" / "b")
    assert list(find_case(case).descriptors) == ["a", "b"]
    assert open_sets(find_case(case))[1]["b"].shape == WHOLE.shape


def test_a_shard_that_is_added_is_another_state(shards):
    before = open_source(shards / "img_emb_*.npy").state
    assert open_source(shards / "img_emb_*.npy").state == before
    np.save(shards / "img_emb_11.npy", WHOLE)
    assert open_source(shards / "img_emb_*.npy").state != before


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (np.ones((3, 4), "f4"), "has rows of 4 float32, and img_emb_0.npy of 5"),
        (np.ones((3, 5), "f2"), "has rows of 5 float16, and img_emb_0.npy of 5 float32"),
        (np.ones(5, "f4"), r"img_emb_11.npy: has shape \(5,\), not"),
    ],
)
def test_shards_that_do_not_fit_are_refused(shards, other, words):
    np.save(shards / "img_emb_11.npy", other)
    with pytest.raises(SourceError, match=words):
        open_source(shards / "img_emb_*.npy")


def test_a_pattern_of_nothing(tmp_path):
    for pattern in ("*.npy", "no/*.npy"):
        with pytest.raises(SourceError, match="there is no such file: check the pattern"):
            open_source(tmp_path / pattern)
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match="is a folder without files"):
        open_source(tmp_path / "none")


@pytest.fixture
def rows(tmp_path):
    folder = tmp_path / "descriptors" / "osnet"
    for row, values in enumerate(WHOLE):
        file = folder / str(row % 3) / f"{row:03}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, values[None] if row == 7 else values)
    return folder


def test_files_of_a_row_each(rows):
    source = open_source(rows)
    order = sorted(range(40), key=lambda row: (row % 3, row))
    np.testing.assert_array_equal(source[:], WHOLE[order])
    assert list(source.iter_paths()) == [f"{row % 3}/{row:03}" for row in order]
    np.testing.assert_array_equal(source[13:15], WHOLE[order][13:15])


@pytest.mark.usefixtures("all_unrendered")
def test_their_names_are_the_paths_of_the_rows(rows, tmp_path):
    made = api.run(tmp_path, tmp_path / "out", n_clusters=2)
    assert made.store["images/path"][:2].tolist() == ["0/000", "0/003"]
    first = (tmp_path / "out/labels.csv").read_text().splitlines()[1]
    assert first.startswith("0,0/000,")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not a .npy file"),
        (b"\x93NUMPY\1\0", "is not a .npy file"),
        (np.ones(4, "f4"), "holds 4 values of float32, and the files before it 5 of float32"),
        (np.ones(5, ">f4"), "holds 5 values of >f4"),
        (np.array([None] * 5), "is damaged"),
        (b"goes on", "goes on behind its row"),
    ],
)
def test_a_row_that_is_damaged_or_unlike_the_others(rows, content, words):
    file = rows / "2" / "005.npy"
    if isinstance(content, bytes):
        file.write_bytes(file.read_bytes() * (content == b"goes on") + content)
    else:
        np.save(file, content)
    with pytest.raises(SourceError, match=f"005.npy: {words}"):
        open_source(rows)[:]


def test_other_files_among_rows(rows):
    (rows / "1" / "list.txt").write_text("a")
    with pytest.raises(SourceError, match=r"holds list\.txt beside \.npy files of a row each"):
        open_source(rows)


def test_sets_whose_rows_come_with_other_paths(rows, tmp_path):
    other = tmp_path / "descriptors" / "colour" / "0"
    other.mkdir(parents=True)
    for row, values in enumerate(WHOLE):
        np.save(other / f"{row:03}.npy", values)
    with pytest.raises(SourceError, match=r"osnet: row 1 is of another path than in .*colour"):
        open_sets(find_case(tmp_path))
    (tmp_path / "images_paths.csv").write_text("".join(f"{row}.jpg\n" for row in range(40)))
    assert open_sets(find_case(tmp_path))[2] == 40


def test_a_number_that_is_missing_is_told(shards):
    assert open_source(shards / "img_emb_*.npy").note == ""
    (shards / "img_emb_3.npy").unlink()
    assert "number 3 is missing among its 10 files" in open_source(shards / "img_emb_*.npy").note


def test_a_folder_of_shards_alone_is_one_set_or_many(shards):
    with pytest.raises(SourceError, match=r"11 files of 5 columns whose names differ in numbers"):
        find_case(shards)
    np.save(shards / "img_emb_10.npy", WHOLE[:, :3])
    assert len(find_case(shards).descriptors) == 11


def test_a_folder_of_row_files_alone_is_one_set(tmp_path):
    for number, row in enumerate(WHOLE):
        (tmp_path / "osnet").mkdir(exist_ok=True)
        np.save(tmp_path / "osnet" / f"{number}.npy", row)
    made = api.ingest(tmp_path / "osnet", tmp_path / "out")
    np.testing.assert_array_equal(made.store["descriptors/osnet/raw"][...], WHOLE)
