"""Images read and measured, from folders and zip files, whatever is wrong with some."""

import io
import shutil
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image
from tracing import traced

from streamclust.errors import SourceError, StreamclustError
from streamclust.events import Events, Message, PassAdvanced, StepFinished
from streamclust.images import scan
from streamclust.images.archive import ImageStore
from streamclust.images.image_place import MOST_BYTES
from streamclust.images.pixels import MEASURES, measure_image
from streamclust.images.row_paths import StorePaths
from streamclust.images.scan import ScanImages, measure_rows, scan_need
from streamclust.passes.executors import LocalExecutor
from streamclust.passes.passes import Passes
from streamclust.settings import Settings
from streamclust.steps import Job
from streamclust.store.images import PATH, PIXELS, PROBLEM, PROBLEMS, paths_of
from streamclust.store.workspace import Workspace

pytestmark = pytest.mark.usefixtures("all_unrendered")

N_ROWS = 700
NAMES = [f"veriwild/{row % 5}/{row:04}.jpg" for row in range(N_ROWS)]
BAD = {3: "missing image", 64: "damaged image", 600: "image too large", 699: "damaged image"}
LISTED = [*NAMES[:-1], "../outside.jpg"]


def image(size, seed=0, format="JPEG"):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(file, format)
    return file.getvalue()


def contents():
    for row, name in enumerate(NAMES):
        data = image((40, 30), row)
        match BAD.get(row):
            case "damaged image":
                data = data[: len(data) // 2]
            case "image too large":
                # A GIF's header names its size in bytes 6 to 10.
                data = image((40, 30), format="GIF")
                data = data[:6] + struct.pack("<2H", 20_000, 20_000) + data[10:]
        if row != 3:
            yield name, data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    top = tmp_path_factory.mktemp("images") / "row_data"
    for name, data in contents():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(data)
    (top.parent / "outside.jpg").write_bytes(image((40, 30)))
    return top


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "veriwild.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in contents():
            file.writestr(name, data)
        file.writestr("../outside.jpg", image((40, 30)))
    return path


@pytest.fixture
def job(tmp_path):
    """A job on a store that holds the paths."""
    return job_of(tmp_path / "out", LISTED)


def job_of(out, paths, executor=None):
    job = Job(Workspace(out, create=True), Settings(), executor or LocalExecutor(2))
    listed = out.parent / "images_paths.csv"
    listed.write_text("\n".join(["paths", *(path.replace("/", "\\") for path in paths)]) + "\n")
    job.run([StorePaths(listed, None, len(paths))])
    return job


def events_of(job):
    """What the job tells from now on."""
    told = []
    job.events.observers[:] = [told.append]
    return told


def expected_kinds():
    return [BAD.get(row, "") if row != 699 else "missing image" for row in range(N_ROWS)]


def kinds_of(job):
    return [PROBLEMS[code] for code in job.workspace.root[PROBLEM][...]]


@pytest.mark.parametrize("place", ["folder", "archive"])
def test_all_images_are_scanned_and_bad_ones_said(place, request, job, tmp_path):
    told = events_of(job)
    job.run([ScanImages(request.getfixturevalue(place))])
    assert kinds_of(job) == expected_kinds()
    pixels = job.workspace.root[PIXELS][...]
    assert np.isnan(pixels).all(axis=1).tolist() == [bool(kind) for kind in expected_kinds()]
    np.testing.assert_array_equal(pixels[5], measure_image(image((40, 30), 5)))
    (message,) = (event for event in told if isinstance(event, Message))
    assert "damaged image 1, image too large 1, missing image 2 (rows 3, 64, 600, 699)" in (
        message.text
    )
    assert not list((job.workspace.folder / ".streamclust" / "scratch").rglob("*.npy"))


def test_the_same_on_every_executor(executor, archive, job, tmp_path):
    other = job_of(tmp_path / "other", LISTED, executor)
    for each in (job, other):
        each.run([ScanImages(archive)])
    for path in (PIXELS, PROBLEM):
        np.testing.assert_array_equal(
            job.workspace.root[path][...], other.workspace.root[path][...]
        )


def test_some_rows_in_any_order(archive):
    rows = np.array([699, 5, 64, *range(100, 200), 3])
    store = ImageStore(archive)
    measures, problems = measure_rows(
        Passes(LocalExecutor(2)), store, np.array(LISTED)[rows].tolist(), rows
    )
    assert [(p.row, p.kind) for p in problems] == [
        (699, "missing image"),
        (64, "damaged image"),
        (3, "missing image"),
    ]
    assert all(NAMES[p.row][:-4] in p.message for p in problems[1:])
    np.testing.assert_array_equal(measures[1], measure_image(image((40, 30), 5)))
    assert np.isfinite(measures).all(axis=1).sum() == len(rows) - 3
    none, problems = measure_rows(Passes(), store, [], np.array([], int))
    assert none.shape == (0, len(MEASURES))
    assert problems == []


@pytest.mark.parametrize("place", ["folder", "archive"])
def test_files_of_too_many_bytes_are_too_large(place, tmp_path):
    """Neither missing nor damaged, whichever way they are read."""
    path = tmp_path / place
    if place == "folder":
        path.mkdir()
        with open(path / "a.tif", "wb") as file:
            file.truncate(MOST_BYTES + 1)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a.tif", bytes(MOST_BYTES + 1))
    _, (problem,) = measure_rows(Passes(), ImageStore(path), ["a.tif"], np.array([7]))
    assert problem[:2] == (7, "image too large")
    assert "has 33,554,433 bytes, more than 33,554,432: save it smaller" in problem.message


def locked(archive, file, every=1):
    """A copy of a zip file of which every so many-th member is encrypted."""
    data = bytearray(archive.read_bytes())
    place = data.index(b"PK\1\2")
    for number in range(N_ROWS):
        data[place + 8] |= number % every == 0
        place = data.find(b"PK\1\2", place + 4)
    file.write_bytes(data)
    return file


def test_an_archive_that_cannot_be_unpacked_is_told_once(archive, job, tmp_path):
    """Not as so many damaged images."""
    told = events_of(job)
    job.run([ScanImages(locked(archive, tmp_path / "some.zip", every=2))])
    (message,) = (event.text for event in told if isinstance(event, Message))
    assert "unsupported image 349" in message
    assert message.count("is encrypted: unpack the archive and use the folder") == 1
    none = r"none of the images can be read: .*\.zip: member '.*' is encrypted"
    with pytest.raises(SourceError, match=none):
        job.run([ScanImages(locked(archive, tmp_path / "all.zip"))])


@pytest.mark.parametrize("place", ["folder", "archive"])
def test_paths_that_no_file_can_have_are_missing(place, request):
    store = ImageStore(request.getfixturevalue(place))
    paths = [f"veriwild/{'x' * 300}.jpg", "//etc/hostname", NAMES[5]]
    measures, problems = measure_rows(Passes(), store, paths, np.array([1, 2, 5]))
    assert [problem[:2] for problem in problems] == [(1, "missing image"), (2, "missing image")]
    assert np.isfinite(measures[2]).all()


def test_the_need_holds_the_index_of_an_archive(tmp_path):
    n_members = 20_000
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as file:
        for number in range(n_members):
            file.writestr(zipfile.ZipInfo(f"v/{number}.jpg"), b"")
    counted = scan_need(n_members).fixed - scan_need().fixed
    assert traced(lambda: ImageStore(tmp_path / "many.zip"))[1] < 1.1 * counted
    assert sum(1 for _ in ImageStore(tmp_path / "many.zip").names()) == n_members


def test_paths_beyond_the_first_chunk(archive, monkeypatch, job, tmp_path):
    monkeypatch.setattr(scan, "CHUNK_ROWS", 128)
    monkeypatch.setattr(scan, "_PART_ROWS", 64)
    job.run([ScanImages(archive)])
    assert kinds_of(job) == expected_kinds()
    rows = np.array([650, 130, 129, 0])
    found, _ = measure_rows(Passes(), ImageStore(archive), paths_of(job.workspace, rows), rows)
    np.testing.assert_array_equal(found, job.workspace.root[PIXELS][...][rows])


def test_a_scan_goes_on_where_it_was_cut_short(archive, job, tmp_path):
    """What a first run measured is taken as it stands in its scratch file."""

    def stop(event):
        if isinstance(event, PassAdvanced) and event.amount:
            raise KeyboardInterrupt

    interrupted = Job(job.workspace, job.settings, LocalExecutor(1), Events(stop))
    with pytest.raises(KeyboardInterrupt):
        interrupted.run([ScanImages(archive)])
    (part,) = (job.workspace.folder / ".streamclust" / "scratch").rglob("*.npy")
    values = np.load(part)
    values[5, :-1] = 7
    np.save(part, values)
    job.run([ScanImages(archive)])
    pixels = job.workspace.root[PIXELS][...]
    assert (pixels[5] == 7).all()
    np.testing.assert_array_equal(pixels[520], measure_image(image((40, 30), 520)))


def test_a_scan_is_done_once_and_again_for_other_images(archive, folder, job, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")

    def skipped(images):
        told = events_of(job)
        job.run([ScanImages(images)])
        (step,) = (event for event in told if isinstance(event, StepFinished))
        return step.skipped

    assert not skipped(copy)
    assert skipped(copy)
    (copy / NAMES[3]).write_bytes(image((40, 30), 3))
    assert not skipped(copy)
    assert kinds_of(job)[3] == ""
    assert not skipped(archive)
    assert skipped(copy)


def test_images_of_another_case(folder, tmp_path):
    job = job_of(tmp_path / "out", [f"other/{row}.jpg" for row in range(5)])
    with pytest.raises(SourceError, match="holds none of the images"):
        job.run([ScanImages(folder)])
    job.workspace.archive(PATH)
    with pytest.raises(StreamclustError, match="no list of image paths"):
        job.run([ScanImages(folder)])
