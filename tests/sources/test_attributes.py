"""Tables of attributes: VERI-Wild's as it comes, other separators, and those of another case."""

from pathlib import Path

import pytest

from streamclust.errors import SettingsError, SourceError
from streamclust.sources.attributes import attributes_bytes, read_attributes
from streamclust.sources.cells import safe_cell
from streamclust.sources.paths import iter_paths, path_tail

PATHS = [f"veriwild\\{i % 3}\\{i // 4:05}\\{i:06}.jpg" for i in range(240)]
TYPES = ["SUV", " SUV", "bus", "sedan"]


def table(folder: Path, lines: list[str]) -> Path:
    file = folder / "vehicle_info.txt"
    file.write_text("\n".join(lines) + "\n")
    return file


def vehicle_info(folder: Path, rows=range(240), **changes: str) -> Path:
    lines = [
        f"{i // 4:05}/{i:06};{i % 60};2018-03-{i % 31:02} 10:00:{i:02};Audi A{i % 5};"
        f"{changes.get('kind', TYPES[i % 4])};white"
        for i in rows
    ]
    lines = [line.replace("white", "black") if i % 3 else line for i, line in enumerate(lines)]
    return table(folder, ["id/image;Camera ID;Time;Model;Type;Color", *lines])


def test_vehicle_info_as_it_comes(tmp_path):
    known = read_attributes(vehicle_info(tmp_path, range(239, -1, -1)), 240, [PATHS])
    assert known.rows.tolist() == list(range(240))
    assert list(known.attributes) == ["Camera ID", "Model", "Type", "Color"]
    assert known.attributes["Type"].values == ["SUV", "bus", "sedan"]
    codes = known.attributes["Type"].codes[:4]
    assert [known.attributes["Type"].values[code] for code in codes] == [
        "SUV",
        "SUV",
        "bus",
        "sedan",
    ]
    assert known.attributes["Camera ID"].values[:2] == ["camera 0", "camera 1"]
    assert set(known.skipped) == {"Time"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(tmp_path, separator):
    lines = [["row", "colour"], ["0", '"a,b;c\td"'], ["1", "red"], ["3", "red"], ["4", "red"]]
    file = table(tmp_path, [separator.join(line) for line in lines])
    known = read_attributes(file, 5)
    assert known.rows.tolist() == [0, 1, 3, 4]
    assert known.attributes["colour"].values == ["a,b;c\td", "red"]
    assert attributes_bytes(file, 5) > 0


def mixed_columns(folder: Path) -> Path:
    """200 rows: 98 % and 99 % of one value, numbers, a column that tells rows apart, one value."""
    lines = [
        f"{row},{'bus' if row < 4 else 'car'},{'x' if row < 2 else 'y'},{row % 60},"
        f"v{row // 1.5},u,glare"
        for row in range(200)
    ]
    return table(folder, ["row,type,rare,width,apart,single,outlier_kind", *lines])


def test_attributes_of_one_value_for_nearly_all_rows_are_left_out(tmp_path):
    known = read_attributes(mixed_columns(tmp_path), 200)
    assert list(known.attributes) == ["type"]
    assert known.dominated == {"rare": "99.00% of its known rows are 'y'"}
    assert set(known.skipped) == {"width", "apart", "single"}
    only = table(tmp_path, ["row,kind", "0,x", *(f"{row},y" for row in range(1, 200))])
    with pytest.raises(SourceError, match=r"\(kind: 99.50% of its known rows are 'y'\)"):
        read_attributes(only, 200)


def test_columns_that_are_named_are_used_whatever_they_hold(tmp_path):
    file = mixed_columns(tmp_path)
    known = read_attributes(file, 200, columns=["apart", "single", "rare", "width"])
    assert list(known.attributes) == ["rare", "width", "apart"]
    assert (set(known.skipped), known.dominated) == ({"single"}, {})
    assert attributes_bytes(file, 200, ["rare"]) < attributes_bytes(file, 200)
    there = "has no column 'row', 'outlier_kind' of attributes: there are type, rare, width, ap"
    for reader in (read_attributes, attributes_bytes):
        with pytest.raises(SettingsError, match=there):
            reader(file, 200, columns=["type", "row", "outlier_kind"])


def test_a_large_table_may_hold_a_small_case_and_a_small_one_part_of_a_large_case(tmp_path):
    file = vehicle_info(tmp_path)
    assert len(read_attributes(file, 60, [PATHS[:60]]).rows) == 60
    file = vehicle_info(tmp_path, range(0, 40))
    assert len(read_attributes(file, 240, [PATHS]).rows) == 40


def test_a_table_of_another_case_is_refused(tmp_path):
    file = vehicle_info(tmp_path)
    others = [*PATHS[:9], *(f"veriwild/9/{i:05}/x.jpg" for i in range(91))]
    found = r"only 9 of its 240 lines .* has 100: .* not found: 00002/000009, 00002/000010, "
    with pytest.raises(SourceError, match=found) as told:
        read_attributes(file, 100, [others])
    assert "\n" not in str(told.value)
    with pytest.raises(SourceError, match=r"none of its lines .* not found: 00000/000000, "):
        read_attributes(file, 91, [others[9:]])


def test_ends_of_paths_that_several_rows_have(tmp_path):
    file = table(tmp_path, ["id/image;Type", "00001/000001;bus"])
    paths = ["veriwild/1/00001/000001.jpg", "veriwild/2/00001/000001.jpg"]
    with pytest.raises(SourceError, match="rows 0 and 1 of this case both end in 00001/000001"):
        read_attributes(file, 2, [paths])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["row,id", *(f"{i},{i}" for i in range(9))], "no column that is an attribute .id: nearly"),
        (["row"], "none of its lines"),
        (["row", "1"], "no column that is an attribute .it has no other"),
        (["image;Type", "a;b"], "no column 'row' or 'path'"),
        (["row;Type", "1;b;c"], "line 2 has 3 columns where the first has 2"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, lines, message):
    with pytest.raises(SourceError, match=message):
        read_attributes(table(tmp_path, lines), 9, [PATHS[:9]])
    with pytest.raises(SourceError, match="cannot be read"):
        read_attributes(tmp_path / "missing.csv", 9)


def test_ends_of_paths():
    assert path_tail("veriwild\\1\\00001\\000001.jpg") == path_tail("00001/000001")
    assert path_tail("1.5/a.b.png") == "1.5/a.b"
    assert path_tail("a.png") == "a"


CROPS = [f"v/{row // 2:03}.jpg" for row in range(80)]


@pytest.mark.parametrize("key", ["path", "id/image"])
def test_a_line_is_of_all_rows_with_its_path(tmp_path, key):
    """Several crops of one photograph."""
    file = table(tmp_path, [f"{key},type", *(f"v/{n:03},{'ab'[n % 2]}" for n in range(40))])
    if key == "path":
        file.write_text(file.read_text().replace(",", ".jpg,").replace("path.jpg", "path"))
    known = read_attributes(file, 80, [CROPS[:7], CROPS[7:]])
    assert known.rows.tolist() == list(range(80))
    assert (known.matched, known.unmatched) == (40, 0)
    assert known.attributes["type"].codes.tolist() == [row // 2 % 2 for row in range(80)]


def test_several_lines_for_rows_that_share_a_path_are_refused_with_their_number(tmp_path):
    lines = [f"{path},{'abc'[row % 3]}" for row, path in enumerate(CROPS)]
    two = r"row 0 has two lines \(as have 79 others\): leave one line for the 2 rows that have its"
    with pytest.raises(SourceError, match=two):
        read_attributes(table(tmp_path, ["path,type", *lines]), 80, [CROPS])


def test_paths_and_values_that_a_spreadsheet_would_take_for_formulas(tmp_path):
    """As the tables that are written have them, and as they stand in the list."""
    paths = ["=1.jpg", "-2.jpg", "+3.jpg", "'=4.jpg", "@5.jpg", "'6.jpg"]
    for told in (paths, list(map(safe_cell, paths))):
        lines = [f"{path},{safe_cell('=ab'[n % 2 :])}" for n, path in enumerate(told)]
        known = read_attributes(table(tmp_path, ["path,type", *lines]), 6, [paths])
        assert known.rows.tolist() == list(range(6))
        assert known.attributes["type"].values == ["=ab", "ab"]
        (tmp_path / "list.csv").write_text("\n".join(["path", *map(safe_cell, paths)]))
        assert list(iter_paths(tmp_path / "list.csv")) == paths
