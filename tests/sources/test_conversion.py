"""Descriptors from one format into another: the same values, and the paths that go with them."""

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamclust
from streamclust.cli import commands
from streamclust.errors import SettingsError, SourceError
from streamclust.sources import iter_paths

ROWS = np.random.default_rng(0).normal(size=(500, 7)).astype("f4")
PATHS = [f"a/{row},é.jpg" for row in range(500)]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    from streamclust.sources import conversion

    monkeypatch.setattr(conversion, "PIECE_BYTES", 7 * 4 * 90)
    monkeypatch.setattr(conversion, "_CHUNK_BYTES", 7 * 4 * 64)


@pytest.fixture
def made(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    (tmp_path / "list.csv").write_text("paths\n" + "".join(f'"{path}"\n' for path in PATHS))
    return tmp_path


def written(file):
    if file.suffix == ".npy":
        return np.load(file)
    if file.suffix == ".zarr":
        found = zarr.open(file, mode="r")
        return (found if isinstance(found, zarr.Array) else found["descriptors"])[...]
    table = pytest.importorskip("pyarrow.parquet").read_table(file)
    return np.stack(table["embedding"].to_numpy())


@pytest.mark.parametrize("ending", [".npy", ".zarr", ".parquet"])
@pytest.mark.parametrize("dtype", ["f4", "f2", ">f8", "u1"])
def test_values_stay_as_they_are(made, ending, dtype):
    np.save(made / "a.npy", ROWS.astype(dtype))
    values = written(streamclust.convert(made / "a.npy", made / f"b{ending}"))
    assert values.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(values, ROWS.astype(dtype))
    assert not list(made.glob(".*"))


def test_paths_go_with_them(made):
    for name in ("b.npy", "b.zarr", "b.parquet"):
        streamclust.convert(made / "a.npy", made / name, paths=made / "list.csv")
        np.testing.assert_array_equal(written(made / name), ROWS)
    assert list(iter_paths(made / "b.paths.csv")) == PATHS
    assert zarr.open(made / "b.zarr", mode="r")["paths"][...].tolist() == PATHS
    table = pytest.importorskip("pyarrow.parquet").read_table(made / "b.parquet")
    assert table["path"].to_pylist() == PATHS


def test_nothing_is_written_over_or_left_half_written(made):
    streamclust.convert(made / "a.npy", made / "b.zarr")
    for name in ("a.npy", "b.zarr"):
        with pytest.raises(SettingsError, match="is there: name another file, or --overwrite it"):
            streamclust.convert(made / "a.npy", made / name)
    streamclust.convert(ROWS[:20], made / "b.zarr", overwrite=True)
    assert written(made / "b.zarr").shape == (20, 7)
    (made / "list.csv").write_text("paths\n" + "".join(f'"{path}"\n' for path in PATHS[1:]))
    for paths, words in ((PATHS[1:], "the list 499 paths"), ([*PATHS, "b"], "more paths")):
        (made / "list.csv").write_text("paths\n" + "".join(f'"{path}"\n' for path in paths))
        for name in ("c.npy", "c.zarr"):
            with pytest.raises(SourceError, match=words):
                streamclust.convert(made / "a.npy", made / name, paths=made / "list.csv")
    with pytest.raises(SettingsError, match=r"b\.csv: \.csv: write one of \.npy, "):
        streamclust.convert(made / "a.npy", made / "b.csv")
    with pytest.raises(SettingsError, match="is no folder: make it first"):
        streamclust.convert(made / "a.npy", made / "no" / "b.npy")
    assert sorted(path.name for path in made.iterdir()) == ["a.npy", "b.zarr", "list.csv"]


def test_on_the_command_line(made):
    np.save(made / "a_2.npy", ROWS)
    np.save(made / "a_10.npy", ROWS[:3])
    command = ["convert", str(made / "a_*.npy"), str(made / "b.npy"), "--quiet"]
    result = CliRunner().invoke(commands, command, catch_exceptions=False)
    assert result.exit_code == 0
    np.testing.assert_array_equal(np.load(made / "b.npy"), np.concatenate([ROWS, ROWS[:3]]))


def test_what_is_read_and_folders_of_others_stay(made):
    (made / "photos.zarr").mkdir()
    (made / "photos.zarr" / "mine.txt").write_text("mine")
    (made / "x.zarr").write_text("mine")
    (made / "link.npy").symlink_to(made / "list.csv")
    for name in ("photos.zarr", "x.zarr", "link.npy"):
        with pytest.raises(SettingsError, match="was not written so"):
            streamclust.convert(made / "a.npy", made / name, overwrite=True)
    streamclust.convert(made / "a.npy", made / "b.zarr", paths=made / "list.csv")
    for source, out in (("a.npy", "a.npy"), ("b.zarr/descriptors", "b.zarr")):
        with pytest.raises(SettingsError, match="is what is read, or a part of it"):
            streamclust.convert(made / source, made / out, overwrite=True)
    assert (made / "photos.zarr" / "mine.txt").read_text() == "mine"
    assert (made / "x.zarr").read_text() == "mine"
    np.testing.assert_array_equal(np.load(made / "a.npy"), ROWS)


def test_two_do_not_write_one_file(made):
    class Slow:
        shape, dtype, ndim, chunks = ROWS.shape, ROWS.dtype, 2, (500, 7)

        def __getitem__(self, rows):
            if rows.start == 0 and rows.stop == 500:
                with pytest.raises(SettingsError, match="is being written by another command"):
                    streamclust.convert(made / "a.npy", made / "b.npy")
            return ROWS[rows]

    streamclust.convert(Slow(), made / "b.npy")
    np.testing.assert_array_equal(np.load(made / "b.npy"), ROWS)
    assert not list(made.glob(".*"))


def test_what_was_made_meanwhile_stays(made):
    class Meanwhile:
        shape, dtype, ndim, chunks = ROWS.shape, ROWS.dtype, 2, (500, 7)

        def __getitem__(self, rows):
            (made / "b.npy").write_text("mine")
            return ROWS[rows]

    with pytest.raises(SettingsError, match="is there: name another"):
        streamclust.convert(Meanwhile(), made / "b.npy")
    assert (made / "b.npy").read_text() == "mine"


def test_what_a_killed_one_left_goes(made):
    left = made / ".b.npy.part"
    left.mkdir()
    (left / "b.npy").write_text("half")
    streamclust.convert(made / "a.npy", made / "b.npy")
    assert not left.exists()


def test_one_set_at_a_time(made):
    with pytest.raises(SettingsError, match="a, b: one set is converted at a time"):
        streamclust.convert({"a": ROWS, "b": ROWS}, made / "b.npy")


def test_names_of_paths_that_are_no_text(made):
    folder = made / "rows"
    folder.mkdir()
    for row in range(3):
        np.save(folder / f"a{row}.npy", ROWS[0])
    (folder / "a2.npy").rename(folder / "\udcff.npy")
    for ending in ("npy", "zarr", "parquet"):
        with pytest.raises(SourceError, match="is no name in UTF-8"):
            streamclust.convert(folder, made / f"b.{ending}")
