"""Arrays in packed files, and those of joblib."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zlib

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.sources import open_source
from streamclust.sources.case_folder import set_name

joblib = pytest.importorskip("joblib")
ROWS = np.random.default_rng(0).normal(size=(3000, 40)).astype("f4")
PACK = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
    ".z": zlib.compress,
    ".zst": lambda content: pytest.importorskip("zstandard").compress(content),
}


def saved(values=ROWS):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def check(path, values=ROWS):
    source = pickle.loads(pickle.dumps(open_source(path)))
    assert (source.shape, source.dtype) == (values.shape, values.dtype)
    for start, stop in [(0, 1000), (1000, 1001), (1200, 3000), (3, 9), (0, 3000), (5, 5)]:
        np.testing.assert_array_equal(source.read(start, stop), values[start:stop])


@pytest.mark.parametrize("ending", PACK)
def test_an_array_of_numpy(tmp_path, ending):
    path = tmp_path / f"osnet.npy{ending}"
    path.write_bytes(PACK[ending](saved()))
    check(path)
    assert set_name(path) == "osnet"


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("dtype", ["f4", "f2", "u1"])
def test_a_pickle(tmp_path, protocol, dtype):
    values = (ROWS * 9).astype(dtype)
    (tmp_path / "a").write_bytes(gzip.compress(pickle.dumps(values, protocol), 1))
    check(tmp_path / "a", values)


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 1), ("bz2", 1), ("xz", 1), ("lzma", 1)])
def test_what_joblib_wrote(tmp_path, compress):
    joblib.dump(ROWS, tmp_path / "a", compress=compress)
    check(tmp_path / "a")
    assert open_source(tmp_path / "a").is_sequential == (compress != 0)
    joblib.dump(np.asfortranarray(ROWS), tmp_path / "b")
    check(tmp_path / "b")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_any_protocol_of_joblib(tmp_path, protocol):
    joblib.dump(ROWS, tmp_path / "a", protocol=protocol)
    check(tmp_path / "a")


def tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: saved() + b"x", "goes on behind its array: unpack it first"),
        (lambda: saved()[:-1], "ends before its array does"),
        (lambda: saved(np.asfortranarray(ROWS)), "is packed column after column"),
        (lambda: saved(ROWS[0]), "has shape"),
        (lambda: pickle.dumps(ROWS)[:-1], "ends at byte"),
        (lambda: pickle.dumps(ROWS) + b"x", "more behind the array"),
        (lambda: pickle.dumps([ROWS, ROWS]), "refused: "),
        (lambda: pickle.dumps(print), "refused: global 'builtins print'"),
        (lambda: pickle.dumps(ROWS, 2), "refused: "),
        (tar, "holds a tar archive: unpack it first"),
        (lambda: b"a,b\n1,2\n", "holds no array that is known: unpack it first"),
    ],
)
def test_what_else_is_packed(tmp_path, ending, content, words):
    path = tmp_path / f"a{ending}"
    path.write_bytes(PACK[ending](content()))
    with pytest.raises(SourceError, match=words) as caught:
        open_source(path)[:]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", PACK)
def test_what_is_damaged_or_cut_short(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    whole = PACK[ending](saved())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"cut short|ends before its array does"):
        open_source(path)[:]
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 255
    path.write_bytes(changed)
    try:
        values = open_source(path)[:]
    except SourceError:
        pass
    else:
        # lzma alone and some frames of zstd have no checksum.
        assert ending in (".lzma", ".zst")
        assert not np.array_equal(values, ROWS)


def test_what_joblib_wrote_else(tmp_path):
    joblib.dump({"a": ROWS}, tmp_path / "a.joblib")
    with pytest.raises(SourceError, match="holds more than one array"):
        open_source(tmp_path / "a.joblib")
    joblib.dump(ROWS, tmp_path / "a.joblib")
    whole = (tmp_path / "a.joblib").read_bytes()
    for content in (whole[:-1], whole + b"x", whole[:100]):
        (tmp_path / "a.joblib").write_bytes(content)
        with pytest.raises(SourceError, match=r"cut short|ends at byte"):
            open_source(tmp_path / "a.joblib")
