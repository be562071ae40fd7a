"""Tables of numbers in text."""

import numpy as np
import pandas as pd
import pytest
from cases import write_case

from streamclust import api
from streamclust.errors import SourceError
from streamclust.sources import open_source
from streamclust.sources.case_folder import find_case

ROWS = np.random.default_rng(0).normal(size=(700, 5))
PATHS = [f"a/{row}, é.jpg" for row in range(700)]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    from streamclust.sources.formats import csv_files

    monkeypatch.setattr(csv_files, "_PIECE_BYTES", 8 * 5 * 64)


def check(path, paths=None, values=ROWS):
    source = open_source(path)
    assert (source.shape, source.dtype) == (values.shape, np.float64)
    for start, stop in [(0, 100), (100, 101), (90, 300), (0, 700), (690, 700)]:
        np.testing.assert_array_equal(source.read(start, stop), values[start:stop])
    assert source.has_paths == (paths is not None)
    if paths is not None:
        assert list(source.iter_paths()) == paths


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", [True, False])
def test_with_and_without_paths(tmp_path, separator, header):
    frame, options = pd.DataFrame(ROWS), {"sep": separator, "header": header}
    frame.to_csv(tmp_path / "a.txt", index=False, **options)
    check(tmp_path / "a.txt")
    frame.insert(0, "image_path", PATHS)
    frame.to_csv(tmp_path / "a.txt", index=False, **options)
    check(tmp_path / "a.txt", PATHS)
    if header:
        frame.to_csv(tmp_path / "a.txt", **options)
        check(tmp_path / "a.txt", PATHS)


def test_numbers_parted_by_blanks(tmp_path):
    np.savetxt(tmp_path / "a.txt", ROWS, "%.18e")
    check(tmp_path / "a.txt")
    np.savetxt(tmp_path / "a.txt", ROWS, "%.18e", delimiter=",")
    check(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,2,3,4", r"line 303 has 4 columns, and the first 5"),
        ("1,2,3,4,5,6", r"line 303 has 6 columns, and the first 5"),
        ("1,2,,4,5", r"line 303, column 3: is empty"),
        ("1,2,x y,4,5", r"line 303, column 3: 'x y' is no number"),
    ],
)
def test_lines_that_are_no_rows(tmp_path, line, words):
    path = tmp_path / "a.csv"
    pd.DataFrame(ROWS).to_csv(path, index=False)
    lines = path.read_text().splitlines()
    lines[302] = line
    path.write_text("\n".join(lines))
    with pytest.raises(SourceError, match=words):
        open_source(path)[:]
    lines[302] = "1,2,nan,4,inf"
    path.write_text("\n".join(lines))
    assert np.isnan(open_source(path)[301:302][0, 2])


@pytest.mark.parametrize(
    "text",
    [
        "paths\na/1.jpg\na/2.jpg\n",
        "a/1.jpg\na/2.jpg\n",
        "path,camera\na/1.jpg,3\na/2.jpg,4\n",
        "path,type,width,height\na/1.jpg,bus,30,40\na/2.jpg,car,20,10\n",
        "a\n1.5\n2.5\n",
        "name,value\nx,1\n",
    ],
)
def test_lists_and_tables_are_no_descriptors(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(SourceError, match="is text without columns of numbers"):
        open_source(tmp_path / "a.csv")


@pytest.mark.usefixtures("all_unrendered")
def test_a_case_of_texts(tmp_path):
    case = write_case(tmp_path / "case", b=ROWS.astype("f4"))
    (case / "images_paths.csv").unlink()
    frame = pd.DataFrame(ROWS)
    frame.insert(0, "path", PATHS)
    frame.to_csv(case / "descriptors" / "a.csv", index=False)
    made = api.run(case, tmp_path / "out", n_clusters=2)
    assert made.store["images/path"][:].tolist() == PATHS
    # Beside arrays, in a folder without order, tables are no sets.
    np.save(tmp_path / "c.npy", ROWS)
    frame.to_csv(tmp_path / "truth.csv", index=False)
    assert list(find_case(tmp_path).descriptors) == ["c"]


def test_lines_that_end_otherwise_than_was_counted(tmp_path):
    """Of which the last would be left out without a word."""
    path = tmp_path / "a.csv"
    pd.DataFrame(ROWS).to_csv(path, index=False)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r", 700).replace(b"\r", b"\n", 699))
    with pytest.raises(SourceError, match="does not hold the 699 rows that it tells of"):
        open_source(path)[:]


def test_an_empty_cell_is_a_missing_number(tmp_path):
    frame = pd.DataFrame(ROWS, columns=list("abcde"))
    frame.loc[0, "c"] = np.nan
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(SourceError, match="line 2, column 3: is empty"):
        open_source(tmp_path / "a.csv")[:]


@pytest.mark.parametrize("name", ["ID", "image_id", "Unnamed: 0", "index"])
def test_columns_that_number_rows_are_no_descriptors(tmp_path, name):
    frame = pd.DataFrame(ROWS, columns=list("abcde"))
    frame.insert(0, name, range(700))
    frame.insert(3, "label", ["cat", "dog"] * 350)
    frame.to_csv(tmp_path / "a.csv", index=False)
    check(tmp_path / "a.csv")
    assert open_source(tmp_path / "a.csv").note == f"a.csv: not read as descriptors: {name}, label"


def test_whole_numbers_beside_others_are_no_descriptors(tmp_path):
    frame = pd.DataFrame(ROWS, columns=list("abcde")).assign(width=[*range(640, 1340)])
    frame.to_csv(tmp_path / "a.csv", index=False)
    check(tmp_path / "a.csv")
    assert open_source(tmp_path / "a.csv").note == "a.csv: not read as descriptors: width"
    sparse = (ROWS * 10).round().clip(0) / 10
    sparse[:30, 2] = 0
    np.savetxt(tmp_path / "b.csv", sparse, "%g", ",", header="a,b,c,d,e", comments="")
    check(tmp_path / "b.csv", values=sparse)
    whole = sparse.round()
    np.savetxt(tmp_path / "c.csv", whole, "%g", ",", header="a,b,c,d,e", comments="")
    check(tmp_path / "c.csv", values=whole)
