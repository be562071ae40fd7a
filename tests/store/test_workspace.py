"""The store: publishing, archiving, locking."""

import multiprocessing
import shutil

import numpy as np
import pytest

from streamclust.errors import SourceError, WorkspaceError
from streamclust.store.outputs import Outputs
from streamclust.store.workspace import Workspace, fingerprint, stage_array, store_array


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "out", create=True)


def publish(workspace, path, value, mark):
    with workspace.staging() as staged:
        workspace.publish(store_array(staged, "x", np.full(3, value)), path, mark)


def test_what_is_published_is_whole_and_marked(workspace):
    publish(workspace, "descriptors/a/reduced", 1, "one")
    assert workspace.get("descriptors/a/reduced")[...].tolist() == [1, 1, 1]
    assert workspace.fingerprint_of("descriptors/a/reduced") == "one"
    assert workspace.get("descriptors/a/raw") is None
    assert workspace.descriptors == ["a"]


def test_results_of_other_settings_are_kept_and_come_back(workspace):
    for value, mark in ((1, "one"), (2, "two")):
        publish(workspace, "descriptors/a/reduced", value, mark)
    assert workspace.get("descriptors/a/reduced")[0] == 2
    assert workspace.restore("descriptors/a/reduced", "one")
    assert workspace.get("descriptors/a/reduced")[0] == 1
    assert workspace.restore("descriptors/a/reduced", "two")
    assert workspace.get("descriptors/a/reduced")[0] == 2
    assert not workspace.restore("descriptors/a/reduced", "three")
    assert workspace.get("descriptors/a/reduced")[0] == 2


def test_nothing_half_written_is_left(workspace):
    with pytest.raises(ZeroDivisionError), workspace.staging() as staged:
        stage_array(staged, "x", (10,), "f4", 5)[:5] = 1 / 0
    assert workspace.descriptors == []
    assert not list((workspace.folder / ".streamclust" / "staging").iterdir())


def test_what_a_killed_run_left_half_written_is_swept(workspace, tmp_path):
    outputs = Outputs(workspace.folder, pytest.fail)
    blocks = [outputs.writing(name) for name in ("labels.csv", "figures/maps/a.png")]
    half = [block.__enter__() for block in blocks]
    kept = tmp_path / "out" / "figures" / "mine.part"
    for file in (*half, kept):
        file.write_text("half")
    with workspace.lock():
        assert not any(file.exists() for file in half)
        assert kept.exists()


def test_results_without_the_hidden_folder_are_locked_too(workspace):
    shutil.rmtree(workspace.folder / ".streamclust")
    with workspace.lock():
        assert (workspace.folder / ".streamclust" / "lock").exists()


def _hold(folder, held, done):
    with Workspace(folder).lock():
        held.set()
        done.wait(30)


def test_one_run_at_a_time(workspace):
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(workspace.folder, held, done))
    other.start()
    assert held.wait(30)
    with pytest.raises(WorkspaceError, match="in use by another"), workspace.lock():
        pass
    # A killed run's lock falls with it.
    other.kill()
    other.join()
    with workspace.lock():
        pass


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(WorkspaceError, match="holds no streamclust results"):
        Workspace(tmp_path)


def test_another_format_is_refused(workspace):
    workspace.root.attrs["streamclust"] = {"format": 99}
    with pytest.raises(WorkspaceError, match="format 99"):
        Workspace(workspace.folder)


def test_fingerprints_follow_what_they_are_of():
    assert fingerprint("a", {"x": 1, "y": 2}) == fingerprint("a", {"y": 2, "x": 1})
    assert fingerprint("a", {"x": 1}) != fingerprint("a", {"x": 2})


def test_clusterings_are_sorted_by_k(workspace):
    for k in (10, 9, 2):
        publish(workspace, f"descriptors/a/clusterings/kmeans-{k}", k, "m")
    assert workspace.clusterings("a") == ["kmeans-2", "kmeans-9", "kmeans-10"]


@pytest.mark.parametrize("file", ["zarr.json", "descriptors/a/zarr.json"])
def test_damage_is_named(workspace, file):
    publish(workspace, "descriptors/a/reduced", 1, "m")
    (workspace.store / file).write_text("")
    with pytest.raises(WorkspaceError, match="is damaged"):
        Workspace(workspace.folder).fingerprint_of("descriptors/a")


def test_two_first_runs_make_one_store(tmp_path, monkeypatch):
    monkeypatch.setattr(Workspace, "_create", _create_twice(Workspace._create))
    made = Workspace(tmp_path / "out", create=True)
    assert made.root.attrs["streamclust"]["format"] == 1
    assert not list((tmp_path / "out" / ".streamclust").glob("new-*"))


def _create_twice(create):
    def twice(self):
        create(self)
        create(self)

    return twice


def test_what_is_in_the_way_is_named(tmp_path):
    other = tmp_path / "out" / "workspace.zarr"
    other.mkdir(parents=True)
    (other / "x").write_text("1")
    with pytest.raises(
        WorkspaceError, match=r"workspace\.zarr is in the way: .*: move it away, or"
    ):
        Workspace(tmp_path / "out", create=True)
    assert (other / "x").read_text() == "1"


def test_no_results_at_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"addresses \(s3://\) are not served"):
        Workspace("s3://bucket/out", create=True)
    assert not list(tmp_path.iterdir())
