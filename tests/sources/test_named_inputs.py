"""Paths and images that are named: elsewhere than in the case folder."""

import numpy as np
import pandas as pd
import pytest
from cases import write_case
from click.testing import CliRunner
from PIL import Image

from streamclust import api
from streamclust.cli import commands
from streamclust.errors import SettingsError, SourceError

ROWS = np.random.default_rng(0).normal(size=(60, 5)).astype("f4")
PATHS = [f"x/{row}.jpg" for row in range(60)]


@pytest.fixture
def case(tmp_path):
    made = write_case(tmp_path / "case", a=ROWS)
    (tmp_path / "list.txt").write_text("\n".join(PATHS))
    for path in PATHS:
        file = tmp_path / "photos" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), "red").save(file)
    return made


@pytest.mark.usefixtures("all_unrendered")
def test_by_every_command(case, tmp_path):
    named = {"paths": tmp_path / "list.txt", "images": tmp_path / "photos"}
    options = [word for name, value in named.items() for word in (f"--{name}", str(value))]
    out = str(tmp_path / "out")
    for command in (["plan", str(case)], ["run", str(case), "--out", out, "--quiet"]):
        made = CliRunner().invoke(commands, [*command, *options, "--n-clusters", "2"])
        assert made.exit_code == 0, made.output
        assert ("suspects" in made.output) == (command[0] == "plan")
    results = api.open(out)
    assert results.store["images/path"][:].tolist() == PATHS
    assert results.store["images/path"].attrs["images"] == str(tmp_path / "photos")
    results.assign({"a": ROWS}, tmp_path / "new.csv", paths=named["paths"])
    assert pd.read_csv(tmp_path / "new.csv").path.tolist() == PATHS
    (tmp_path / "more.txt").write_text("\n".join(f"y/{row}.jpg" for row in range(60)))
    results.update({"a": ROWS + 1}, paths=tmp_path / "more.txt", images=tmp_path / "photos")
    assert results.store["images/path"][59:61].tolist() == ["x/59.jpg", "y/0.jpg"]


@pytest.mark.usefixtures("all_unrendered")
def test_a_list_that_a_program_holds(tmp_path):
    made = api.run(ROWS, tmp_path / "out", paths=PATHS, n_clusters=2)
    assert made.store["images/path"][:].tolist() == PATHS
    written = (tmp_path / "out/images_paths.csv").stat().st_mtime_ns
    api.run(ROWS, tmp_path / "out", paths=iter(PATHS), n_clusters=2)
    assert (tmp_path / "out/images_paths.csv").stat().st_mtime_ns == written
    assert api.plan(ROWS, paths=PATHS, n_clusters=2)
    with pytest.raises(SourceError, match=r"the numbers of rows differ: descriptors 60, .* 59"):
        api.run(ROWS, tmp_path / "out", paths=PATHS[1:], n_clusters=2)


def test_further_rows_with_paths_that_a_program_holds(tmp_path):
    made = api.ingest(ROWS, tmp_path / "out", paths=PATHS).reduce().cluster(n_clusters=2).measure()
    further = [f"=new/{path}" for path in PATHS]
    made.assign(ROWS + 1, tmp_path / "new.csv", paths=further, outliers=False)
    assert pd.read_csv(tmp_path / "new.csv").path.str.lstrip("'").tolist() == further
    made.update(ROWS + 1, paths=np.array(further))
    assert made.store["images/path"][59:].tolist() == [PATHS[59], *further]


def test_a_list_of_a_person_is_not_written_over(tmp_path):
    case, out, told = write_case(tmp_path / "case", a=ROWS), tmp_path / "out", []
    with pytest.raises(SettingsError, match="is the folder that is read: name another --out"):
        api.ingest(case, case)
    out.mkdir()
    (out / "images_paths.csv").write_text("mine")
    api.ingest(case, out, paths=PATHS, observers=[lambda event: told.append(vars(event))])
    assert (out / "images_paths.kept-1.csv").read_text() == "mine"
    assert "kept as images_paths.kept-1.csv" in str(told)
    assert api.open(out).store["images/path"][:].tolist() == PATHS


def test_arrays_in_files_are_ingested(tmp_path):
    np.savez(tmp_path / "a.npz", osnet=ROWS, other=ROWS[:, :2])
    made = api.ingest(tmp_path / "a.npz" / "osnet", tmp_path / "out")
    np.testing.assert_array_equal(made.store["descriptors/osnet/raw"][...], ROWS)


@pytest.mark.parametrize("wrong", [None, 5, "\ud800"])
def test_what_is_no_path(tmp_path, wrong):
    with pytest.raises(SourceError, match="of row 59 is no path: give a text for each row"):
        api.ingest(ROWS, tmp_path / "out", paths=[*PATHS[1:], wrong])
    assert not list((tmp_path / "out").glob("*images_paths*"))
    with pytest.raises(SourceError, match="of row 59 is no path"):
        api.plan(ROWS, paths=[*PATHS[1:], wrong])


@pytest.mark.parametrize("name", ["paths", "images"])
def test_what_is_not_there(case, tmp_path, name):
    with pytest.raises(SourceError, match=f"none: does not exist: check --{name}"):
        api.plan(case, **{name: tmp_path / "none"})
    with pytest.raises(SourceError, match="are not served"):
        api.plan(case, **{name: "s3://bucket/a"})
