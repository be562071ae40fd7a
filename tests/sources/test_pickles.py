"""Pickles of arrays: every way that numpy writes them."""

import pickle
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.sources import open_source

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
TEXT_PROTOCOLS = (0, 1, 2)


def save(folder: Path, value: object, protocol: int) -> Path:
    path = folder / "array.pickle"
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def check_blocks(path: Path, expected: np.ndarray) -> None:
    source = open_source(path)
    assert source.shape == expected.shape
    assert source.dtype == expected.dtype.newbyteorder("=")
    rows = len(expected)
    for start, stop in [(0, rows), (0, 1), (rows - 1, rows), (rows // 3, rows // 2), (1, 1)]:
        block = source.read(start, stop)
        assert block.dtype == source.dtype
        assert block.flags.c_contiguous
        np.testing.assert_array_equal(block, expected[start:stop])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8", ">f8", "u1", "i1", ">i2", "u4", "i8"])
def test_types(tmp_path, table, protocol, dtype):
    values = (table * 20).astype(np.int64).astype(dtype) if dtype[-2] in "iu" else table
    check_blocks(save(tmp_path, values.astype(dtype), protocol), values.astype(dtype))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_layouts(tmp_path, table, protocol):
    for array in (np.asfortranarray(table), table[::2, ::3], table.T, table[:, :1], table[:1]):
        check_blocks(save(tmp_path, array, protocol), array)


def test_order_is_told(tmp_path, table):
    assert open_source(save(tmp_path, np.asfortranarray(table), 5)).order == "F"
    assert open_source(save(tmp_path, np.asfortranarray(table), 2)).order == "F"
    assert open_source(save(tmp_path, table, 4)).order == "C"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_long_doubles_are_given_as_float64(tmp_path, table, protocol):
    path = save(tmp_path, table.astype(np.longdouble), protocol)
    assert open_source(path).dtype == np.float64
    np.testing.assert_array_equal(open_source(path)[:], table.astype(np.float64))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_module_names_of_numpy_1(tmp_path, table, protocol):
    path = save(tmp_path, table, protocol)
    data = path.read_bytes()
    assert b"numpy._core" in data
    for module in (b"numpy._core.multiarray", b"numpy._core.numeric"):
        old = module.replace(b"_core", b"core")
        data = data.replace(
            b"\x8c" + bytes([len(module)]) + module, b"\x8c" + bytes([len(old)]) + old
        )
        data = data.replace(module, old)
    if protocol >= 4:
        assert data[2:3] == pickle.FRAME
        data = data[:3] + struct.pack("<Q", struct.unpack_from("<Q", data, 3)[0] - 1) + data[11:]
    path.write_bytes(data)
    check_blocks(path, table)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickles_by_the_python_implementation(tmp_path, table, protocol):
    path = tmp_path / "array.p"
    path.write_bytes(pickle._dumps(table, protocol))
    check_blocks(path, table)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("protocol", TEXT_PROTOCOLS)
@pytest.mark.parametrize("kind", ["all bytes", "ascii", "high", "escaped"])
def test_long_text_is_read_from_any_row(tmp_path, kind, protocol, order):
    rng = np.random.default_rng(1)
    shape = (5000, 37)
    data = {
        "all bytes": rng.integers(0, 256, shape),
        "ascii": rng.integers(0, 128, shape),
        "high": rng.integers(128, 256, shape),
        "escaped": rng.choice([0x5C, 0x0A, 0x0D, 0x00, 0x1A, 0x75], shape),
    }[kind].astype("u1", order=order)
    source = open_source(save(tmp_path, data, protocol))
    for start in rng.integers(0, 5000, 12):
        stop = int(rng.integers(start, 5001))
        np.testing.assert_array_equal(source.read(int(start), stop), data[start:stop])
    np.testing.assert_array_equal(source[:], data)


PYTHON_2 = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87R"
    b"q\x03(K\x01K\x02\x8a\x01\x03\x86cnumpy\ndtype\nq\x04U\x02f4K\x00K\x01\x87Rq\x05(K\x03U\x01<"
    b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89%stb."
)


def test_python_2(tmp_path):
    values = np.linspace(-1, 1, 6, dtype="<f4").reshape(2, 3)
    path = tmp_path / "old.pkl"
    path.write_bytes(PYTHON_2 % (b"U\x18" + values.tobytes()))
    check_blocks(path, values)
    path.write_bytes(PYTHON_2 % (b"T" + struct.pack("<i", 24) + values.tobytes()))
    check_blocks(path, values)
    path.write_bytes(PYTHON_2 % (b"S'...'\n"))
    with pytest.raises(SourceError, match=r"opcode STRING at byte \d+: .*protocol 2 or more"):
        open_source(path)


@pytest.mark.parametrize("protocol", [2, 5])
def test_threads_and_copies(tmp_path, protocol):
    data = np.random.default_rng(3).normal(size=(20_000, 16)).astype("f4")
    source = pickle.loads(pickle.dumps(open_source(save(tmp_path, data, protocol))))
    starts = range(0, len(data), 700)
    with ThreadPoolExecutor(4) as pool:
        blocks = list(pool.map(lambda start: source[start : start + 700], starts))
    np.testing.assert_array_equal(np.concatenate(blocks), data)


def test_only_existing_rows_are_read(tmp_path, table):
    source = open_source(save(tmp_path, table, 5))
    assert len(source) == 300
    assert source[290:400].shape == (10, 7)
    assert source[5:3].shape == (0, 7)
    with pytest.raises(IndexError, match=r"rows 290:301 .* 300"):
        source.read(290, 301)
    with pytest.raises(IndexError, match="step 1"):
        source[::2]
    with pytest.raises(TypeError, match="slices"):
        source[3]


def test_a_file_that_shrinks_while_in_use(tmp_path, table):
    path = save(tmp_path, table, 4)
    source = open_source(path)
    path.write_bytes(path.read_bytes()[:5000])
    np.testing.assert_array_equal(source[:100], table[:100])
    with pytest.raises(SourceError, match="ends at byte 5000"):
        source[:]
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        source[:]


@pytest.mark.parametrize(
    ("protocol", "find", "replace"),
    [
        (2, "é".encode(), b"\xc4\x80"),
        (0, rb"\u005c", rb"\u015c"),
        (0, rb"\u005c", rb"\x005c"),
    ],
)
def test_damaged_text(tmp_path, protocol, find, replace):
    data = np.tile(np.frombuffer("é\\".encode("latin-1"), "u1"), (50, 4))
    path = save(tmp_path, data, protocol)
    content = path.read_bytes()
    assert find in content
    path.write_bytes(content.replace(find, replace, 1))
    source = open_source(path)
    with pytest.raises(SourceError, match=r"text is damaged near byte \d+"):
        source[:]


MEMORY = """
import sys
import numpy as np
from streamclust.sources.formats import pickle_files as pickles
from streamclust.sources import open_source

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

before = peak()
source = open_source(sys.argv[1])
total = sum(float(source.read(i, i + 2000).sum()) for i in range(0, len(source), 2000))
assert total == float(sys.argv[2]), total
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_memory_does_not_grow_with_the_file(tmp_path, protocol):
    data = np.random.default_rng(0).integers(0, 256, (160_000, 1000), "u1").view("u2")
    expected = float(data.sum(dtype="f8"))
    path = tmp_path / "large.pickle"
    with open(path, "wb") as file:
        pickle.dump(data, file, protocol)
    child = [sys.executable, "-c", MEMORY, str(path), str(expected)]
    grown = float(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
    assert path.stat().st_size > 150 << 20
    assert grown < 24  # MiB; a block takes 2


def test_real_case(real_case):
    files = sorted((real_case / "descriptors").glob("*.pickle"))
    assert files
    for file in files:
        with open(file, "rb") as opened:
            check_blocks(file, pickle.load(opened))
