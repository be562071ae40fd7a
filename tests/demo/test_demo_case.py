"""The folder that `make_case` writes: layout, order, agreement of its parts, reruns, refusals."""

import csv
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamclust.demo import make_case
from streamclust.errors import SettingsError

WIDTHS = {"efficientnet-b7": 2560, "osnet": 512, "vdc_color": 128, "vdc_type": 512}
KINDS = {"glare", "blur", "dark", "no_vehicle"}


def read_truth(case: Path) -> list[dict[str, str]]:
    with (case / "truth.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def load(case: Path, name: str) -> np.ndarray:
    return pickle.loads((case / "descriptors" / f"{name}.pickle").read_bytes())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return make_case(tmp_path_factory.mktemp("drawn") / "case", rows=600, random_state=3)


@pytest.fixture(scope="module")
def modelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modelled") / "case"
    return make_case(folder, rows=2500, images=False, random_state=3)


@pytest.fixture(params=["drawn", "modelled"])
def case(request):
    return request.getfixturevalue(request.param)


def test_layout(drawn, modelled):
    tables = {"images_paths.csv", "truth.csv", ".streamclust-demo.json"}
    pickles = {f"descriptors/{name}.pickle" for name in WIDTHS}
    found = {str(path.relative_to(drawn)) for path in drawn.rglob("*") if path.is_file()}
    assert found == tables | pickles | {"row_data/veriwild.zip"}
    found = {str(path.relative_to(modelled)) for path in modelled.rglob("*") if path.is_file()}
    assert found == tables | pickles


@pytest.mark.parametrize(("name", "width"), WIDTHS.items())
def test_descriptors_are_plain_pickles(case, name, width):
    array = load(case, name)
    assert array.shape == (len(read_truth(case)), width)
    assert array.dtype == np.float32
    assert np.isfinite(array).all()
    assert (array.std(axis=0) > 0).mean() > 0.9


def test_networks_averages_are_not_negative(case):
    assert load(case, "efficientnet-b7").min() >= 0


def test_paths_are_spelled_and_ordered_as_in_the_reference(case):
    lines = (case / "images_paths.csv").read_bytes().decode().splitlines()
    assert lines[0] == "paths"
    assert lines[1] == "veriwild\\1\\300001\\000001.jpg"  # a vehicle of seed 3
    parts = [line.split("\\") for line in lines[1:]]
    assert parts == sorted(parts)
    assert list(dict.fromkeys(folder for _, folder, _, _ in parts))[:3] == ["1", "10", "2"]
    assert len({number for *_, number in parts}) == len(parts)


def test_truth_agrees_with_paths(case):
    truth = read_truth(case)
    assert [row["path"] for row in truth] == (
        (case / "images_paths.csv").read_text().splitlines()[1:]
    )
    assert [int(row["row"]) for row in truth] == list(range(len(truth)))
    assert all(row["path"].split("\\")[2] == row["vehicle"] for row in truth)


def test_pictures_of_a_vehicle_share_type_and_colour(case):
    looks: dict[str, set[tuple[str, str]]] = {}
    for row in read_truth(case):
        if row["outlier_kind"] != "no_vehicle":
            looks.setdefault(row["vehicle"], set()).add((row["type"], row["colour"]))
    assert len(looks) > 50
    assert all(len(seen) == 1 for seen in looks.values())


def test_every_kind_of_outlier_is_there_and_rare(case):
    truth = read_truth(case)
    kinds = [row["outlier_kind"] for row in truth if row["outlier_kind"]]
    assert set(kinds) == KINDS
    assert 0.015 < len(kinds) / len(truth) < 0.025
    for row in truth:
        assert bool(row["type"]) == (row["outlier_kind"] != "no_vehicle")


def test_zip_holds_the_pictures_in_row_order(drawn):
    truth = read_truth(drawn)
    with zipfile.ZipFile(drawn / "row_data" / "veriwild.zip") as archive:
        assert archive.namelist() == [row["path"].replace("\\", "/") for row in truth]
        pictures = [Image.open(io.BytesIO(archive.read(name))) for name in archive.namelist()]
    sides = np.array([picture.size for picture in pictures])
    assert 64 <= sides.min() <= 72
    assert 130 <= sides.max() <= 160
    tone = np.array([np.asarray(picture.convert("L")).mean() for picture in pictures])
    kinds = np.array([row["outlier_kind"] for row in truth])
    assert tone[kinds == "dark"].max() < tone[kinds == ""].min()
    assert tone[kinds == "glare"].mean() > tone[kinds == ""].mean() + 40


@pytest.mark.parametrize("images", [True, False])
def test_same_seed_same_bytes(tmp_path, monkeypatch, images):
    one = make_case(tmp_path / "one", rows=90, images=images, random_state=5)
    monkeypatch.setattr("streamclust.demo.writing.MOST_THREADS", 1)
    two = make_case(tmp_path / "two", rows=90, images=images, random_state=5)
    other = make_case(tmp_path / "other", rows=90, images=images, random_state=6)
    files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert len(files) == 8 if images else 7
    for file in files:
        assert (one / file).read_bytes() == (two / file).read_bytes()
    assert not np.array_equal(load(one, "osnet"), load(other, "osnet"))


@pytest.mark.parametrize("rows", [1, 2, 49])
@pytest.mark.parametrize("images", [True, False])
def test_tiny_cases(tmp_path, rows, images):
    case = make_case(tmp_path / "case", rows=rows, images=images)
    assert load(case, "vdc_type").shape == (rows, 512)
    assert len(read_truth(case)) == rows


def test_progress_reaches_the_end(tmp_path):
    seen = []
    make_case(tmp_path / "case", rows=2000, images=False, progress=lambda *step: seen.append(step))
    done = [step[0] for step in seen]
    assert len(done) > 1
    assert done == sorted(set(done))
    assert seen[-1] == (2000, 2000, "descriptors")


def test_a_case_that_is_there_is_not_made_again(modelled):
    before = {path: path.stat().st_mtime_ns for path in modelled.rglob("*")}
    seen = []
    make_case(
        modelled, rows=2500, images=False, random_state=3, progress=lambda *step: seen.append(step)
    )
    assert not seen
    assert {path: path.stat().st_mtime_ns for path in modelled.rglob("*")} == before


def test_a_missing_file_is_made_again(tmp_path):
    case = make_case(tmp_path / "case", rows=60, images=False)
    osnet = (case / "descriptors" / "osnet.pickle").read_bytes()
    (case / "descriptors" / "osnet.pickle").unlink()
    make_case(case, rows=60, images=False)
    assert (case / "descriptors" / "osnet.pickle").read_bytes() == osnet


def test_a_broken_run_is_taken_up_again(tmp_path):
    def fail(*step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_case(tmp_path / "case", rows=60, images=False, progress=fail)
    assert not (tmp_path / "case" / ".streamclust-demo.json").exists()
    assert not list((tmp_path / "case").rglob("*.pickle"))
    case = make_case(tmp_path / "case", rows=60, images=False)
    assert load(case, "osnet").shape == (60, 512)
    assert not list(case.rglob("*.part"))


def test_another_demo_is_refused(modelled):
    with pytest.raises(SettingsError, match=r"another demo.*rows 2500.*rows 99.*another folder"):
        make_case(modelled, rows=99, images=False)


@pytest.mark.parametrize("marker", ["", "[]", '{"rows": 60}', json.dumps("\ud83d\ude97")])
def test_a_damaged_marker_is_refused(tmp_path, marker):
    (tmp_path / ".streamclust-demo.json").write_text(marker)
    with pytest.raises(SettingsError, match="another demo"):
        make_case(tmp_path, rows=60)


def test_a_foreign_folder_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match="did not make"):
        make_case(tmp_path, rows=60)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "case").write_text("mine")
    with pytest.raises(SettingsError, match="is a file"):
        make_case(tmp_path / "case", rows=60)


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"rows": -3}, {"random_state": -1}])
def test_impossible_settings_are_refused(tmp_path, wrong):
    with pytest.raises(SettingsError):
        make_case(tmp_path / "case", **wrong)
    assert not (tmp_path / "case").exists()
