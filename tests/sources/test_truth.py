"""Truth tables of several makes, and those that cannot be used."""

from pathlib import Path

import numpy as np
import pytest
from tracing import traced

from streamclust.errors import SourceError
from streamclust.sources.attributes import MOST_VALUES, read_truth, truth_bytes

PATHS = [f"veriwild\\1\\{row:05}.jpg" for row in range(6)]


def truth_file(folder: Path, text: str) -> Path:
    file = folder / "truth.csv"
    file.write_text(text)
    return file


def blocks() -> list[list[str]]:
    return [PATHS[:4], PATHS[4:]]


def values(attribute) -> list[str]:
    return [attribute.values[code] if code >= 0 else "" for code in attribute.codes]


def test_rows_may_be_some_in_any_order(tmp_path):
    lines = "row,colour,outlier_kind\n5,red,\n0,blue,glare\n2,,\n4,red,\n3,blue,dark\n"
    truth = read_truth(truth_file(tmp_path, lines), 6)
    assert truth.rows.tolist() == [0, 2, 3, 4, 5]
    assert truth.attributes["colour"].values == ["blue", "red"]
    assert values(truth.attributes["colour"]) == ["blue", "", "blue", "red", "red"]
    assert values(truth.outlier_kind) == ["glare", "", "dark", "", ""]
    assert truth.unmatched == 0


@pytest.mark.parametrize("slash", ["/", "\\"])
@pytest.mark.parametrize("name", ["path", "paths", "Path"])
def test_paths_are_matched_with_any_slashes(tmp_path, slash, name):
    told = [PATHS[row].replace("\\", slash) for row in (4, 1)] + ["elsewhere.jpg"]
    lines = "\n".join([f"{name},side", f"{told[0]},l", f".{slash}{told[1]},r", f"{told[2]},l"])
    truth = read_truth(truth_file(tmp_path, lines), 6, blocks())
    assert truth.rows.tolist() == [1, 4]
    assert truth.unmatched == 1
    assert truth.outlier_kind is None


def test_columns_that_tell_rows_apart_are_skipped(tmp_path):
    many = MOST_VALUES + 1
    rows = range(3 * many)
    lines = [f"{row},{row // 2},v{row % many},{row % 51},u,{row % 50}" for row in rows]
    lines = ["row,half,many,number,one,fifty", *lines]
    truth = read_truth(truth_file(tmp_path, "\n".join(lines)), 3 * many)
    assert list(truth.attributes) == ["fifty"]
    assert set(truth.skipped) == {"half", "many", "number", "one"}
    few = read_truth(truth_file(tmp_path, "row,name\n0,a\n1,b\n2,c\n3,c\n4,\n"), 6)
    assert few.skipped == {"name": "nearly every row has a value of its own"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,kind\na,b\n", "no column 'row' or 'path'"),
        ("", "it is empty"),
        ("row,kind\n6,a\n", "line 2 has row '6', but the case has rows 0 to 5"),
        ("row,kind\n0,a\n-1,a\n", "line 3 has row '-1'"),
        ("row,kind\n1.0,a\n", "line 2 has row '1.0'"),
        ("row,kind\n1,a\n\n1,b\n", "row 1 has two lines"),
        ("row,kind\n1,a,b\n", "line 2 has 3 columns where the first has 2"),
        ("row,kind\n", "none of its lines"),
        ("path,kind\nx.jpg,a\ny.jpg,b\n", r"none of its lines .* \(2 paths are not in it\)"),
        ("row,path,kind\n1,veriwild/1/00002.jpg,a\n", "row 1 is veriwild/1/00002.jpg"),
        ("row,kind,kind\n1,a,a\n", "two columns have one name"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, text, message):
    with pytest.raises(SourceError, match=message) as told:
        read_truth(truth_file(tmp_path, text), 6, blocks())
    assert "\n" not in str(told.value)


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        read_truth(tmp_path / "missing.csv", 6)
    (tmp_path / "image.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(SourceError, match="is not UTF-8 text"):
        read_truth(tmp_path / "image.csv", 6)


def test_paths_need_a_case_with_paths(tmp_path):
    with pytest.raises(SourceError, match="the case has no paths to match by"):
        read_truth(truth_file(tmp_path, "path,a\nx,y\n"), 6)
    rows = read_truth(truth_file(tmp_path, "row,path,a\n1,x,y\n2,x,z\n3,x,z\n4,y,y\n"), 6)
    assert rows.attributes["a"].codes.tolist() == [0, 1, 1, 0]


def test_the_truth_of_a_real_case(real_case):
    if not (real_case / "truth.csv").exists():
        pytest.skip("this case has no truth")
    lines = (real_case / "images_paths.csv").read_text().splitlines()[1:]
    truth = read_truth(real_case / "truth.csv", len(lines), [lines])
    assert np.array_equal(truth.rows, np.arange(len(lines)))
    assert {"type", "colour", "view"} <= set(truth.attributes)


@pytest.mark.parametrize("n_columns", [1, 40])
def test_memory_is_planned_by_the_columns_of_the_file(tmp_path, n_columns):
    n_rows = 20_000
    names = [f"veriwild/1/{row:05}.jpg" for row in range(n_rows)]
    cells = [",".join([str(row % 3)] * n_columns) for row in range(n_rows)]
    header = ",".join(["path", *(f"c{column}" for column in range(n_columns))])
    lines = [header, *(f"{name},{own}" for name, own in zip(names, cells, strict=True))]
    file = truth_file(tmp_path, "\n".join(lines))
    del lines, cells
    assert len(read_truth(file, n_rows, [names]).attributes) == n_columns
    _, taken = traced(lambda: read_truth(file, n_rows, [names]))
    assert taken <= truth_bytes(file, n_rows)
    assert taken >= n_rows * 4 * n_columns
