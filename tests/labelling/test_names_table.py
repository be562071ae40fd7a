"""Tables of names, as people and programs write them."""

import csv

import pytest

from streamclust.errors import SourceError
from streamclust.labelling.names_table import LONGEST_NAME, clean_name, read_names
from streamclust.sources.cells import plain_cell, safe_cell


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_every_way_to_write_a_table(tmp_path, encoding, separator):
    lines = [
        ["Set", "clustering", "cluster", "name", "size", "outlier", "mark"],
        ["a", "kmeans-5", "3", " белый\nфургон ", "17", "1", "0a"],
        ["", "", "", "", "", "", ""],
        ["b", "", "0", "", "4", "", ""],
    ]
    quoted = ["\r\n".join(separator.join(f'"{cell}"' for cell in line) for line in lines)]
    first, second = read_names(write(tmp_path / "names.csv", quoted[0], encoding))
    assert (first.set, first.clustering, first.cluster) == ("a", "kmeans-5", 3)
    assert (first.name, first.outlier, first.mark) == ("белый фургон", True, "0a")
    assert (second.set, second.clustering, second.cluster, second.name) == ("b", "", 0, "")
    assert not second.outlier
    assert second.number == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column cluster and no column name"),
        ("cluster,size\n0,3\n", "no column name: it takes set,clustering,cluster,name"),
        ("cluster,name\n\n", "holds no line"),
        ("cluster,name\nx,car\n", "line 2: 'x' is no number"),
        ("cluster,name\n-1,noise\n", "line 2: '-1' is no number"),
        ("cluster,name,outlier\n1,car,perhaps\n", "line 2: outlier is 'perhaps'"),
        (f"cluster,name\n1,{'x' * (LONGEST_NAME + 1)}\n", f"write {LONGEST_NAME} at most"),
    ],
)
def test_tables_that_are_not_understood(tmp_path, text, message):
    with pytest.raises(SourceError, match=message):
        read_names(write(tmp_path / "names.csv", text))


def test_no_table(tmp_path):
    with pytest.raises(SourceError, match=r"gone.csv: cannot be read"):
        read_names(tmp_path / "gone.csv")
    with pytest.raises(SourceError, match="not UTF-8"):
        read_names(write(tmp_path / "names.csv", "cluster,name\n0,café\n", "latin-1"))


def test_what_cannot_be_seen_is_no_part_of_a_name():
    assert clean_name("a\r\n\tb\x00\u2028c\u00a0 d ") == "a b c d"
    assert clean_name("<script>é</script>") == "<script>é</script>"


@pytest.mark.parametrize("text", ["=1+1", "+7", "-x", "@a", "\t=1", "'=1", "''-1", "'tis", ""])
def test_no_cell_is_a_formula_and_none_is_changed(tmp_path, text):
    safe = safe_cell(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert plain_cell(safe) == text
    with open(tmp_path / "names.csv", "w", newline="") as file:
        csv.writer(file).writerows([["cluster", "name"], [0, safe]])
    assert read_names(tmp_path / "names.csv")[0].name == clean_name(text)
