"""Case folders, lists of paths, and whether they fit together."""

import os
from pathlib import Path

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.sources import open_source
from streamclust.sources.case_folder import check_rows, find_case
from streamclust.sources.paths import (
    column_names,
    count_paths,
    iter_column,
    iter_paths,
    list_layout,
    normalise_path,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "descriptors").mkdir()
    for name in ("b.pickle", "a.npy", "notes.txt", ".hidden.npy"):
        (tmp_path / "descriptors" / name).touch()
    (tmp_path / "images_paths.csv").write_text("paths\nx/1.jpg\n")
    (tmp_path / "row_data").mkdir()
    return tmp_path


def test_a_case_folder(folder):
    (folder / "row_data" / "images.zip").touch()
    case = find_case(str(folder))
    assert case.root == folder
    assert list(case.descriptors.items()) == [
        ("a", folder / "descriptors" / "a.npy"),
        ("b", folder / "descriptors" / "b.pickle"),
    ]
    assert case.paths_file == folder / "images_paths.csv"
    assert case.images == folder / "row_data" / "images.zip"


def test_paths_and_images_are_optional(folder):
    (folder / "images_paths.csv").unlink()
    case = find_case(folder)
    assert case.paths_file is None
    assert case.images is None


def test_a_list_above_the_case_is_not_its_own(folder):
    (folder / "inner" / "descriptors").mkdir(parents=True)
    (folder / "inner" / "descriptors" / "a.npy").touch()
    assert find_case(folder / "inner").paths_file is None


def test_images_in_a_folder_tree(folder):
    (folder / "row_data").rmdir()
    (folder / "raw_data" / "veriwild").mkdir(parents=True)
    assert find_case(folder).images == folder / "raw_data"


def test_several_zips(folder):
    for name in ("x.zip", "y.zip"):
        (folder / "row_data" / name).touch()
    assert find_case(folder).images == folder / "row_data"
    (folder / "row_data" / "1.jpg").touch()
    with pytest.raises(SourceError, match=r"several archives \(x\.zip, y\.zip\) beside images"):
        find_case(folder)


def test_single_files(folder):
    file = folder / "descriptors" / "a.npy"
    case = find_case(file)
    assert case.descriptors == {"a": file}
    assert case.paths_file == folder / "images_paths.csv"
    case = find_case([folder / "descriptors" / "b.pickle", file])
    assert list(case.descriptors) == ["a", "b"]
    assert find_case(folder / "descriptors").descriptors == case.descriptors


def test_paths_beside_a_single_file(tmp_path):
    (tmp_path / "a.npy").touch()
    assert find_case(tmp_path / "a.npy").paths_file is None
    (tmp_path / "images_paths.csv").touch()
    assert find_case(tmp_path / "a.npy").paths_file == tmp_path / "images_paths.csv"


def test_chosen_sets(folder):
    assert list(find_case(folder, ("b",)).descriptors) == ["b"]
    assert list(find_case(folder, ("b", "a")).descriptors) == ["a", "b"]
    with pytest.raises(SourceError, match="no descriptors named c, d: choose from a, b"):
        find_case(folder, ["c", "a", "d"])
    with pytest.raises(SourceError, match="empty list: choose from a, b"):
        find_case(folder, [])


def test_one_name_twice(folder):
    (folder / "descriptors" / "a.pickle").touch()
    with pytest.raises(SourceError, match=r"a\.npy and .*a\.pickle give the same set name 'a'"):
        find_case(folder)


def test_no_descriptors(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        find_case(tmp_path / "none")
    with pytest.raises(SourceError, match="holds no descriptors: put files"):
        find_case(tmp_path)
    (tmp_path / "descriptors").mkdir()
    (tmp_path / "descriptors" / "a.doc").touch()
    with pytest.raises(SourceError, match=r"only a\.doc: put files of them there, \.npy"):
        find_case(tmp_path)
    with pytest.raises(SourceError, match="name at least one"):
        find_case([])


def test_columns_of_a_list(tmp_path):
    file = tmp_path / "images_paths.csv"
    file.write_bytes(b'\xef\xbb\xbfpaths, camera ,by\r\na/1.jpg, 3,"x, y"\r\na/2.jpg,,z\r\n \r\n')
    assert column_names(file) == ["paths", "camera", "by"]
    assert list(iter_column(file, "camera")) == [("a/1.jpg", " 3"), ("a/2.jpg", "")]
    assert list(iter_column(file, "by")) == [("a/1.jpg", "x, y"), ("a/2.jpg", "z")]
    with pytest.raises(SourceError, match=r"no column 'make' \(paths, camera, by\)"):
        list(iter_column(file, "make"))
    file.write_text("a/1.jpg\na/2.jpg\n")
    assert column_names(file) == []
    with pytest.raises(SourceError, match="there is no header line"):
        list(iter_column(file, "camera"))


TWO = ["v\\1\\a.jpg", "v/2, 3/b.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        'paths\nv\\1\\a.jpg\n"v/2, 3/b.jpg"\n',
        '\ufeffpaths\r\nv\\1\\a.jpg\r\n"v/2, 3/b.jpg"\r\n\r\n\r\n',
        'images_paths\nv\\1\\a.jpg\n"v/2, 3/b.jpg"',
        'whatever\nv\\1\\a.jpg\n"v/2, 3/b.jpg"\n',
        'v\\1\\a.jpg\n"v/2, 3/b.jpg"\n',
        ',paths\n0,v\\1\\a.jpg\n1,"v/2, 3/b.jpg"\n',
        ',0\n0,v\\1\\a.jpg\n1,"v/2, 3/b.jpg"\n',
        'id,Path,camera\n7,v\\1\\a.jpg,3\n8,"v/2, 3/b.jpg",4\n,,\n',
        '0,v\\1\\a.jpg\n1,"v/2, 3/b.jpg"\n',
        ";paths\n0;v\\1\\a.jpg\n1;v/2, 3/b.jpg\n",
        "id;paths;label\r\n0;v\\1\\a.jpg;x\r\n1;v/2, 3/b.jpg;y\r\n",
        "id\tpaths\n0\tv\\1\\a.jpg\n1\tv/2, 3/b.jpg\n",
        "0;v\\1\\a.jpg\n1;v/2, 3/b.jpg\n",
        'name,path\ncar7,v\\1\\a.jpg\ncar8,"v/2, 3/b.jpg"\n',
        'file,image_path\n7,v\\1\\a.jpg\n8,"v/2, 3/b.jpg"\n',
        'filename,path\na.jpg,v\\1\\a.jpg\nb.jpg,"v/2, 3/b.jpg"\n',
        'path,file\n1,v\\1\\a.jpg\n2,"v/2, 3/b.jpg"\n',
        'id,where\n1,v\\1\\a.jpg\n2,"v/2, 3/b.jpg"\n',
        'ID/image\nv\\1\\a.jpg\n"v/2, 3/b.jpg"\n',
    ],
)
def test_lists_of_paths(tmp_path, text):
    file = tmp_path / "images_paths.csv"
    file.write_bytes(text.encode())
    assert list(iter_paths(file)) == TWO
    assert count_paths(file) == 2


@pytest.mark.parametrize("names", [["1.JPG", "2.JPG"], ["car 07", "car 8"], ["a;b/1.jpg", "c"]])
def test_names_without_folders_are_paths_too(tmp_path, names):
    (tmp_path / "p.csv").write_text("\n".join(names))
    assert list(iter_paths(tmp_path / "p.csv")) == names
    assert list_layout(tmp_path / "p.csv") == (",", 0, False)
    (tmp_path / "p.csv").write_text("\n".join(["Image Names", *names]))
    assert list(iter_paths(tmp_path / "p.csv")) == names


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "starts with an empty line"),
        (b"\na/b.jpg\n", "starts with an empty line"),
        (b" \t\na/b.jpg\n", "starts with an empty line"),
        (b"paths\na/1.jpg\n\na/2.jpg\n", "line 3 is empty"),
        (b"paths\na/1.jpg\na/2,3.jpg\n", "line 3 has 2 columns where the first has 1.*quotes"),
        (b"id,paths\n1,a/1.jpg\n2,\n", "line 3 has no path"),
        (b"id,camera\n1,2\n", r"no column is called 'paths' \(id, camera\)"),
        (b"id;camera\n1;2\n", r"no column is called 'paths' \(id, camera\)"),
        (b"a,b/1.jpg\nc,d/1.jpg\n", r"no column is called 'paths' \(a, b/1.jpg\)"),
        (b"id,left,right\n1,a/b.jpg,c/d.jpg\n", "no column is called 'paths'"),
        (b"id;paths\n1;a;b.jpg\n", "line 2 has 3 columns where the first has 2: .* semicolons"),
        (b"paths\n\xff\xfe\n", "is not UTF-8"),
        (b'paths\n"' + b"a" * 200_000, "is not a CSV"),
        (b"version https://git-lfs.github.com/spec/v1\noid x\n", "Git LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html>\n<p>a/b", "is a web page.*download it again"),
        (b"\x1f\x8b\x08\0", "is damaged or cut short"),
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "is a spreadsheet: save it as CSV"),
    ],
)
def test_lists_that_are_refused(tmp_path, content, words):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(SourceError, match=words):
        count_paths(tmp_path / "p.csv")


def test_a_missing_list(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        count_paths(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("veriwild\\1\\0.jpg", "veriwild/1/0.jpg"),
        ("./a/b.jpg", "a/b.jpg"),
        (".\\.\\a.jpg", "a.jpg"),
        (".hidden/a.jpg", ".hidden/a.jpg"),
        (" a b.jpg", " a b.jpg"),
    ],
)
def test_normalise_path(path, expected):
    assert normalise_path(path) == expected


def test_row_counts(tmp_path):
    for name, rows in (("a", 3), ("b", 3), ("c", 4)):
        np.save(tmp_path / f"{name}.npy", np.ones((rows, 2)))
    a, b, c = (open_source(tmp_path / f"{name}.npy") for name in "abc")
    assert check_rows({"a": a, "b": b}, 3) == 3
    assert check_rows({"c": c}, None) == 4
    with pytest.raises(SourceError, match=r"differ: a 3, b 3, c 4:"):
        check_rows({"a": a, "b": b, "c": c}, None)
    with pytest.raises(SourceError, match=r"differ: a 3, images_paths\.csv 5:"):
        check_rows({"a": a}, 5)
    with pytest.raises(SourceError, match="choose at least one"):
        check_rows({}, None)


@pytest.mark.parametrize(
    ("text", "n_rows", "cause"),
    [
        (
            "img_0\na/1.jpg\na/2.jpg\n",
            3,
            "'img_0', was taken for a header: add one if it is a path",
        ),
        ("img/id\na/1.jpg\na/2.jpg\n", 2, "'img/id', was taken for a path: call the column"),
        ("paths\na/1.jpg\na/1.jpg\nb\nb\n", 2, "2 of its lines .*: without them there are as"),
        ("paths\na/1.jpg\na/1.jpg\nb\nb\n", 9, "2 of its lines repeat a path that stands above"),
        ("paths\na/1.jpg\na/2.jpg\n", 6, "there are 3 rows a path: list each path as often"),
        ("paths\na/1.jpg\na/2.jpg\n", 5, r"a 5, p.csv 2: all must"),
    ],
)
def test_why_a_list_does_not_fit(tmp_path, text, n_rows, cause):
    np.save(tmp_path / "a.npy", np.ones((n_rows, 2)))
    (tmp_path / "p.csv").write_text(text)
    sources = {"a": open_source(tmp_path / "a.npy")}
    with pytest.raises(SourceError, match=cause):
        check_rows(sources, count_paths(tmp_path / "p.csv"), tmp_path / "p.csv")


def test_real_case(real_case):
    case = find_case(real_case)
    assert case.paths_file is not None
    assert case.images is not None
    sources = {name: open_source(file) for name, file in case.descriptors.items()}
    paths = list(iter_paths(case.paths_file))
    assert check_rows(sources, len(paths)) == count_paths(case.paths_file)
    lines = case.paths_file.read_text().splitlines()
    assert paths == lines[1:]


@pytest.mark.parametrize(
    "name",
    ["row.npy", "path.npy", "combined.npy", "a,b.npy", "...npy", "_x.npy", "zarr.json.npy"],
)
def test_names_that_no_set_can_have(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match="cannot name a set"):
        find_case(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"\xf6\xe2\xe5\xf2.npy", r"'\udcf6\udce2\udce5\udcf2' cannot name a set"),
        (b"a\nb.npy", r"'a\nb' cannot name a set"),
        ("a\u2028b.npy".encode(), r"'a\u2028b' cannot name a set"),
        (b"a\x7f.npy", r"'a\x7f' cannot name a set"),
    ],
)
def test_names_that_cannot_be_written_are_told_in_one_line(folder, name, shown):
    os.rename(folder / "descriptors" / "a.npy", os.fsencode(folder / "descriptors") + b"/" + name)
    for path in (folder, [*(folder / "descriptors").glob("[!.]*.npy")]):
        with pytest.raises(SourceError) as caught:
            find_case(path)
        message = str(caught.value)
        assert shown in message
        assert len(message.splitlines()) == 1
        message.encode()


def test_names_that_are_too_long_for_figures(folder):
    file = folder / "descriptors" / "a.npy"
    fits = file.rename(file.with_name("ä" * 100 + ".npy"))
    assert fits.stem in find_case(folder).descriptors
    fits.rename(file.with_name("ä" * 100 + "b.npy"))
    with pytest.raises(SourceError, match=r"too long to name a set, .*: rename the file, to 200"):
        find_case(folder)


@pytest.mark.parametrize(
    "path", ["s3://bucket/case", "S3://b/a.npy", "https://x.org/a.npy", "gs://b", "file:///a/b"]
)
def test_addresses_are_refused(path):
    scheme = path.partition(":")[0]
    for given in (path, Path(path), [path], ["a.npy", path]):
        with pytest.raises(SourceError, match=rf"addresses \({scheme}://\) are not served: copy"):
            find_case(given)


def test_what_is_passed_over_is_told(folder):
    (folder / "descriptors" / "osnet.index").touch()
    (folder / "descriptors" / "vdc_type.tfrecord").touch()
    (folder / "descriptors" / "parts").mkdir()
    (folder / "above.npy").touch()
    (note,) = find_case(folder).notes
    names, _, words = note.partition(": ")
    inside = "descriptors/notes.txt, descriptors/osnet.index, descriptors/parts"
    assert names == f"above.npy, {inside}, descriptors/vdc_type.tfrecord"
    assert words.startswith("not read: sets are files of descriptors, .npy, ")
    # Of files that are named, others were not meant.
    assert find_case(folder / "descriptors" / "a.npy").notes == ()


def test_many_that_are_passed_over_are_told_in_short(folder):
    for number in range(30):
        (folder / "descriptors" / f"{number:02}.index").touch()
    (note,) = find_case(folder).notes
    assert "09.index, …: not read" in note
    assert "10.index" not in note


def test_a_folder_without_order_is_not_told_of_what_is_no_array(tmp_path):
    for name in ("a.npy", "b.faiss", "truth.csv", "README.md", "images_paths.csv", "settings.toml"):
        (tmp_path / name).write_text("x/1.jpg")
    (tmp_path / "out").mkdir()
    (note,) = find_case(tmp_path).notes
    assert note.startswith("b.faiss: not read")


@pytest.mark.parametrize(
    "name",
    [
        *("image_paths.csv", "paths.csv", "images-paths.csv", "Images_Paths.CSV", "img_paths.csv"),
        *("images_paths.txt", "images_paths.csv.gz", "images_paths (1).csv", "filenames.csv"),
        *("images_paths.csv.csv", "images_path.csv", "image_list.txt", "images_paths copy.csv"),
    ],
)
def test_a_list_of_paths_of_another_name_is_told(folder, name):
    assert not any(name in note for note in find_case(folder).notes)
    (folder / "images_paths.csv").rename(folder / name)
    for case in (find_case(folder), find_case(folder / "descriptors" / "a.npy")):
        assert case.paths_file is None
        assert f"{name}: not read: the list of paths is called images_paths.csv" in case.notes


@pytest.mark.parametrize("name", ["truth.csv", "labels.csv", "vehicle_info.txt", "image.jpg"])
def test_other_tables_are_not_taken_for_one(folder, name):
    (folder / "images_paths.csv").rename(folder / name)
    assert not any(name in note for note in find_case(folder).notes)


def test_a_first_path_without_an_ending_is_no_header(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    sources = {"a": open_source(tmp_path / "a.npy")}
    listed = tmp_path / "images_paths.csv"
    for text in ("img_0\nimg_1\nimg_2\n", "paths\nimg_0\nimg_1\nimg_2\n"):
        listed.write_text(text)
        assert check_rows(sources, count_paths(listed), listed) == 3
    for text in ("paths\nimg_1\nimg_2\n", "img_0\nimg_1\n"):
        listed.write_text(text)
        with pytest.raises(SourceError, match="numbers of rows differ") as caught:
            check_rows(sources, count_paths(listed), listed)
        assert "header" not in str(caught.value)
