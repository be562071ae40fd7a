"""The group of every row: by folder, by a column of the paths file, or none."""

import csv
import io

import numpy as np
import pytest

from streamclust.errors import SettingsError
from streamclust.events import Message
from streamclust.passes import LocalExecutor
from streamclust.settings import Settings
from streamclust.steps import groups as step
from streamclust.steps.groups import GROUP, groups
from streamclust.steps.job import Job
from streamclust.steps.paths import PATH, store_paths
from streamclust.workspace import Workspace

PATHS = [f"city\\{row // 4:03}\\{row}.jpg" for row in range(100)]
VEHICLE = [f"v{row // 5}" if row % 10 else "" for row in range(100)]


@pytest.fixture(params=["\n", "\r\n"])
def listed(tmp_path, request):
    """A paths file of several columns, with a byte order mark and a line of blanks at its end."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=request.param)
    writer.writerow(["colour", "paths", "vehicle", "one"])
    writer.writerows(zip(["a,b"] * 100, PATHS, VEHICLE, ["same"] * 100, strict=True))
    file = tmp_path / "images_paths.csv"
    file.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode() + b"  \n")
    return file


def job_of(folder, listed, group, n_neighbors=15):
    settings = Settings(group=group, n_neighbors=n_neighbors)
    job = Job(Workspace(folder / "out", create=True), settings, LocalExecutor(1))
    store_paths(job, listed, 100, None)
    return job


def partition(names):
    """Which pairs of rows are siblings; rows without a name are of no group."""
    names = np.array(names)
    return (names[:, None] == names) & (names != "")[:, None]


@pytest.mark.parametrize(
    ("group", "names"),
    [("folder", [path.rpartition("\\")[0] for path in PATHS]), ("vehicle", VEHICLE)],
)
@pytest.mark.parametrize("chunk", [65_536, 7])
def test_siblings(tmp_path, listed, group, names, chunk, monkeypatch):
    monkeypatch.setattr(step, "_CHUNK", chunk)
    job = job_of(tmp_path, listed, group)
    assert groups(job) == GROUP
    codes = job.workspace.root[GROUP][...]
    siblings = (codes[:, None] == codes) & (codes >= 0)[:, None]
    np.testing.assert_array_equal(siblings, partition(names))
    assert codes.max() < 2**39


def test_none(tmp_path, listed):
    assert groups(job_of(tmp_path, listed, "none")) is None
    job = job_of(tmp_path, listed, "folder")
    job.workspace.archive(PATH)
    assert groups(job) is None


@pytest.mark.parametrize(("group", "n_neighbors"), [("one", 15), ("folder", 25)])
def test_groups_too_few_for_neighbours_of_different_ones_are_none(
    tmp_path, listed, group, n_neighbors
):
    job = job_of(tmp_path, listed, group, n_neighbors)
    said = []
    job.events.observers.append(said.append)
    assert groups(job) is None
    (message,) = (event.text for event in said if isinstance(event, Message))
    assert "too few" in message


def test_as_many_groups_as_needed(tmp_path, listed):
    assert groups(job_of(tmp_path, listed, "folder", 24)) == GROUP


def test_what_cannot_be_grouped_by(tmp_path, listed):
    with pytest.raises(SettingsError, match=r"'make' is no column of .*name a column"):
        groups(job_of(tmp_path, listed, "make"))
    job = job_of(tmp_path, listed, "vehicle")
    text = listed.read_text(encoding="utf-8-sig")
    for changed in (text.replace("city\\003\\12.jpg", "x.jpg"), text[: len(text) // 2]):
        listed.write_text(changed[: changed.rindex("\n") + 1])
        with pytest.raises(SettingsError, match="run streamclust ingest again"):
            groups(job)
    listed.unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        groups(job)
    job.workspace.archive(PATH)
    with pytest.raises(SettingsError, match="no paths file"):
        groups(job)
