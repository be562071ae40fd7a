"""Arrays in .npy files, and what all formats refuse alike."""

import io
import os
import pickle
import random
import struct

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.sources import fingerprint, open_source
from streamclust.sources.readers import known_endings


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8", ">i2", "u1", "i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_of_any_type_and_order(tmp_path, table, dtype, order):
    values = np.asarray(np.abs(table * 20), dtype, order=order)
    np.save(tmp_path / "a.npy", values)
    source = pickle.loads(pickle.dumps(open_source(tmp_path / "a.npy")))
    assert source.shape == (300, 7)
    assert source.dtype == np.dtype(dtype).newbyteorder("=")
    assert source.order == order
    for start, stop in [(0, 300), (0, 0), (299, 300), (17, 203)]:
        block = source.read(start, stop)
        assert block.flags.c_contiguous
        assert block.dtype == source.dtype
        np.testing.assert_array_equal(block, values[start:stop])


def test_long_doubles_are_given_as_float64(tmp_path, table):
    np.save(tmp_path / "a.npy", table.astype(np.longdouble))
    source = open_source(tmp_path / "a.npy")
    assert source[:].dtype == source.dtype == np.float64
    np.testing.assert_array_equal(source[:], table)


def test_a_block_is_the_callers_own(tmp_path, table):
    np.save(tmp_path / "a.npy", table)
    source = open_source(tmp_path / "a.npy")
    source.read(0, 5)[:] = 0
    np.testing.assert_array_equal(source[:], table)


def test_the_second_version_of_the_header(tmp_path, table):
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, table, version=(2, 0))
    np.testing.assert_array_equal(open_source(tmp_path / "a.npy")[:], table)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros(3), r"\(3,\).*reshape\(rows, columns\)"),
        (np.zeros(()), "single number"),
        (np.zeros((2, 3, 4)), r"reshape\(len\(array\), -1\)"),
        (np.zeros((0, 3)), "0 rows"),
        (np.zeros((3, 0)), "0 columns"),
        (np.zeros((2, 2), bool), "bool"),
        (np.zeros((2, 2), complex), "complex"),
        (np.zeros((2, 2), object), "object"),
        (np.zeros((2, 2), "i4,f4"), "structured"),
        (np.zeros((2, 2), "U2"), "text string"),
        (np.zeros((2, 2), "S2"), "bytes string"),
        (np.zeros((2, 2), "M8[s]"), "datetime"),
    ],
    ids=repr,
)
def test_what_is_no_table_of_numbers(tmp_path, value, words):
    np.save(tmp_path / "a.npy", value)
    with pytest.raises(SourceError, match=words):
        open_source(tmp_path / "a.npy")


def test_missing_rows_are_counted(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((1000, 10), "f4"))
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(SourceError, match=r"100 of 40000 bytes are missing \(3 of 1000 rows\)"):
        open_source(path)


def header(text: bytes, version: bytes = b"\x01\x00") -> bytes:
    layout = "<H" if version[0] == 1 else "<I"
    return b"\x93NUMPY" + version + struct.pack(layout, len(text)) + text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"something else", "is not a .npy file"),
        (b"\x93NUMPY\x01", "header is damaged"),
        (header(b"{'descr': '<f4'}"), "header is damaged"),
        (header(b"(" * 9000), "header is damaged"),
        (header(b"x", b"\x03\x00"), "structured arrays only"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b" " * 100_000, "header is damaged"),
        (
            header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2)}"),
            "impossible shape",
        ),
        (
            header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 9223372036854775807)}"),
            "impossible shape",
        ),
    ],
    ids=range(8),
)
def test_damaged_headers(tmp_path, content, words):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(SourceError, match=words) as caught:
        open_source(tmp_path / "a.npy")
    assert "\n" not in str(caught.value)


def test_random_damage_never_surprises(tmp_path):
    chance = random.Random(0)
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, 2), ">f4"))
    whole = buffer.getvalue()
    path = tmp_path / "a.npy"
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1500):
        content = bytearray(whole)
        content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.choice([None, None, chance.randrange(1, len(content))])])
        try:
            source = open_source(path)
            assert source[:].shape == source.shape
            outcomes["read"] += 1
        except SourceError as error:
            outcomes["refused"] += str(error).startswith(f"{path}: ")
    assert sum(outcomes.values()) == 1500
    assert min(outcomes.values()) > 20


@pytest.mark.parametrize("ending", known_endings())
def test_files_that_are_none(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    with pytest.raises(SourceError, match="does not exist"):
        open_source(path)
    path.touch()
    with pytest.raises(SourceError, match="is empty"):
        open_source(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceError, match="is a folder without files"):
        open_source(path)


def test_unknown_endings_name_the_known(tmp_path):
    for name in ("a.dat", "a"):
        (tmp_path / name).write_text("?")
    with pytest.raises(SourceError, match=r"\.dat is not known.*\.npy.*\.pickle"):
        open_source(tmp_path / "a.dat")
    with pytest.raises(SourceError, match="no ending is not known"):
        open_source(tmp_path / "a")


def test_endings_in_capitals(tmp_path, table):
    with open(tmp_path / "A.NPY", "wb") as file:
        np.save(file, table)
    assert open_source(str(tmp_path / "A.NPY")).shape == table.shape


def test_fingerprint(tmp_path):
    path = tmp_path / "a.npy"
    content = bytearray(np.random.default_rng(0).bytes(5 << 20))
    path.write_bytes(content)
    first = fingerprint(path)
    assert first["size"] == 5 << 20
    assert first["mtime_ns"] == path.stat().st_mtime_ns
    assert fingerprint(path) == first
    for place in (0, 2 << 20, len(content) - 1):
        # Both ends are covered, and pieces of 4 KiB stand less than 84 KiB apart.
        changed = content.copy()
        changed[place : place + (84 << 10)] = b"x" * len(changed[place : place + (84 << 10)])
        path.write_bytes(changed)
        assert fingerprint(path)["blake2b"] != first["blake2b"]
    path.write_bytes(content[:-1])
    assert fingerprint(path)["blake2b"] != first["blake2b"]
    with pytest.raises(SourceError, match="cannot be read"):
        fingerprint(tmp_path / "none")
