"""The group of every row: by folder, by a column of the paths file, or none."""

import csv
import io

import numpy as np
import pytest

from streamclust import api
from streamclust.errors import SettingsError, SourceError
from streamclust.events import Message
from streamclust.images import row_groups as step
from streamclust.images.row_groups import group_sizes, groups, most_siblings, typical_size
from streamclust.images.row_paths import StorePaths
from streamclust.passes.executors import LocalExecutor
from streamclust.settings import Settings
from streamclust.steps import Job
from streamclust.store.images import GROUP, PATH
from streamclust.store.workspace import Workspace

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


def job_of(folder, listed, group, n_neighbors=5):
    settings = Settings(group=group, n_neighbors=n_neighbors)
    job = Job(Workspace(folder / "out", create=True), settings, LocalExecutor(1))
    job.run([StorePaths(listed, None, 100)])
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
    assert groups(job).path == GROUP
    codes = job.workspace.root[GROUP][...]
    siblings = (codes[:, None] == codes) & (codes >= 0)[:, None]
    np.testing.assert_array_equal(siblings, partition(names))
    assert codes.max() < 2**39


def test_none(tmp_path, listed):
    assert groups(job_of(tmp_path, listed, "none")) is None
    job = job_of(tmp_path, listed, "folder")
    job.workspace.archive(PATH)
    assert groups(job) is None


@pytest.mark.parametrize(
    ("group", "n_neighbors", "typical"), [("one", 5, 100), ("folder", 7, 4), ("vehicle", 7, 4)]
)
def test_large_groups_are_no_siblings(tmp_path, listed, group, n_neighbors, typical):
    job = job_of(tmp_path, listed, group, n_neighbors)
    said = []
    job.events.observers.append(said.append)
    assert groups(job) is None
    (message,) = (event.text for event in said if isinstance(event, Message))
    assert f"the typical one has {typical} of 100 rows" in message


def test_folders_are_siblings_where_they_are_many_and_small(tmp_path, listed):
    assert groups(job_of(tmp_path, listed, "folder", 6)).path == GROUP


@pytest.mark.parametrize(
    ("n_rows", "sizes", "siblings"),
    [
        (2003, (2, 40), True),  # vehicles
        (416_314, (2, 100), True),
        (100_000_000, (2, 100), True),
        (2003, (100, 200), False),  # cameras and days
        (416_314, (1_000, 5_000), False),
        (416_314, (15_000, 25_000), False),
    ],
)
def test_what_siblings_are(n_rows, sizes, siblings):
    drawn = np.sort(np.random.default_rng(0).integers(*sizes, 3000, endpoint=True))
    assert (typical_size(drawn) <= most_siblings(n_rows, 15)) == siblings


def test_sizes():
    rng = np.random.default_rng(1)
    for _ in range(50):
        codes = rng.integers(-1, rng.integers(1, 30), rng.integers(1, 90))
        alone = iter(range(-len(codes), 0))
        own = np.array([code if code >= 0 else next(alone) for code in codes])
        rows = (own[:, None] == own).sum(axis=1)
        sizes = group_sizes(codes)
        assert len(sizes) == len(set(own))
        assert typical_size(sizes) == np.quantile(rows, 0.5, method="inverted_cdf")


def test_an_edited_column_is_read_again(tmp_path, listed):
    job = job_of(tmp_path, listed, "vehicle")
    groups(job)
    before = job.workspace.root[GROUP][...]
    listed.write_text(listed.read_text(encoding="utf-8-sig").replace(",v3,", ",v4,"))
    groups(job)
    merged = np.array([name.replace("v3", "v4") if name == "v3" else name for name in VEHICLE])
    codes = job.workspace.root[GROUP][...]
    assert len(np.unique(codes)) == len(np.unique(before)) - 1
    assert (codes == before)[merged == VEHICLE].all()


def test_what_cannot_be_grouped_by(tmp_path, listed):
    with pytest.raises(SettingsError, match=r"'make' is no column of .*name one that is"):
        groups(job_of(tmp_path, listed, "make"))
    job = job_of(tmp_path, listed, "vehicle")
    text = listed.read_text(encoding="utf-8-sig").rstrip(" \n")
    other = text.replace("city\\003\\12.jpg", "x.jpg")
    for changed in (other, text[: text.rindex("\n")], text + "\na,x.jpg,v1,same"):
        listed.write_text(changed)
        with pytest.raises(SettingsError, match="run streamclust ingest again"):
            groups(job)
    listed.write_bytes(text.replace("v19", "v\xe9").encode("latin-1"))
    with pytest.raises(SourceError, match="is not UTF-8"):
        groups(job)
    listed.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        groups(job)
    job.workspace.archive(PATH)
    with pytest.raises(SettingsError, match="no paths file"):
        groups(job)


def test_a_wrong_column_is_refused_before_anything_is_done(case_folder, tmp_path):
    with pytest.raises(SettingsError, match="'make' is no column"):
        api.plan(case_folder, group="make")
    with pytest.raises(SettingsError, match="'make' is no column"):
        api.run(case_folder, tmp_path / "out", group="make")
    assert not (tmp_path / "out").exists()
    alone = case_folder / "descriptors" / "a.pickle"
    (tmp_path / "a.pickle").write_bytes(alone.read_bytes())
    with pytest.raises(SettingsError, match="no paths file"):
        api.run(tmp_path / "a.pickle", tmp_path / "out", group="make")
    assert api.open(tmp_path / "out").descriptors == []
