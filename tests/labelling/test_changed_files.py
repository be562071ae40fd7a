"""Files that are written, replaced or removed while they are read: nothing of them is kept."""

import os
import pickle
import shutil

import numpy as np
import pytest
from cases import write_case
from sklearn.datasets import make_blobs

from streamclust import api
from streamclust.errors import SourceError
from streamclust.passes import DaskExecutor
from streamclust.sources import paths as path_lists

N_OLD = 400


@pytest.fixture(scope="module")
def values():
    rows, _ = make_blobs(N_OLD + 200, 6, centers=4, random_state=1)
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def made(values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    case = write_case(folder / "case", a=values[:N_OLD])
    api.ingest(case, folder / "out")
    api.open(folder / "out").reduce().cluster(n_clusters=4).measure()
    return folder / "out"


@pytest.fixture
def out(made, tmp_path):
    return shutil.copytree(made, tmp_path / "out")


@pytest.fixture
def new_case(values, tmp_path):
    """Further rows, whose paths are others than those of the first."""
    case = write_case(tmp_path / "new", a=values[N_OLD:])
    listed = case / "images_paths.csv"
    listed.write_text(listed.read_text().replace("veriwild", "later"))
    return case


def rewrite(file):
    """In its place, of the same size: half of what is read is of another array."""
    content = bytearray(file.read_bytes())
    half = len(content) // 2
    content[half:] = bytes(len(content) - half)
    file.write_bytes(content)


def replace(file):
    """As a tool does that keeps times, by a file that no sample of bytes tells from the first."""
    other = file.with_name("other")
    shutil.copy2(file, other)
    os.replace(other, file)


def grow(file):
    with open(file, "ab") as end:
        end.write(file.read_bytes())


CHANGES = {"rewrite": rewrite, "replace": replace, "grow": grow, "remove": os.unlink}
SAID = r"a\.pickle: (was changed while it was read.*again once it is written|cannot be read: No)"


@pytest.fixture
def changing(monkeypatch):
    """Changes a file as soon as the first block of rows was read."""

    def start(file, change):
        from streamclust.sources.base import StoredArray

        read = StoredArray.rows_of

        def once(source, *span):
            rows = read(source, *span)
            monkeypatch.setattr(StoredArray, "rows_of", read)
            change(file)
            return rows

        monkeypatch.setattr(StoredArray, "rows_of", once)

    return start


@pytest.mark.parametrize("change", CHANGES)
def test_ingest_keeps_nothing(values, tmp_path, changing, change):
    case = write_case(tmp_path / "case", a=values)
    file = case / "descriptors" / "a.pickle"
    changing(file, CHANGES[change])
    with pytest.raises(SourceError, match=SAID) as caught:
        api.ingest(case, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert api.open(tmp_path / "out").descriptors == []
    with open(file, "wb") as again:
        pickle.dump(values, again)
    assert api.ingest(case, tmp_path / "out").descriptors == ["a"]


def test_another_array_since_the_case_was_opened(values, tmp_path):
    """Of the same size: read as the first was laid out, it would be another table."""
    from streamclust import pipeline
    from streamclust.planning import open_inputs
    from streamclust.settings import Settings
    from streamclust.store import Workspace

    case = write_case(tmp_path / "case", a=values)
    settings = Settings()
    inputs = open_inputs(case, settings)
    with open(case / "descriptors" / "a.pickle", "wb") as file:
        pickle.dump(values.T.copy().reshape(values.shape), file)
    workspace = Workspace(tmp_path / "out", create=True)
    with (
        pipeline.working(workspace, settings, "ingest") as job,
        pytest.raises(SourceError, match=SAID),
    ):
        pipeline.ingest_all(job, inputs)
    assert workspace.descriptors == []


@pytest.mark.parametrize("change", CHANGES)
def test_update_adds_nothing(out, new_case, changing, change):
    before = api.open(out).info()["descriptors"]
    changing(new_case / "descriptors" / "a.pickle", CHANGES[change])
    with pytest.raises(SourceError, match=SAID):
        api.open(out).update(new_case)
    assert api.open(out).info()["descriptors"] == before
    assert api.open(out).info()["paths"] == N_OLD


@pytest.mark.parametrize("change", CHANGES)
def test_assign_writes_nothing(out, new_case, tmp_path, changing, change):
    target = tmp_path / "assigned.csv"
    target.write_text("mine")
    changing(new_case / "descriptors" / "a.pickle", CHANGES[change])
    with pytest.raises(SourceError, match=SAID):
        api.open(out).assign(new_case, target, overwrite=True)
    assert target.read_text() == "mine"
    assert not (tmp_path / "drift.csv").exists()


def swap_paths(file):
    file.write_text(file.read_text().replace("0", "9"))


def shorten_paths(file):
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))


def lengthen_paths(file):
    file.write_text(file.read_text() + "x/1.jpg\nx/2.jpg\n")


LISTS = {"swap": swap_paths, "shorten": shorten_paths, "lengthen": lengthen_paths}
SAID_OF_LIST = r"images_paths\.csv: was changed while it was read"


@pytest.fixture
def changing_list(monkeypatch):
    """Changes a list of paths as soon as its paths were counted."""

    def start(file, change):
        from streamclust.sources import case_folder

        def counted(listed):
            count = path_lists.count_paths(listed)
            change(file)
            return count

        monkeypatch.setattr(case_folder, "count_paths", counted)

    return start


@pytest.mark.parametrize("change", LISTS)
def test_a_list_of_paths_is_stored_as_it_was_counted(values, tmp_path, changing_list, change):
    case = write_case(tmp_path / "case", a=values)
    changing_list(case / "images_paths.csv", LISTS[change])
    with pytest.raises(SourceError, match=SAID_OF_LIST):
        api.ingest(case, tmp_path / "out")
    assert api.open(tmp_path / "out").info()["paths"] is None


@pytest.mark.parametrize("change", LISTS)
def test_and_so_are_those_of_new_rows(out, new_case, tmp_path, changing_list, change):
    changing_list(new_case / "images_paths.csv", LISTS[change])
    before = new_case.joinpath("images_paths.csv").read_text()
    with pytest.raises(SourceError, match=SAID_OF_LIST):
        api.open(out).update(new_case)
    assert api.open(out).info()["paths"] == N_OLD
    new_case.joinpath("images_paths.csv").write_text(before)
    with pytest.raises(SourceError, match=SAID_OF_LIST):
        api.open(out).assign(new_case, tmp_path / "assigned.csv")
    assert not (tmp_path / "assigned.csv").exists()


def test_on_a_scheduler_too(values, tmp_path, dask_address, monkeypatch):
    """Its workers read from files of their own; the change is seen where results are kept."""
    case = write_case(tmp_path / "case", a=values)
    file = case / "descriptors" / "a.pickle"
    reduced = DaskExecutor.reduce

    def changed(self, *arguments, **more):
        replace(file)
        return reduced(self, *arguments, **more)

    monkeypatch.setattr(DaskExecutor, "reduce", changed)
    with pytest.raises(SourceError, match=SAID):
        api.ingest(case, tmp_path / "out", scheduler=dask_address)
    assert api.open(tmp_path / "out").descriptors == []
