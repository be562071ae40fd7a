"""Labels to take away: tables of every kind, image labels of other tools, folders of links."""

import csv
import json
import re
import shutil
import sys
from itertools import chain
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree
from zipfile import ZipFile

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from cases import write_case
from click.testing import CliRunner
from PIL import Image
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs

from streamclust import api
from streamclust.cli import commands
from streamclust.errors import SettingsError
from streamclust.labelling.exports.base import NO_CLUSTER
from streamclust.labelling.exports.folders import distinct_names, file_name
from streamclust.registries import EXPORTS
from streamclust.sources import iter_paths, read_attributes, safe_cell

pytestmark = pytest.mark.usefixtures("all_unrendered")

N_ROWS = 400
COLUMNS = ["label", "name", "distance", "confidence"]
OF_OUTLIERS = ["outlier", "outlier_score", "outlier_reason"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Results of two sets, one with rows that are masked, and images of most rows."""
    top = tmp_path_factory.mktemp("take")
    values, _ = make_blobs(N_ROWS, 6, centers=4, cluster_std=1.5, random_state=0)
    values = values.astype(np.float32)
    values[5] *= 30
    holes = values.copy()
    holes[[3, 9]] = np.nan
    case = write_case(top / "case", a=values, b=holes)
    for row in range(N_ROWS - 1):
        file = case / "row_data" / "1" / f"{row // 7:05}" / f"{row:06}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 8), (row % 250, 80, 90)).save(file)
    out = top / "out"
    api.run(case, out, n_clusters=(4, 5), invalid="mask", workers=2)
    names = top / "names.csv"
    lines = [("a", "kmeans-4", 0, "=car", 0), ("a", "kmeans-4", 1, "bus", 0)]
    lines += [("a", "kmeans-4", 2, "bus", 0), ("a", "kmeans-4", 3, "", 1)]
    with open(names, "w", newline="") as file:
        csv.writer(file).writerows([("set", "clustering", "cluster", "name", "outlier"), *lines])
    api.open(out).label(names)
    return out


def table(file):
    if file.suffix == ".csv":
        read = pd.read_csv(file, keep_default_na=False, na_values={"outlier_score": [""]})
        return read.assign(name=read.name.str.removeprefix("'"), outlier=read.outlier.astype(bool))
    if file.suffix == ".parquet":
        return pd.read_parquet(file).astype({"name": object, "outlier_reason": object})
    text = file.read_text()
    lines = [text] if file.suffix == ".json" else text.splitlines()
    read = [json.loads(line) for line in lines]
    return pd.DataFrame(read[0] if file.suffix == ".json" else read)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json", ".jsonl"])
def test_every_kind_of_table_holds_the_same(out, tmp_path, ending):
    file = tmp_path / f"rows{ending}"
    api.open(out).export(to=file, descriptors="a", clustering="kmeans-4")
    read = table(file)
    assert list(read) == ["row", "path", *COLUMNS, *OF_OUTLIERS]
    case = api.open(out)
    labels = case.labels("a", 4)[:]
    reduced = case.store["descriptors/a/reduced"][:]
    means = np.stack([reduced[labels == j].mean(axis=0) for j in range(4)])
    distances = np.sort(cdist(reduced, means))
    np.testing.assert_array_equal(read.row, np.arange(N_ROWS))
    assert read.path[8] == "veriwild\\1\\00001\\000008.jpg"
    np.testing.assert_array_equal(read.label, labels)
    names = np.array(["=car", "bus", "bus", ""])
    np.testing.assert_array_equal(read.name.astype(str), names[labels])
    np.testing.assert_allclose(read.distance, distances[:, 0], rtol=1e-4)
    np.testing.assert_allclose(read.confidence, 1 - distances[:, 0] / distances[:, 1], atol=1e-4)
    flagged = case.store["outliers/flagged"][:]
    np.testing.assert_array_equal(read.outlier, flagged | (labels == 3))
    marked_only = (labels == 3) & ~flagged
    assert (read.outlier_reason[marked_only] == "named an outlier").all()
    assert (read.outlier_reason[flagged] != "").all()
    assert (read.outlier_reason[~read.outlier] == "").all()
    invalid = read.outlier_reason == "invalid descriptor"
    np.testing.assert_array_equal(np.flatnonzero(invalid), [3, 9])


def test_no_cell_of_a_csv_is_a_formula(out, tmp_path):
    api.open(out).export(to=tmp_path / "a.csv", descriptors="a", clustering="kmeans-4")
    text = (tmp_path / "a.csv").read_text()
    assert ",'=car," in text
    assert ",=car" not in text


def test_several_sets_side_by_side(out, tmp_path):
    file = tmp_path / "rows.csv"
    api.open(out).export(to=file)
    read = pd.read_csv(file)
    both = [f"{column}_{name}" for name in "ab" for column in COLUMNS]
    assert list(read) == ["row", "path", *both, *OF_OUTLIERS]
    np.testing.assert_array_equal(read.label_b, api.open(out).labels("b")[:])
    assert read.label_b[3] == -1
    assert np.isnan(read.distance_b[3])
    assert np.isnan(read.confidence_b[3])


def test_who_computes_changes_nothing(out, tmp_path, dask_address):
    ways = {"one": {"workers": 1}, "two": {"workers": 2}, "dask": {"scheduler": dask_address}}
    written = []
    for name, way in ways.items():
        api.open(out).export(to=tmp_path / f"{name}.csv", **way)
        images = exported(out, tmp_path, "coco", f"{name}.json", **way)
        written.append((tmp_path / f"{name}.csv").read_bytes() + images.read_bytes())
    assert written[0] == written[1] == written[2]


def exported(out, tmp_path, form, name, set_name="b", **way):
    chosen = {"descriptors": set_name, "clustering": "kmeans-4", "form": form}
    api.open(out).export(to=tmp_path / name, **chosen, **way)
    return tmp_path / name


def named(set_name, labels):
    """What is told of the rows with images that are in a cluster."""
    names = {"a": ["=car", "bus", "bus", "cluster 3"]}.get(set_name)
    rows = [row for row in np.flatnonzero(labels >= 0).tolist() if row < N_ROWS - 1]
    return {row: names[labels[row]] if names else f"cluster {labels[row]}" for row in rows}


# Of pycocotools itself.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_loads_and_shows(out, tmp_path):
    coco_format = pytest.importorskip("pycocotools.coco")
    matplotlib.use("agg")
    coco = coco_format.COCO(str(exported(out, tmp_path, "coco", "coco.json")))
    assert coco.getImgIds() == list(range(N_ROWS - 1))
    about = {"id": 8, "file_name": "1/00001/000008.jpg", "width": 12, "height": 8}
    assert coco.loadImgs(8) == [about]
    found = {one["image_id"]: coco.cats[one["category_id"]]["name"] for one in coco.anns.values()}
    assert found == named("b", api.open(out).labels("b", 4)[:])
    np.testing.assert_array_equal(coco.annToMask(coco.anns[1]), np.ones((8, 12)))
    axes = plt.figure().gca()
    coco.showAnns(coco.loadAnns([1, 2]), draw_bbox=True)
    assert len(axes.collections) == 2
    plt.close()
    again = coco.loadRes(coco.dataset["annotations"])
    assert {tuple(one["bbox"]) for one in again.anns.values()} == {(0, 0, 12, 8)}
    assert {one["area"] for one in again.anns.values()} == {96}


def test_images_in_a_zip_file_that_were_scanned(tmp_path):
    paths = [f"veriwild/{row}.png" for row in range(80)]
    case, _ = listed_case(tmp_path / "case", paths)
    (case / "row_data").mkdir()
    with ZipFile(case / "row_data" / "veriwild.zip", "w") as file:
        for row in range(79):
            with file.open(f"all/{row}.png", "w") as member:
                Image.new("RGB", (5, 3 + row), (row, 80, 90)).save(member, "png")
    made = api.run(case, tmp_path / "out", n_clusters=4, scan_images=True)
    told = json.loads(exported(made.folder, tmp_path, "coco", "a.json", "a").read_text())
    images = [
        {"id": row, "file_name": f"all/{row}.png", "width": 5, "height": 3 + row}
        for row in range(79)
    ]
    assert told["images"] == images
    folder = exported(made.folder, tmp_path, "huggingface", "hf", "a")
    with Image.open(folder / "images" / "0000007.png") as image:
        assert image.size == (5, 10)


def test_images_of_which_only_paths_are_known(tmp_path):
    case, _ = listed_case(tmp_path / "case", [f"v/{row}.jpg" for row in range(80)])
    api.ingest(case, tmp_path / "out")
    made = api.open(tmp_path / "out").reduce().cluster(n_clusters=(4,)).measure()
    said = []
    made.export(to=tmp_path / "a.json", form="coco", observers=[said.append])
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["images"][3] == {"id": 3, "file_name": "v/3.jpg"}
    assert told["annotations"][0]["bbox"] == [0, 0, 0, 0]
    assert "of 80 images the size is not known" in [getattr(event, "text", "") for event in said]


def test_fiftyone(out, tmp_path):
    told = json.loads(exported(out, tmp_path, "fiftyone", "fo.json").read_text())
    labels = api.open(out).labels("b", 4)[:]
    found = {key: told["classes"][target["label"]] for key, target in told["labels"].items()}
    keys = {f"1/{row // 7:05}/{row:06}": name for row, name in named("b", labels).items()}
    assert found == keys
    assert all(0 <= target["confidence"] <= 1 for target in told["labels"].values())


def test_cvat(out, tmp_path):
    root = ElementTree.parse(exported(out, tmp_path, "cvat", "a.xml", "a")).getroot()
    assert root.findtext("version") == "1.1"
    assert [one.findtext("name") for one in root.iter("label")] == ["=car", "bus", "cluster 3"]
    images = root.findall("image")
    size = {"width": "12", "height": "8"}
    assert images[8].attrib == {"id": "8", "name": "1/00001/000008.jpg", **size}
    found = {int(one.get("id")): one.find("tag").get("label") for one in images}
    assert found == named("a", api.open(out).labels("a", 4)[:])
    assert 0 <= float(images[8].findtext("tag/attribute")) <= 1


def test_xml_of_any_text(tmp_path):
    paths = [f"v/<&\"'\x01\uffff {row}.jpg" for row in range(80)]
    case, _ = listed_case(tmp_path / "case", paths)
    api.ingest(case, tmp_path / "out")
    api.open(tmp_path / "out").reduce().cluster(n_clusters=(4,)).measure().export(
        to=tmp_path / "a.xml"
    )
    names = [one.get("name") for one in ElementTree.parse(tmp_path / "a.xml").iter("image")]
    assert names[7] == "v/<&\"'\ufffd\ufffd 7.jpg"


def test_label_studio(out, tmp_path):
    tasks = json.loads(exported(out, tmp_path, "label-studio", "a.json", "b").read_text())
    assert len(tasks) == N_ROWS - 1
    data = tasks[8]["data"]
    assert data["image"] == "/data/local-files/?d=1/00001/000008.jpg"
    assert data["path"] == "veriwild\\1\\00001\\000008.jpg"
    assert tasks[3]["predictions"] == []
    assert tasks[3]["data"]["outlier_score"] is None
    found = {}
    for task in tasks:
        for prediction in task["predictions"]:
            (result,) = prediction["result"]
            (found[task["data"]["row"]],) = result["value"]["choices"]
    assert found == named("b", api.open(out).labels("b", 4)[:])


def test_a_folder_for_hugging_face(out, tmp_path):
    folder = exported(out, tmp_path, "huggingface", "hf", "b")
    read = pd.read_csv(folder / "metadata.csv")
    assert len(read) == N_ROWS - 1
    assert all((folder / name).is_file() for name in read.file_name)
    assert (folder / read.file_name[8]).resolve().name == "000008.jpg"
    labels = api.open(out).labels("b", 4)[:-1]
    expected = [f"cluster {label}" if label >= 0 else NO_CLUSTER for label in labels]
    assert read.name.tolist() == expected
    assert read.path[8] == "veriwild\\1\\00001\\000008.jpg"


def test_positions_on_a_plane(out, tmp_path):
    case = api.open(shutil.copytree(out, tmp_path / "out"))
    for method in ("lda", "pca"):
        case.layout(method=method, descriptors="b")
    case.export(to=tmp_path / "a.parquet")
    read = pd.read_parquet(tmp_path / "a.parquet")
    assert list(read)[-2:] == ["projection_x_b", "projection_y_b"]
    positions = case.store["descriptors/b/layouts/lda-2/positions"][:]
    np.testing.assert_array_equal(read.iloc[:, -2:].to_numpy(np.float32), positions)
    case.export(to=tmp_path / "b.csv", descriptors="b")
    assert list(pd.read_csv(tmp_path / "b.csv"))[-2:] == ["projection_x", "projection_y"]


def test_the_format_of_the_docs(out, tmp_path, monkeypatch):
    page = Path(__file__, "../../../docs/labels.md").resolve().read_text()
    code, _ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    name, place = re.search(r'`"(\w+)": "(\S+)"`', page).groups()
    module = ModuleType(place.partition(":")[0])
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(EXPORTS, name, place)
    api.open(out).export(to=tmp_path / "a.tsv", descriptors="a", clustering="kmeans-4")
    lines = (tmp_path / "a.tsv").read_text().splitlines()
    label = api.open(out).labels("a", 4)[8]
    assert lines[8] == f"1/00001/000008.jpg\t{['=car', 'bus', 'bus', 'cluster 3'][label]}"


def test_a_folder_that_a_kill_left_is_swept(out):
    left = out / ".sorted.part"
    (left / "bus").mkdir(parents=True)
    api.open(out).export()
    assert not left.exists()


def test_a_folder_a_name(out, tmp_path):
    folder = tmp_path / "folders"
    said = []
    api.open(out).export(
        observers=[said.append], folders=folder, descriptors="a", clustering="kmeans-4"
    )
    labels = api.open(out).labels("a", 4)[:]
    assert sorted(p.name for p in folder.iterdir()) == ["=car", "bus", "cluster 3"]
    buses = sorted(p.name for p in (folder / "bus").iterdir())
    rows = np.flatnonzero((labels == 1) | (labels == 2))
    assert buses == [f"{row:07d} {row:06d}.jpg" for row in rows if row < N_ROWS - 1]
    link = folder / "bus" / buses[0]
    assert link.is_symlink()
    assert link.resolve().name == f"{rows[0]:06d}.jpg"
    assert "1 rows have no image" in [getattr(event, "text", "")[:20] for event in said]
    with pytest.raises(SettingsError, match="not empty: name another folder"):
        api.open(out).export(folders=folder, descriptors="a")
    api.open(out).export(folders=tmp_path / "more", descriptors="b")
    assert len(list((tmp_path / "more" / NO_CLUSTER).iterdir())) == 2


def test_copies_where_there_are_no_links(out, tmp_path, monkeypatch):
    def refuse(*arguments, **more):
        raise OSError("no links here")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    api.open(out).export(folders=tmp_path / "copies", descriptors="a", clustering="kmeans-4")
    copy = next((tmp_path / "copies" / "bus").iterdir())
    assert not copy.is_symlink()
    with Image.open(copy) as image:
        assert image.size == (12, 8)


def test_names_of_folders():
    assert file_name("a/b\\c:d*e") == "a_b_c_d_e"
    assert file_name("../..") == "_"
    assert file_name(" .hidden. ") == "hidden"
    assert file_name("CON") == "_CON"
    assert file_name("com1.txt") == "_com1.txt"
    assert file_name("") == "_"
    assert len(file_name("ж" * 300).encode()) <= 100
    assert distinct_names(["a/b", "A?b", "a_b (2)"]) == ["a_b", "A_b (2)", "a_b (2) (2)"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"to": "a.txt"}, "write one of .csv, .parquet, .json, .jsonl"),
        ({"to": "a.csv", "form": "coco"}, "files of the format coco end in .json"),
        ({"to": "a.json", "form": "voc"}, "choose from csv, .*coco, fiftyone"),
        ({"to": "a.json", "form": "coco"}, "one label there: name the set, --descriptors: a, b"),
        ({"folders": "f"}, "one label there"),
        ({"form": "coco"}, "name a file to write --to"),
        ({"to": "a.csv", "clustering": "kmeans-9"}, "a has no clustering kmeans-9: there are kmea"),
        ({"to": "none/a.csv"}, "is no folder"),
    ],
)
def test_what_cannot_be_written(out, tmp_path, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=message):
        api.open(out).export(**more)
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_its_library(out, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SettingsError, match=r"pip install 'streamclust\[parquet\]'"):
        api.open(out).export(to=tmp_path / "a.parquet")


def test_the_command(out, tmp_path):
    file = tmp_path / "a.csv"
    arguments = ["export", str(out), "--to", str(file), "--descriptors", "a", "--quiet"]
    named = CliRunner().invoke(commands, [*arguments, "--algorithm", "kmeans", "--n-clusters", "4"])
    assert named.exit_code == 0, named.output
    before = file.read_bytes()
    again = CliRunner().invoke(commands, [*arguments, "--clustering", "kmeans-4"])
    assert again.exit_code == 0, again.output
    assert file.read_bytes() == before
    both = CliRunner().invoke(commands, [*arguments, "--clustering", "x", "--n-clusters", "4"])
    assert both.exit_code != 0


def listed_case(folder, paths, name="a"):
    """A case of four groups with these paths."""
    values, groups = make_blobs(len(paths), 6, centers=4, random_state=0)
    case = write_case(folder, **{name: values.astype(np.float32)})
    (case / "images_paths.csv").write_text("\n".join(["paths", *map(safe_cell, paths)]) + "\n")
    return case, groups


@pytest.mark.parametrize(
    ("paths", "shared"),
    [([f"v/{row // 2}.jpg" for row in range(80)], "80 rows share .* such as row 0, v/0:"),
     (["v/a.jpg", "v/a.png", *(f"v/{row}.jpg" for row in range(78))], "2 rows .* row 0, v/a:")],
)  # fmt: skip
def test_rows_that_another_tool_would_not_tell_apart_are_refused(tmp_path, paths, shared):
    case, _ = listed_case(tmp_path / "case", paths)
    api.ingest(case, tmp_path / "out")
    api.open(tmp_path / "out").reduce().cluster(n_clusters=(4,)).measure()
    with pytest.raises(SettingsError, match=shared):
        api.open(tmp_path / "out").export(to=tmp_path / "f.json", form="fiftyone")
    assert not (tmp_path / "f.json").exists()
    api.open(tmp_path / "out").export(to=tmp_path / "coco.json", form="coco")


def test_no_cell_of_any_table_is_a_formula_and_paths_still_join(tmp_path):
    """Sets, paths and values from anywhere, in all tables that a run writes."""
    paths = [f"{'=+-@'[row % 4]}v/{row}.jpg" for row in range(120)]
    case, groups = listed_case(tmp_path / "case", paths, "=set")
    known = [f"{path},{'=+-@'[kind]}kind" for path, kind in zip(paths, groups, strict=True)]
    (tmp_path / "known.csv").write_text("\n".join(["path,=type", *known]) + "\n")
    out = tmp_path / "out"
    api.run(case, out, n_clusters=4).compare(tmp_path / "known.csv")
    api.open(out).describe(tmp_path / "known.csv").export(to=out / "rows.csv")
    tables = list(out.glob("*.csv"))
    assert len(tables) > 10
    for file in tables:
        with open(file, newline="", encoding="utf-8") as opened:
            for cell in chain.from_iterable(csv.reader(opened)):
                assert not cell.startswith(("=", "+", "@", "\t")), (file, cell)
                assert not cell.startswith("-") or np.isfinite(float(cell)), (file, cell)
    for name in ("labels.csv", "rows.csv"):
        assert list(iter_paths(out / name)) == paths
        lines = pd.read_csv(out / name, usecols=["path"]).assign(kind=groups)
        lines.assign(kind=lines.kind.map("kind {}".format)).to_csv(tmp_path / name, index=False)
        assert read_attributes(tmp_path / name, 120, [paths]).rows.tolist() == list(range(120))
    assert api.open(out).outlier_table.path.isin(paths).all()
    assert "=set" in api.open(out).outlier_table
