"""What the store makes of damaged files, and of such as were written before there were checks."""

import json
import os
import pickle

import numpy as np
import pytest
import zarr

from streamclust.errors import DamagedError
from streamclust.passes.blocks import read_rows
from streamclust.store.clusterings import StoredClustering
from streamclust.store.links import extend_array
from streamclust.store.workspace import Workspace, stage_array, store_array

RAW, LABELS = "descriptors/a", "descriptors/a/clusterings/kmeans-2"


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "out", create=True)
    with made.staging() as staged:
        group = staged.create_group("a")
        raw = stage_array(group, "raw", (10, 2), "f4", 4)
        raw[:4] = 1
        raw[8:] = 2  # The second chunk is of the fill value alone, and has no file.
        made.publish(group, RAW, "one")
        group = staged.create_group("kmeans-2")
        group.attrs.update(n_clusters=2, algorithm="kmeans")
        labels = stage_array(group, "labels", (10,), np.int32, 4, -1, compress=True)
        labels[...] = np.arange(10) % 2
        store_array(group, "sizes", np.array([5, 5]))
        made.publish(group, LABELS, "two")
    return made


def plain(folder):
    """Take the checks away, as an older version left its results."""
    for file in folder.rglob("zarr.json"):
        content = json.loads(file.read_text())
        content["attributes"].pop("checks", None)
        file.write_text(json.dumps(content))


def flip(file, byte=0):
    content = bytearray(file.read_bytes())
    content[byte] ^= 1
    file.write_bytes(content)


def verified(workspace):
    with workspace.lock():
        return workspace.verify(lambda amount: None)


def test_what_is_whole_is_read_as_it_was_written(workspace):
    raw = workspace.get(f"{RAW}/raw")
    assert raw[...].sum(axis=1).tolist() == [2] * 4 + [0] * 4 + [4] * 2
    assert dict(raw.attrs) == {}
    assert dict(workspace.get(RAW).attrs) == {"fingerprint": "one"}
    # Any other reader of Zarr reads it, too.
    assert zarr.open_array(workspace.store / RAW / "raw", mode="r")[9, 0] == 2
    assert verified(workspace) == []


@pytest.mark.parametrize("chunk", ["0/0", "2/0"])
@pytest.mark.parametrize("how", ["lost", "flipped", "cut"])
def test_a_damaged_chunk_is_an_error_that_says_what_to_do(workspace, chunk, how):
    file = workspace.store / RAW / "raw" / "c" / chunk
    if how == "lost":
        file.unlink()
    elif how == "flipped":
        flip(file, 5)
    else:
        file.write_bytes(file.read_bytes()[:-5])
    raw = pickle.loads(pickle.dumps(workspace.get(f"{RAW}/raw")))
    with pytest.raises(DamagedError, match=r"a/raw is damaged .*run streamclust ingest"):
        raw[...]
    if how == "flipped":  # Of a lost chunk there is nothing to read a part of.
        with pytest.raises(DamagedError):
            read_rows(workspace.get(f"{RAW}/raw"), 4 * int(chunk[0]), 4 * int(chunk[0]) + 1)
    assert [one.place for one in verified(workspace)] == ["descriptors/a/raw"]


def test_parts_of_chunks_are_read_behind_one_check(workspace):
    raw = workspace.get(f"{RAW}/raw")
    assert read_rows(raw, 1, 3).tolist() == [[1, 1], [1, 1]]
    flip(workspace.store / RAW / "raw" / "c" / "0" / "0")
    with pytest.raises(DamagedError):
        read_rows(raw, 1, 3)


@pytest.mark.parametrize("what", ["labels", "labels/zarr.json", "zarr.json"])
def test_what_is_gone_is_not_taken_for_what_never_was(workspace, what):
    path = workspace.store / LABELS / what
    if path.is_dir():
        for file in sorted(path.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        path.rmdir()
    else:
        path.unlink()
    with pytest.raises(DamagedError, match="run streamclust cluster"):
        workspace.get(LABELS)["labels"]
    (found,) = verified(workspace)
    assert found.path == LABELS


def test_attributes_change_with_their_checks(workspace):
    workspace.annotate(LABELS, scores={"a": 0.5, "b": None})
    assert workspace.get(LABELS).attrs["scores"] == {"a": 0.5, "b": None}
    assert verified(workspace) == []
    file = workspace.store / LABELS / "zarr.json"
    file.write_text(file.read_text().replace("0.5", "0.7"))
    with pytest.raises(DamagedError, match="is not what was written"):
        workspace.get(LABELS)


def test_results_from_before_there_were_checks_are_read(workspace):
    plain(workspace.store)
    labels = StoredClustering(workspace, "a", "kmeans-2").labels
    assert labels[...].tolist() == [0, 1] * 5
    workspace.annotate(LABELS, scores={})
    assert "checks" not in (workspace.store / LABELS / "zarr.json").read_text()
    assert verified(workspace) == []


def test_labels_of_no_cluster_are_damage(workspace):
    array = zarr.open_array(workspace.store / LABELS / "labels", mode="r+")
    array[4:8] = 50331648
    labels = StoredClustering(workspace, "a", "kmeans-2").labels
    assert labels[:4].tolist() == [0, 1, 0, 1]
    for read in (lambda: labels[4:], lambda: labels.at(np.array([1, 5]))):
        with pytest.raises(DamagedError, match="labels of no cluster"):
            read()
    assert [one.what for one in verified(workspace)] == ["it holds labels of no cluster"]


def test_more_rows_go_on_from_links_to_what_is_whole(workspace):
    old, chunk = workspace.get(f"{RAW}/raw"), workspace.store / RAW / "raw" / "c" / "0" / "0"
    with workspace.staging() as staged:
        group = staged.create_group("a")
        made, first = extend_array(group, "raw", old, 12, 4)
        made[first:] = 3
        workspace.publish(group, RAW, "more")
    assert os.stat(workspace.store / RAW / "raw" / "c" / "0" / "0").st_nlink == 2
    assert workspace.get(f"{RAW}/raw")[...].sum(axis=1).tolist() == [2] * 4 + [0] * 4 + [6] * 4
    chunk.unlink()
    with workspace.staging() as staged, pytest.raises(DamagedError, match="chunk 0 is missing"):
        extend_array(staged, "raw", workspace.get(f"{RAW}/raw"), 16, 4)


def test_what_is_damaged_makes_way_for_what_is_made_again(workspace):
    flip(workspace.store / RAW / "raw" / "c" / "0" / "0")
    verified(workspace)
    with workspace.lock(), pytest.raises(DamagedError, match="run streamclust ingest"):
        workspace.make_way("export")
    with workspace.lock():
        assert [one.path for one in workspace.make_way("ingest")] == [RAW]
        assert workspace.get(RAW) is None
    # Until it is there again, nothing is made of what is left.
    with workspace.lock(), pytest.raises(DamagedError):
        workspace.make_way("export")
    with workspace.staging() as staged:
        group = staged.create_group("a")
        stage_array(group, "raw", (10, 2), "f4", 4)[...] = 1
        workspace.publish(group, RAW, "one")
    with workspace.lock():
        assert workspace.make_way("export") == []
    # What was made of it stayed in its place.
    assert workspace.fingerprint_of(LABELS) == "two"
    kept = workspace.folder / ".streamclust" / "damaged" / "descriptors~a~1" / "raw" / "zarr.json"
    assert kept.exists()


def test_what_is_kept_for_other_settings_is_verified_too(workspace):
    workspace.archive(LABELS)
    kept = next((workspace.folder / ".streamclust" / "archive").rglob("labels/c/0"))
    flip(kept)
    (found,) = verified(workspace)
    assert "in the archive" in found.place
    assert not workspace.restore(LABELS, "two")
    assert verified(workspace) == []


def test_the_metadata_of_the_store_is_made_again(workspace):
    (workspace.store / "zarr.json").write_text("{")
    with pytest.raises(DamagedError, match="run streamclust ingest CASE"):
        Workspace(workspace.folder)
    assert Workspace(workspace.folder, create=True).descriptors == ["a"]
    assert Workspace(workspace.folder).get(f"{RAW}/raw")[0, 0] == 1
