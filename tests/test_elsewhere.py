"""Files in folders of a person's choosing."""

import os
from pathlib import Path

import pytest

from streamclust import api
from streamclust.errors import SettingsError
from streamclust.store.outputs import Outputs


@pytest.fixture
def outputs(tmp_path):
    (tmp_path / "out" / ".streamclust").mkdir(parents=True)
    return Outputs(tmp_path / "out", pytest.fail)


def write(outputs, path, text="new", step="export", **more):
    with outputs.elsewhere(path, step, **more) as staged:
        staged.write_text(text)
    return path.read_text()


def test_only_what_this_step_wrote_is_written_over(outputs, tmp_path):
    file = tmp_path / "a.csv"
    assert write(outputs, file) == "new"
    assert write(outputs, file, "newer") == "newer"
    with pytest.raises(SettingsError, match="not as this command wrote it"):
        write(outputs, file, step="label")
    file.write_text("mine")
    with pytest.raises(SettingsError, match="or --overwrite it"):
        write(outputs, file)
    assert file.read_text() == "mine"
    assert write(outputs, file, overwrite=True) == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "out"]


def test_tables_of_the_results_and_the_store_are_out_of_bounds(outputs, tmp_path):
    outputs.table("labels.csv", ["row"], [])
    inner = tmp_path / "out" / "workspace.zarr"
    inner.mkdir()
    with pytest.raises(SettingsError, match="a table of these results"):
        write(outputs, tmp_path / "out" / "labels.csv", overwrite=True)
    for place in (inner / "zarr.json", tmp_path / "out" / ".streamclust" / "lock"):
        with pytest.raises(SettingsError, match="cannot be written"):
            write(outputs, place, overwrite=True)
    with pytest.raises(SettingsError, match="is a folder: name a file"):
        write(outputs, tmp_path, overwrite=True)
    with pytest.raises(SettingsError, match="is no folder"):
        write(outputs, tmp_path / "none" / "a.csv")
    assert write(outputs, tmp_path / "out" / "mine.csv") == "new"


def test_an_error_leaves_what_was_there(outputs, tmp_path):
    file = tmp_path / "a.csv"
    write(outputs, file, "old")
    with pytest.raises(FileNotFoundError), outputs.elsewhere(file, "export"):
        pass  # nothing is staged
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ""] == ["a.csv"]


def test_results_that_cannot_be_written_to_are_read(case_folder, tmp_path, monkeypatch):
    """A snapshot, or a colleague's folder: what is taken from it goes elsewhere, and it stays."""
    out, to = tmp_path / "out", tmp_path / "to"
    case = api.run(case_folder, out, descriptors=["a"], n_clusters="3:4")
    case.assign(case_folder, tmp_path / "first.csv")
    to.mkdir()

    def state():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in out.rglob("*")}

    before = state()
    # Root may write anywhere but on a file system that is read-only, which a test cannot make.
    may_write = os.access
    monkeypatch.setattr(
        "os.access", lambda path, mode: out not in Path(path).parents and may_write(path, mode)
    )
    case = api.open(out)
    case.export(to=to / "labels.csv").report(to=to / "page.html")
    case.assign(case_folder, to / "assigned.csv")
    assert case.verify() == []
    assert state() == before
    assert (to / "assigned.csv").read_bytes() == (tmp_path / "first.csv").read_bytes()
    assert {path.name for path in to.iterdir()} >= {"labels.csv", "page.html", "assigned.csv"}
