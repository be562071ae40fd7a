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


def header(*shape):
    """Of an array that is not there."""
    buffer = io.BytesIO()
    told = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, told)
    return buffer.getvalue() + bytes(1000)


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
        (lambda: pickle.dumps(ROWS, 4)[:-1], "does not end as its array has to"),
        (lambda: pickle.dumps(ROWS, 4) + b"x", "goes on behind its array: unpack it first"),
        (lambda: pickle.dumps(ROWS, 5)[:-1], "ends at byte"),
        (lambda: pickle.dumps(ROWS, 5) + b"x", "more behind the array"),
        (lambda: header(1, 2**45), "packed bytes cannot hold the 140737488355328"),
        (lambda: header(2**45, 40), "packed bytes cannot hold"),
        (lambda: b"", "is cut short, or holds nothing"),
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
    with pytest.raises(SourceError, match="an array in a dict or another object"):
        open_source(tmp_path / "a.joblib")
    joblib.dump(ROWS, tmp_path / "a.joblib")
    whole = (tmp_path / "a.joblib").read_bytes()
    for content in (whole[:-1], whole + b"x", whole[:100]):
        (tmp_path / "a.joblib").write_bytes(content)
        with pytest.raises(SourceError, match=r"cut short|ends at byte"):
            open_source(tmp_path / "a.joblib")


@pytest.mark.parametrize("ending", PACK)
def test_streams_that_follow_one_another_and_what_is_none(tmp_path, ending):
    path, whole = tmp_path / f"a{ending}", PACK[ending](saved())
    path.write_bytes(whole + b"something else")
    with pytest.raises(SourceError, match=r"something else stands behind|Unknown frame"):
        open_source(path)[:]
    path.write_bytes(PACK[ending](saved()[:70_000]) + PACK[ending](saved()[70_000:]))
    if ending in (".z", ".lzma"):
        with pytest.raises(SourceError, match="something else stands behind"):
            open_source(path)[:]
    else:
        check(path)
    # As tapes and blocks of disks are filled up.
    path.write_bytes(whole + bytes(200_000))
    if ending in (".gz", ".xz"):
        check(path)


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_pickle_is_opened_by_its_beginning(tmp_path, protocol):
    path = tmp_path / "a.gz"
    whole = gzip.compress(pickle.dumps(np.tile(ROWS, (20, 1)), protocol), 0)
    path.write_bytes(whole[: len(whole) // 2])
    source = open_source(path)
    np.testing.assert_array_equal(source[:100], ROWS[:100])
    with pytest.raises(SourceError, match="cut short"):
        source[:]


def test_what_unpacking_takes_is_told_and_bounded(tmp_path):
    path, taken = tmp_path / "a.xz", []
    for size in (2**20, 2**26, 2**29):
        chain = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": size}]
        path.write_bytes(lzma.compress(saved(), filters=chain))
        if size == 2**29:
            with pytest.raises(SourceError, match="takes more than 260 MiB to unpack"):
                open_source(path)
        else:
            taken.append(open_source(path).working_bytes)
    assert taken[0] < 2**26 < taken[1] < 2**27


def test_a_file_that_is_gone(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(saved()))
    source = open_source(tmp_path / "a.gz")
    (tmp_path / "a.gz").unlink()
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        source.read(0, 1)


def test_a_memory_map_that_joblib_wrote(tmp_path):
    mapped = np.memmap(tmp_path / "raw", ROWS.dtype, "w+", shape=ROWS.shape)
    mapped[:] = ROWS
    joblib.dump(mapped, tmp_path / "a.joblib")
    check(tmp_path / "a.joblib")
