"""Arrays in .npz archives, packed or not."""

import pickle
import zipfile

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.sources import open_source

ROWS = np.random.default_rng(0).normal(size=(4000, 50)).astype("f4")
PATHS = [f"a/{row}é.jpg" for row in range(4000)]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["f4", ">f4", "f2", "u1"])
def test_an_array(tmp_path, save, dtype):
    save(tmp_path / "a.npz", ROWS.astype(dtype))
    source = pickle.loads(pickle.dumps(open_source(tmp_path / "a.npz")))
    assert source.is_sequential == (save is np.savez_compressed)
    expected = ROWS.astype(dtype).astype(np.dtype(dtype).newbyteorder("="))
    assert source.dtype == expected.dtype
    for start, stop in [(0, 1500), (1500, 1501), (1600, 4000), (3, 9), (0, 4000), (5, 5)]:
        np.testing.assert_array_equal(source.read(start, stop), expected[start:stop])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_paths_and_several_arrays(tmp_path, save):
    file = tmp_path / "a.npz"
    save(file, emb=ROWS, filenames=np.array(PATHS), labels=np.arange(4000))
    source = open_source(file)
    assert list(source.iter_paths()) == PATHS
    np.testing.assert_array_equal(source[100:200], ROWS[100:200])
    save(file, emb=ROWS, other=ROWS[:, :2], images=np.array([p.encode() for p in PATHS]))
    with pytest.raises(SourceError, match=r"holds emb float32 .*: name one, as a\.npz/emb"):
        open_source(file)
    assert list(open_source(file / "other").iter_paths()) == PATHS
    np.testing.assert_array_equal(open_source(file / "other")[:], ROWS[:, :2])


def test_columns_one_after_another(tmp_path):
    np.savez(tmp_path / "a.npz", np.asfortranarray(ROWS))
    np.testing.assert_array_equal(open_source(tmp_path / "a.npz")[7:90], ROWS[7:90])
    np.savez_compressed(tmp_path / "a.npz", np.asfortranarray(ROWS))
    with pytest.raises(SourceError, match="is packed column after column"):
        open_source(tmp_path / "a.npz")


def archive(path, content, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("a.npy", content)


@pytest.fixture
def content(tmp_path):
    np.save(tmp_path / "a.npy", ROWS)
    return (tmp_path / "a.npy").read_bytes()


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_what_is_damaged(tmp_path, content, compression):
    path = tmp_path / "a.npz"
    for held in (content[:-1], content + b"x"):
        archive(path, held, compression)
        with pytest.raises(SourceError, match="does not hold the 800000 bytes of its rows"):
            open_source(path)
    archive(path, b"?" * 300, compression)
    with pytest.raises(SourceError, match="its header is damaged"):
        open_source(path)
    archive(path, content, compression)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="is damaged"):
        open_source(path)


def test_packed_bytes_that_are_damaged(tmp_path, content):
    path = tmp_path / "a.npz"
    archive(path, content)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 255
    path.write_bytes(whole)
    with pytest.raises(SourceError, match="is damaged"):
        open_source(path)[:]


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack_a_member(tmp_path, content, compression):
    path = tmp_path / "a.npz"
    archive(path, content, compression)
    np.testing.assert_array_equal(open_source(path)[:], ROWS)
    whole = bytearray(path.read_bytes())
    whole[50:60] = b"\xff" * 10
    path.write_bytes(whole)
    with pytest.raises(SourceError, match="is damaged"):
        open_source(path)[:]


def test_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([print, None]), y=ROWS)
    np.testing.assert_array_equal(open_source(tmp_path / "a.npz")[:], ROWS)
    with pytest.raises(SourceError, match="holds object values"):
        open_source(tmp_path / "a.npz" / "x")
