"""Files of other formats are known by their first bytes, and told with what makes arrays."""

import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.sources import open_source

TABLE = np.random.default_rng(0).normal(size=(40, 5)).astype("f4")


def saved(save, *values, **more):
    buffer = io.BytesIO()
    save(buffer, *values, **more)
    return buffer.getvalue()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/").replace("_", "."), content)
    return buffer.getvalue()


def tar(content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.addfile(tarfile.TarInfo("a"), io.BytesIO(content))
    return buffer.getvalue()


PICKLED = pickle.dumps(TABLE)
OTHERS = {
    "lz4": (b"\x04\x22\x4d\x18\x64", ["compressed with lz4"]),
    "torch before 1.6": (
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
        ["written by torch.save", ".numpy()"],
    ),
    "zip": (zipped(a_jpg=b"x"), ["is a zip archive: unpack it first"]),
    "tar": (tar(b""), ["is a tar archive: unpack it first"]),
    "MATLAB": (b"MATLAB 5.0 MAT-file, Platform", ["is a MATLAB file", "scipy.io.loadmat('a."]),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        ["is a Git LFS pointer, not the file itself: git lfs pull"],
    ),
    "git-annex": (b"/annex/objects/SHA256E-s1--0.npy\n", ["git-annex pointer", "git annex get a"]),
    "HTML": (b"\n<!DOCTYPE html>\n<html><head>", ["is a web page", "download it again"]),
    "XML": (b"\xef\xbb\xbf<?xml version='1.0'?><Error>", ["is a web page"]),
    "zeros": (bytes(5000), ["begins with 1024 zero bytes", "copy it again"]),
}
ENDINGS = [".npy", ".pickle", ".pt", ".npz", ""]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", OTHERS)
def test_what_it_is_and_the_way_out(tmp_path, kind, ending):
    content, words = OTHERS[kind]
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        open_source(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for word in words:
        assert word.replace("'a.", f"'a{ending}") in message


@pytest.mark.parametrize("ending", [".npy", ".pkl", ".dat"])
@pytest.mark.parametrize("made", ["npy", "pickle"])
def test_an_array_under_the_ending_of_another_format(tmp_path, made, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(saved(np.save, TABLE) if made == "npy" else PICKLED)
    np.testing.assert_array_equal(open_source(path)[:], TABLE)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_file(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.touch()
    with pytest.raises(SourceError, match="is empty: copy or save the file again"):
        open_source(path)


def test_names_in_the_advice_stay_in_one_line(tmp_path):
    path = tmp_path / "a\n{b}.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file, Platform")
    with pytest.raises(SourceError) as caught:
        open_source(path)
    assert r"scipy.io.loadmat('a\n{b}.mat')" in str(caught.value)


@pytest.mark.parametrize("made", ["npy", "pickle"])
def test_an_array_of_arrays(tmp_path, made):
    """astype raises on one whose parts are arrays."""
    rows = np.empty(3, object)
    rows[:] = [*np.ones((3, 2), "f4")]
    path = tmp_path / f"a.{made}"
    path.write_bytes(saved(np.save, rows) if made == "npy" else pickle.dumps(rows))
    with pytest.raises(SourceError, match=r"object values .*np\.stack\(array\)"):
        open_source(path)
    np.save(tmp_path / "b.npy", np.stack(rows))
    assert open_source(tmp_path / "b.npy").shape == (3, 2)
