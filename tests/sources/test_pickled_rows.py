"""Pickles of rows: lists, dicts by path, arrays with their paths, data frames."""

import pickle
import pickletools
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streamclust.errors import SourceError
from streamclust.sources import iter_paths, open_source

N_ROWS = 2_600
PROTOCOLS = (3, 4, 5)
ROWS = np.random.default_rng(0).normal(size=(N_ROWS, 24)).astype(np.float32)
# Of all lengths that are written differently, and some with other letters.
PATHS = [f"v/{row}/é{'x' * (row % 300)}.jpg" for row in range(N_ROWS)]


def save(folder: Path, value: object, protocol: int = 4) -> Path:
    path = folder / "rows.pickle"
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


def check(path: Path, rows: np.ndarray, paths: list[str] | None) -> None:
    source = open_source(path)
    assert (source.shape, source.dtype) == (rows.shape, rows.dtype.newbyteorder("="))
    n_rows = len(rows)
    for start, stop in [(0, n_rows), (0, 1), (n_rows - 1, n_rows), (n_rows // 9, n_rows // 3)]:
        block = source.read(start, stop)
        assert block.flags.c_contiguous
        np.testing.assert_array_equal(block, rows[start:stop])
    assert source.has_paths == (paths is not None)
    if paths is not None:
        assert list(iter_paths(path)) == paths


def refused(path: Path, *words: str, member: str = "") -> None:
    with pytest.raises(SourceError) as caught:
        open_source(path / member)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for word in words:
        assert word in message


WIDE = np.arange(20 * 2_300, dtype=float).reshape(20, 2_300)
FLOATS = ROWS[:500].astype(float)
VALUES = {
    "list": (list(ROWS), ROWS, None),
    "rows of one": ([row[None] for row in ROWS], ROWS, None),
    "tuple": (tuple(ROWS), ROWS, None),
    "copies": ([np.array(row) for row in ROWS], ROWS, None),
    "big-endian": (list(ROWS.astype(">f8")), ROWS.astype(">f8"), None),
    "strided": (list(ROWS[:, ::2]), ROWS[:, ::2], None),
    "few": (list(ROWS[:2]), ROWS[:2], None),
    "one": ([ROWS[0]], ROWS[:1], None),
    "floats": (FLOATS.tolist(), FLOATS, None),
    "many floats": (WIDE.tolist(), WIDE, None),
    "batches": (np.array_split(ROWS, 7), ROWS, None),
    "dict": (dict(zip(PATHS, ROWS, strict=True)), ROWS, PATHS),
    "dict of floats": (dict(zip(PATHS, FLOATS.tolist(), strict=False)), FLOATS, PATHS[:500]),
    "pairs": (list(zip(PATHS, ROWS, strict=True)), ROWS, PATHS),
    "pairs the other way": (list(zip(ROWS, PATHS, strict=True)), ROWS, PATHS),
    "array and paths": ((ROWS, PATHS), ROWS, PATHS),
    "paths and array": ([PATHS, ROWS], ROWS, PATHS),
    "array and array of paths": ((ROWS, np.array(PATHS)), ROWS, PATHS),
    "array and objects": ((ROWS, np.array(PATHS, object)), ROWS, PATHS),
    "named": (
        {"n": 3, "features": ROWS, "labels": [*range(N_ROWS)], "image_paths": PATHS},
        ROWS,
        PATHS,
    ),
    "much beside": (
        {
            "labels": [("car", "dog")[row % 2] for row in range(N_ROWS)],
            "numbers": [*range(N_ROWS), 1 << 40, None, True, (1, 2, 3)],
            "scores": [row / 7 for row in range(N_ROWS)],
            "boxes": [[1, 2, 3, row] for row in range(N_ROWS)],
            "sizes": [(640, row) for row in range(N_ROWS)],
            "features": ROWS,
            "paths": PATHS,
        },
        ROWS,
        PATHS,
    ),
    "named without paths": ({"features": ROWS, "labels": PATHS}, ROWS, None),
    "paths twice": (
        {"f": ROWS, "paths": [PATHS[row // 2] for row in range(N_ROWS)]},
        ROWS,
        [PATHS[row // 2] for row in range(N_ROWS)],
    ),
    "list in a dict": ({"features": list(ROWS), "paths": PATHS}, ROWS, PATHS),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", VALUES)
def test_rows_and_paths(tmp_path, name, protocol):
    value, rows, paths = VALUES[name]
    check(save(tmp_path, value, protocol), rows, paths)


@pytest.mark.parametrize("name", ["dict", "floats", "paths twice"])
def test_other_picklers(tmp_path, name):
    value, rows, paths = VALUES[name]
    check(save(tmp_path, pickle._dumps(value, 4)), rows, paths)
    check(save(tmp_path, pickletools.optimize(pickle.dumps(value, 5))), rows, paths)


def test_what_is_there_twice(tmp_path):
    """Rows and paths that are referred to, from within what was passed over."""
    rows = list(ROWS[:600])
    chance = random.Random(0)
    twice = [chance.choice(rows) for _ in range(900)]
    check(save(tmp_path, rows + twice), np.array(rows + twice), None)
    table = dict(zip(PATHS[:600], rows, strict=True))
    value = {"first": table, "paths": list(table)}
    check(save(tmp_path, value) / "first", np.array(rows), PATHS[:600])


def test_rows_larger_than_frames(tmp_path):
    rows = np.random.default_rng(1).normal(size=(30, 10_000))
    for protocol in PROTOCOLS:
        check(save(tmp_path, dict(zip(PATHS, rows, strict=False)), protocol), rows, PATHS[:30])


def test_names(tmp_path):
    path = save(tmp_path, {"a": ROWS, "b": ROWS[:, :3], "paths": PATHS})
    refused(path, "several arrays, a (2600 x 24), b (2600 x 3): name one")
    refused(path, "no array 'c', but a (2600 x 24)", member="c")
    check(path / "b", ROWS[:, :3], PATHS)
    check(save(tmp_path, {"net": dict(zip(PATHS, ROWS, strict=True)), "n": 1}), ROWS, PATHS)
    refused(save(tmp_path, list(ROWS)), "holds one array: leave out /c", member="c")


FRAMES = {
    "column": (pd.DataFrame(ROWS).assign(path=PATHS), PATHS),
    "index": (pd.DataFrame(ROWS, index=PATHS), PATHS),
    "strings": (pd.DataFrame(ROWS).assign(file=pd.array(PATHS, dtype="string")), PATHS),
    "objects": (pd.DataFrame(ROWS).assign(file=np.array(PATHS, object)), PATHS),
    "vectors": (pd.DataFrame({"path": PATHS, "v": list(ROWS)}), PATHS),
    "made of columns": (pd.DataFrame({f"f{i}": ROWS[:, i] for i in range(24)}), None),
    "concatenated": (
        pd.concat([pd.DataFrame(ROWS[:9]).assign(path=PATHS[:9]) for _ in range(2)]),
        PATHS[:9] * 2,
    ),
    "blocks": (
        pd.concat(
            [pd.DataFrame(ROWS[:, :7]), pd.DataFrame({"path": PATHS}), pd.DataFrame(ROWS[:, 7:])],
            axis=1,
        ),
        PATHS,
    ),
    "other columns": (
        pd.DataFrame(ROWS)
        .assign(kind=pd.Categorical(PATHS), day=pd.Timestamp(0), image=PATHS, note=None)
        .astype({"note": "string"}),
        PATHS,
    ),
}


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("name", FRAMES)
def test_frames(tmp_path, name, protocol):
    frame, paths = FRAMES[name]
    rows = np.tile(ROWS[:9], (2, 1)) if name == "concatenated" else ROWS
    check(save(tmp_path, frame, protocol), rows, paths)


def test_frames_of_several_types(tmp_path):
    path = save(tmp_path, pd.DataFrame(ROWS).assign(label=np.arange(N_ROWS), path=PATHS))
    refused(path, "float32 (2600 x 24), int64 (2600 x 1): name one")
    check(path / "float32", ROWS, PATHS)


@pytest.mark.parametrize(
    ("dtype", "told"),
    [
        ("Float32", "FloatingArray"),
        ("Int16", "IntegerArray"),
        ("Sparse[float32]", "SparseArray"),
        ("float32[pyarrow]", "float"),
    ],
)
def test_columns_of_numbers_are_not_left_out(tmp_path, dtype, told):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(ROWS.round()).rename(columns=str)
    path = save(tmp_path, frame.astype({"3": dtype}))
    refused(path, f"column 3 is a {told} of pandas' own")


def test_columns_that_are_not_read(tmp_path):
    colour = pd.Categorical(["red", "blue"] * (N_ROWS // 2))
    frame = pd.DataFrame(ROWS).assign(is_car=True, colour=colour)
    path = save(tmp_path, frame.assign(path=PATHS))
    check(path, ROWS, PATHS)
    assert open_source(path).note.endswith("not read as descriptors: is_car, colour")
    refused(save(tmp_path, frame.assign(path=pd.Categorical(PATHS))), "path: is a column of")


# Of pandas 1.5 and numpy 1.26: pickletools.optimize(pickle.dumps(DataFrame(
# {"a": [1.0, 2.0], "b": [3.0, 4.0], "path": ["x.jpg", "y.jpg"]}), 4)).
PANDAS_1 = (
    b"\x80\x04\x95\x9d\x02\x00\x00\x00\x00\x00\x00\x8c\x11pandas.core.frame\x8c\tDataFrame\x93)"
    b"\x81}(\x8c\x04_mgr\x8c\x1epandas.core.internals.managers\x8c\x0cBlockManager\x93\x8c\x16pa"
    b"ndas._libs.internals\x8c\x0f_unpickle_block\x93\x94\x8c\x15numpy.core.multiarray\x8c\x0c_r"
    b"econstruct\x93\x94\x8c\x05numpy\x94\x8c\x07ndarray\x93\x94K\x00\x85C\x01b\x94\x87R(K\x01K"
    b"\x02K\x02\x86h\x02\x8c\x05dtype\x93\x94\x8c\x02f8\x89\x88\x87R(K\x03\x8c\x01<NNNJ\xff\xff"
    b"\xff\xffJ\xff\xff\xff\xffK\x00tb\x89C \x00\x00\x00\x00\x00\x00\xf0?\x00\x00\x00\x00\x00"
    b"\x00\x00@\x00\x00\x00\x00\x00\x00\x08@\x00\x00\x00\x00\x00\x00\x10@tb\x8c\x08builtins\x8c"
    b"\x05slice\x93\x94K\x00K\x02K\x01\x87RK\x02\x87Rh\x00h\x01h\x03K\x00\x85h\x04\x87R(K\x01K"
    b"\x01K\x02\x86h\x05\x8c\x02O8\x89\x88\x87R\x94(K\x03\x8c\x01|NNNJ\xff\xff\xff\xffJ\xff\xff"
    b"\xff\xffK?tb\x89](\x8c\x05x.jpg\x8c\x05y.jpgetbh\x06K\x02K\x03K\x01\x87RK\x02\x87R\x86]("
    b"\x8c\x18pandas.core.indexes.base\x94\x8c\n_new_Index\x93\x94h\x08\x8c\x05Index\x93}(\x8c"
    b"\x04datah\x01h\x03K\x00\x85h\x04\x87R(K\x01K\x03\x85h\x07\x89](\x8c\x01a\x8c\x01b\x8c\x04p"
    b"athetb\x8c\x04name\x94Nu\x86Rh\t\x8c\x19pandas.core.indexes.range\x8c\nRangeIndex\x93}(h\n"
    b"N\x8c\x05startK\x00\x8c\x04stopK\x02\x8c\x04stepK\x01u\x86Re\x86R\x8c\x04_typ\x8c\tdatafra"
    b"me\x8c\t_metadata]\x8c\x05attrs}\x8c\x06_flags}\x8c\x17allows_duplicate_labels\x88sub."
)


def test_a_frame_of_an_older_pandas(tmp_path):
    check(save(tmp_path, PANDAS_1), np.array([[1.0, 3.0], [2.0, 4.0]]), ["x.jpg", "y.jpg"])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([*ROWS[:50], ROWS[0, :3], *ROWS[50:]], ["row 50 at byte", "3 float32", "are 24 float32"]),
        ([*ROWS[:9], ROWS[0].astype("f8")], ["row 9 at byte", "24 float64"]),
        ([*ROWS, None], ["row 2600 is something else"]),
        ({**VALUES["dict"][0], "x": ROWS[0, :2]}, ["row 2600 at byte", "2 float"]),
        ([[1.0, 2.0]] * 9 + [[1.0]], ["row 9", "1 floats", "2 floats"]),
        ([ROWS, ROWS[:, :3]], ["3 float32", "24 float32"]),
        ([ROWS, ROWS.astype("f8")], ["24 float64", "24 float32"]),
        ({"f": ROWS, "paths": PATHS[:-1]}, ["2600 rows, and 2599 paths"]),
        ({"f": ROWS, "paths": [*PATHS[:-1], None]}, ["paths: row 2599 has no path"]),
        ({"f": ROWS[0], "n": 1}, ["a dict of 2 items, not an array"]),
        ({1: ROWS[0], 2: ROWS[1]}, ["a dict of 2 items, not an array"]),
        ([ROWS[:0]], ["0 rows"]),
        ([row[:0] for row in ROWS], ["0 columns"]),
        ([np.array(["x"])] * 3, ["text string"]),
        ({Path("x"): ROWS[0]}, ["global 'pathlib", "use str(path)"]),
        (pd.Series([1.0, 2.0]), ["a Series of pandas", "to_parquet"]),
        (pd.DataFrame({"a": ["x"]}), ["holds a DataFrame, not an array"]),
        (pd.DataFrame(ROWS).assign(path=[None, *PATHS[1:]]), ["path: ", "missing"]),
    ],
    ids=range(18),
)
def test_bad_rows(tmp_path, value, words):
    refused(save(tmp_path, value), *words)


def test_rows_as_text(tmp_path):
    refused(save(tmp_path, list(ROWS[:50]), 2), "protocol 2", "protocol 4")
    refused(save(tmp_path, dict(zip(PATHS, ROWS, strict=True)), 1), "protocol 4")


def test_what_follows_is_not_passed_over(tmp_path):
    content = pickle.dumps(list(ROWS))
    refused(save(tmp_path, content + content), f"the {len(content)} bytes from byte {len(content)}")


def test_cut_short(tmp_path):
    for name in ("dict", "floats", "named"):
        content = pickle.dumps(VALUES[name][0])
        for length in range(1, len(content), len(content) // 50):
            refused(save(tmp_path, content[:length]), "ends before its array does")


def test_paths_that_are_no_text(tmp_path):
    rows = dict(zip(("x" * 9, "y" * 9), ROWS, strict=False))
    path = save(tmp_path, pickle.dumps(rows).replace(b"y" * 9, b"\xff" * 9))
    with pytest.raises(SourceError, match=r"path 1 at byte \d+ is not UTF-8"):
        list(iter_paths(path))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ["dict", "pairs", "floats", "paths twice"])
def test_damage_gives_what_loading_gives(tmp_path, name, protocol):
    """What a damaged pickle is read as is what it would be loaded as, by which nothing runs."""
    value, *_ = VALUES[name]
    whole = pickle.dumps(value, protocol)
    chance = random.Random(protocol)
    n_read = 0
    for _ in range(12):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path = save(tmp_path, bytes(content))
        try:
            source = open_source(path)
            rows, paths = source[:], list(source.iter_paths()) if source.has_paths else None
        except SourceError:
            continue
        n_read += 1
        again = pickle.loads(content)
        table = again.get("f", again) if isinstance(again, dict) else again
        expected = [*table.values()] if isinstance(table, dict) else table
        if name == "pairs":
            expected = [row for _, row in again]
            assert paths == [path for path, _ in again]
        elif name == "dict":
            assert paths == list(again)
        np.testing.assert_array_equal(rows, np.asarray(expected, source.dtype))
    assert n_read


@pytest.mark.parametrize(
    "content",
    [
        b"](" * 30_000 + b"e" * 30_000,
        b"]" + b"](e" * 300_000,
        b"](" + b"](Ne" * 100_000 + b"e.",
        b"}(" + b"\x8c\x01a}" * 100_000 + b"u.",
        b"](" + (b"X" + b"\0" * 4) * 30_000 + b"e.",
        b"]\x94(" + b"h\x00" * 100_000 + b"e.",
        b"\x80\x04" + (b"\x95" + b"\0" * 8) * 100_000 + b"N.",
    ],
    ids=range(7),
)
def test_no_list_takes_memory(tmp_path, content):
    path = save(tmp_path, content)
    tracemalloc.start()
    try:
        refused(path)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def test_memory_of_many_rows(tmp_path):
    """Eight bytes a row and a path, and a piece of the file."""
    rows = np.zeros((40_000, 32), np.uint8)
    paths = [f"{row}" for row in range(len(rows))]
    path = save(tmp_path, dict(zip(paths, rows, strict=True)))
    tracemalloc.start()
    try:
        source = open_source(path)
        held, peak = tracemalloc.get_traced_memory()
        assert held < 16 * len(rows) + (1 << 18)
        assert peak < 6 << 20
    finally:
        tracemalloc.stop()
    assert len(source) == len(rows)
