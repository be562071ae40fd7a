"""Arrays that were appended to one file: all of them are rows of one set, or none is read."""

import io
import pickle
import tracemalloc

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.sources import open_source
from streamclust.sources.formats.pickle_machine import WAY_OUT

WAYS = ["npy", *(f"{protocol}.pickle" for protocol in range(pickle.HIGHEST_PROTOCOL + 1))]


def content(way, value):
    """The bytes of an array, as np.save or pickle.dump writes them."""
    buffer = io.BytesIO()
    if way == "npy":
        np.save(buffer, value)
    else:
        pickle.dump(value, buffer, int(way[0]))
    return buffer.getvalue()


def written(folder, way, *parts):
    path = folder / f"a.{way}"
    path.write_bytes(b"".join(p if isinstance(p, bytes) else content(way, p) for p in parts))
    return path


@pytest.mark.parametrize("way", WAYS)
def test_rows_of_all_arrays_in_their_order(tmp_path, table, way):
    orders = "CFCF"
    parts = [
        np.asarray(part, ">f4", order=order)
        for part, order in zip(np.split(table, [1, 120, 121]), orders, strict=True)
    ]
    source = pickle.loads(pickle.dumps(open_source(written(tmp_path, way, *parts))))
    assert source.shape == table.shape
    assert source.dtype == np.float32
    spans = [(0, 300), (0, 0), (300, 300), (0, 1), (1, 120), (119, 122), (120, 121), (57, 299)]
    for start, stop in spans:
        block = source.read(start, stop)
        assert block.flags.c_contiguous
        assert block.flags.owndata
        np.testing.assert_array_equal(block, table[start:stop])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("other", "words"),
    [
        (np.zeros((4, 8), "f4"), "has rows of 8 float32 and those before have 7 float32"),
        (np.zeros((4, 7), "f8"), "has rows of 7 float64 and those before have 7 float32"),
        (np.zeros((4, 7), ">f4"), "has rows of 7 >f4 and those before have 7 float32"),
    ],
    ids=["width", "type", "byte order"],
)
def test_an_array_of_other_rows_is_told_by_its_place(tmp_path, table, way, other, words):
    first = content(way, table)
    path = written(tmp_path, way, first, table, other, table)
    with pytest.raises(SourceError) as caught:
        open_source(path)
    where = f"the array at byte {2 * len(first)}, after 2 arrays of 600 rows, "
    assert f"{where}{words}: save arrays" in str(caught.value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("after", "words"),
    [
        (b"\n", "the 1 byte from byte"),
        (b"\0" * 4096, "the 4096 bytes from byte"),
        (b"cos\nsystem\n", "the 11 bytes from byte"),
        (np.zeros(7, "f4"), r"no further array: has shape \(7,\), not \(rows, columns\)"),
        (np.zeros((0, 7), "f4"), "no further array: has 0 rows"),
        (np.zeros((2, 7), object), "no further array: holds object values"),
    ],
    ids=["line end", "zeros", "text", "1-D", "no rows", "objects"],
)
def test_nothing_after_the_array_is_passed_over(tmp_path, table, way, after, words):
    first = content(way, table)
    path = written(tmp_path, way, first, after)
    with pytest.raises(SourceError, match=words) as caught:
        open_source(path)
    message = str(caught.value)
    assert (
        f"from byte {len(first)} on, after 1 array of 300 rows, can be read as no further"
        in message
    )
    assert "\n" not in message


@pytest.mark.parametrize("way", WAYS)
def test_a_last_array_that_is_cut_short(tmp_path, way):
    parts = [np.full((20, 3), number, "f4") for number in range(3)]
    path = written(tmp_path, way, *parts)
    whole = path.read_bytes()
    lengths = np.cumsum([len(content(way, part)) for part in parts]).tolist()
    for size in range(lengths[1] + 1, lengths[2], 11):
        path.write_bytes(whole[:size])
        with pytest.raises(
            SourceError, match="after 2 arrays of 40 rows, can be read as no further array"
        ):
            open_source(path)


def test_one_pickler_for_all_is_no_wrong_array(tmp_path, table):
    """Its later pickles refer to the first, and are none without it."""
    path = tmp_path / "a.pickle"
    with open(path, "wb") as file:
        pickler = pickle.Pickler(file)
        pickler.dump(table)
        pickler.dump(table + 1)
    with pytest.raises(SourceError, match="no further array: damaged pickle: a reference"):
        open_source(path)
    with open(path, "ab") as file:
        file.write(b"cos\nsystem\n.")
    with pytest.raises(SourceError, match="no further array"):
        open_source(path)


def test_what_would_be_called_is_refused_behind_an_array_too(tmp_path, table):
    path = written(tmp_path, "4.pickle", table, b"cos\nsystem\n(Vtouch x\ntR.")
    with pytest.raises(SourceError, match=r"refused: global 'os system' at byte \d+: ") as caught:
        open_source(path)
    assert str(caught.value).endswith(WAY_OUT)


@pytest.mark.parametrize("way", ["npy", "4.pickle"])
def test_many_arrays_of_a_row_take_little_memory(tmp_path, way):
    one = content(way, np.zeros((1, 4), "f4"))
    n_arrays = 5_000
    path = written(tmp_path, way, one * n_arrays)
    tracemalloc.start()
    source = open_source(path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.shape == (n_arrays, 4)
    assert not source[:].any()
    # Where each stands, and buffers of what is read.
    assert kept < 40 * n_arrays
    assert peak < 100 * n_arrays + (1 << 20)
    assert len(pickle.dumps(source)) < 20 * n_arrays
