"""Rows added to results, whose clusterings go on learning."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from cases import write_case
from click.testing import CliRunner
from rounding import rounding
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from streamclust import api
from streamclust.cli import commands
from streamclust.errors import MemoryBudgetError, SettingsError, SourceError
from streamclust.images.archive import ImageStore, stored_images
from streamclust.labelling.names import applied_names
from streamclust.passes.accumulators.clusters import Assignment
from streamclust.passes.executors import LocalExecutor
from streamclust.registries import ALGORITHMS
from streamclust.settings import Settings
from streamclust.steps import Job
from streamclust.store.clusterings import StoredClustering
from streamclust.store.links import extend_array
from streamclust.store.workspace import Workspace, stage_array

pytestmark = pytest.mark.usefixtures("all_unrendered")

N_OLD, N_NEW = 700, 200
N_ROWS = N_OLD + N_NEW


def applied(workspace, set_name, clustering):
    return applied_names(StoredClustering(workspace, set_name, clustering))


@pytest.fixture(scope="module")
def values():
    rows, _ = make_blobs(N_ROWS, 12, centers=5, cluster_std=3.0, random_state=4)
    return (rows + 20).astype(np.float32)


def split(folder, values, **more):
    """The case of the first rows, and that of the others."""
    sets = {"a": values, "b": values[:, :7] ** 2, **more}
    whole = write_case(folder / "whole", **sets)
    lines = (whole / "images_paths.csv").read_text().splitlines()
    cases = []
    for name, rows in (("old", slice(N_OLD)), ("new", slice(N_OLD, None))):
        case = write_case(folder / name, **{s: own[rows] for s, own in sets.items()})
        (case / "images_paths.csv").write_text("\n".join(["paths", *lines[1:][rows]]) + "\n")
        cases.append(case)
    return whole, *cases


@pytest.fixture(scope="module")
def cases(values, tmp_path_factory):
    return split(tmp_path_factory.mktemp("cases"), values)


@pytest.fixture(scope="module")
def made(cases, tmp_path_factory):
    """Results of the old rows, with outliers, that no test changes."""
    out = tmp_path_factory.mktemp("made") / "out"
    api.run(cases[1], out, n_clusters=(4, 5), contamination=0.02)
    return out


@pytest.fixture(scope="module")
def clustered(cases, tmp_path_factory):
    return cluster(cases[1], tmp_path_factory.mktemp("clustered") / "out")


def cluster(case, out, **settings):
    """Results without outliers."""
    api.ingest(case, out)
    api.open(out).reduce().cluster(**{"n_clusters": (4, 5), **settings}).measure()
    return out


@pytest.fixture
def out(clustered, tmp_path):
    return shutil.copytree(clustered, tmp_path / "out")


@pytest.fixture(scope="module")
def updated(made, cases, tmp_path_factory):
    out = shutil.copytree(made, tmp_path_factory.mktemp("updated") / "out")
    said = []
    api.open(out).update(cases[2], observers=[said.append])
    return out, [event.text for event in said if hasattr(event, "text")]


def read(file):
    with open(file, newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def test_rows_and_sums_are_those_of_one_ingest(updated, cases, tmp_path):
    api.ingest(cases[0], tmp_path / "whole")
    expected, found = api.open(tmp_path / "whole").store, api.open(updated[0]).store
    assert found["images/path"][:].tolist() == expected["images/path"][:].tolist()
    for name in "ab":
        one, other = found[f"descriptors/{name}"], expected[f"descriptors/{name}"]
        np.testing.assert_array_equal(one["raw"][:], other["raw"][:])
        assert one["raw"].chunks == other["raw"].chunks
        for part in ("mean", "m2", "minimum", "maximum"):
            np.testing.assert_allclose(one["moments"][part], other["moments"][part], rtol=1e-9)
        own, whole = one["moments/scatter"][:], other["moments/scatter"][:]
        # Products of float32, added up in pieces of other lengths.
        sizes = np.sqrt(np.outer(np.diag(whole), np.diag(whole)))
        assert (np.abs(own - whole) <= 2 * rounding(N_ROWS) * sizes).all()
        assert one["moments"].attrs["count"] == N_ROWS


def test_old_rows_keep_their_projection(updated, made):
    before, after = api.open(made).store, api.open(updated[0]).store
    old, new = (store["descriptors/a"] for store in (before, after))
    np.testing.assert_array_equal(new["reduced"][:N_OLD], old["reduced"][:])
    np.testing.assert_array_equal(new["pca/components"][:], old["pca/components"][:])
    reduced = new["reduced"][:].astype(np.float64)
    np.testing.assert_allclose(new["pca/reduced_mean"][:], reduced.mean(axis=0), atol=1e-5)
    scatter = np.cov(reduced.T, bias=True) * N_ROWS
    np.testing.assert_allclose(new["pca/reduced_scatter"][:], scatter, atol=1e-4 * scatter.max())
    assert any("components hold" in text for text in updated[1])


def test_k_means_takes_a_step_over_all_rows_and_labels_them(updated, made):
    before, after = api.open(made).store, api.open(updated[0]).store
    old, new = (store["descriptors/a/clusterings/kmeans-5"] for store in (before, after))
    rows, centers = after["descriptors/a/reduced"][:], old["centers"][:]
    nearest = Assignment([centers])(rows[N_OLD:])[0][:, 0]
    for j, count in enumerate(old["sizes"][:].tolist()):
        own = rows[N_OLD:][nearest == j]
        moved = (count * centers[j] + own.sum(axis=0)) / (count + len(own))
        np.testing.assert_allclose(new["centers"][j], moved, atol=1e-4)
    labels = new["labels"][:]
    np.testing.assert_array_equal(labels, Assignment([new["centers"][:]])(rows)[0][:, 0])
    np.testing.assert_array_equal(new["sizes"][:], np.bincount(labels, minlength=5))
    assert sum(new.attrs["scores"]["sizes"]) == N_ROWS


def test_changes_are_told(updated, made):
    before, after = api.open(made), api.open(updated[0])
    lines = {
        (line["set"], line["clustering"]): line for line in read(after.folder / "label_changes.csv")
    }
    assert len(lines) == 4
    for (name, clustering), line in lines.items():
        old, new = (case.labels(name, clustering)[:N_OLD] for case in (before, after))
        assert int(line["changed"]) == (old != new).sum()
        assert float(line["adjusted_rand"]) == pytest.approx(
            adjusted_rand_score(old, new), abs=1e-6
        )
    for line in read(after.folder / "cluster_changes.csv"):
        labels = after.labels(line["set"], line["clustering"])[:]
        assert int(line["after"]) == (labels == int(line["cluster"])).sum()
        assert int(line["gained"]) == (labels[N_OLD:] == int(line["cluster"])).sum()
    (told,) = (text for text in updated[1] if text.startswith("a kmeans-") and "rows added" in text)
    assert told.startswith(f"a {after.recommended('a')}: 200 rows added; ")
    assert len(read(after.folder / "labels.csv")) == N_ROWS


def test_what_comes_after_takes_the_update_as_it_is(updated, tmp_path):
    out = shutil.copytree(updated[0], tmp_path / "out")
    steps = []
    api.open(out).reduce(observers=[steps.append])
    api.open(out).cluster(observers=[steps.append], n_clusters=(4, 5))
    api.open(out).measure(observers=[steps.append])
    api.open(out).outliers(observers=[steps.append], contamination=0.02)
    skipped = {e.step: e.skipped for e in steps if hasattr(e, "skipped")}
    for step in ("reduce", "cluster", "measure", "stability", "evidence", "suspects", "neighbors"):
        assert skipped[step], step
    group = api.open(out).store["outliers"]
    assert group["score"].shape == (N_ROWS,)
    assert group.attrs["contamination"] == 0.02


def test_twice_is_once(updated, cases, tmp_path):
    out = shutil.copytree(updated[0], tmp_path / "out")
    labels, said = (out / "labels.csv").read_bytes(), []
    copy = shutil.copytree(cases[2], tmp_path / "copy")
    os.utime(copy / "descriptors" / "a.pickle")
    for case in (cases[2], cases[1], copy):
        api.open(out).update(case, observers=[said.append])
    assert [e.text for e in said if "already in" in getattr(e, "text", "")] == [
        f"{case}: already in {out}: nothing to add" for case in (cases[2], cases[1], copy)
    ]
    assert (out / "labels.csv").read_bytes() == labels


def test_the_old_case_comes_back_whole(updated, cases, made, tmp_path):
    out = shutil.copytree(updated[0], tmp_path / "out")
    steps = []
    api.run(cases[1], out, observers=[steps.append], n_clusters=(4, 5), contamination=0.02)
    done = {event.step for event in steps if getattr(event, "skipped", None) is False}
    assert not done & {"ingest", "reduce", "cluster", "measure", "space", "neighbors"}
    assert (out / "labels.csv").read_bytes() == (made / "labels.csv").read_bytes()
    before, after = api.open(made).store, api.open(out).store
    for path in ("a/raw", "b/reduced", "a/clusterings/kmeans-4/labels"):
        np.testing.assert_array_equal(after[f"descriptors/{path}"], before[f"descriptors/{path}"])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_goes_on(cases, tmp_path, algorithm):
    api.ingest(cases[1], tmp_path / "out", descriptors="a")
    out = tmp_path / "out"
    api.open(out).reduce().cluster(n_clusters=4, algorithms=algorithm).measure()
    name = algorithm if algorithm == "hdbscan" else f"{algorithm}-4"
    old = api.open(out).labels("a", name)[:]
    said = []
    api.open(out).update(cases[2], observers=[said.append])
    case = api.open(out)
    new, group = case.labels("a", name)[:], case.store[f"descriptors/a/clusterings/{name}"]
    known = new[new >= 0]
    np.testing.assert_array_equal(
        group["sizes"][:], np.bincount(known, minlength=group["sizes"].shape[0])
    )
    rows = case.store["descriptors/a/reduced"][:]
    for j in np.unique(known):
        np.testing.assert_allclose(group["means"][j], rows[new == j].mean(axis=0), atol=1e-4)
    learns = algorithm in ("kmeans", "minibatch-kmeans", "bisecting-kmeans", "gaussian-mixture")
    stays = [e.text for e in said if "clusters stay as they are" in getattr(e, "text", "")]
    assert len(stays) == (not learns)
    if not learns:
        np.testing.assert_array_equal(new[:N_OLD], old)
    api.open(out).assign(
        cases[2], tmp_path / "new.csv", descriptors="a", clustering=name, outliers=False
    )
    np.testing.assert_array_equal(
        [int(line["label"]) for line in read(tmp_path / "new.csv")], new[N_OLD:]
    )


def test_names_follow(out, cases, tmp_path):
    names = ["one", "two", "three", "four", "five"]
    lines = [f"a,kmeans-5,{j},{name}" for j, name in enumerate(names)]
    mark = api.open(out).store["descriptors/a/clusterings/kmeans-5"].attrs["fingerprint"]
    (tmp_path / "names.csv").write_text("\n".join(["set,clustering,cluster,name", *lines]))
    api.open(out).label(tmp_path / "names.csv")
    api.open(out).update(cases[2])
    shown = [line["a"] for line in read(out / "named.csv")]
    labels = api.open(out).labels("a", 5)[:]
    assert shown == [names[label] for label in labels]
    # A table that was filled in before the update is of clusters that there were then.
    lines = [f"a,kmeans-5,{j},{name.upper()},{mark}" for j, name in enumerate(names)]
    (tmp_path / "names.csv").write_text("\n".join(["set,clustering,cluster,name,mark", *lines]))
    api.open(out).label(tmp_path / "names.csv")
    assert applied(Workspace(out), "a", "kmeans-5").naming.names == tuple(map(str.upper, names))


def test_sets_without_paths_and_further_updates(values, tmp_path):
    for name, rows in (("one", slice(300)), ("two", slice(300, 500)), ("three", slice(500, 900))):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", values[rows])
    out = cluster(tmp_path / "one" / "a.npy", tmp_path / "out")
    (tmp_path / "names.csv").write_text("cluster,name\n0,car\n")
    api.open(out).label(tmp_path / "names.csv")
    for name in ("two", "three"):
        api.open(out).update(tmp_path / name / "a.npy")
    store = api.open(out).store["descriptors/a"]
    np.testing.assert_array_equal(store["raw"][:], values)
    assert [one["first_row"] for one in store.attrs["added"]] == [300, 500]
    assert "car" in {line["a"] for line in read(out / "named.csv")}


def test_mixed_sets_are_told_to_be_old(out, cases):
    api.open(out).mix(["a", "b"], n_clusters=4)
    said = []
    api.open(out).update(cases[2], observers=[said.append])
    texts = [event.text for event in said if hasattr(event, "text")]
    assert any("a+b mixes a, b, which changed since: run streamclust mix" in text for text in texts)


def test_attributes_are_those_of_all_rows_beside_a_mixed_set_of_the_old(out, cases, tmp_path):
    api.open(out).mix(["a", "b"], name="0", n_clusters=4).update(cases[2])
    n_rows = api.open(out).labels("a").shape[0]
    table = tmp_path / "known.csv"
    table.write_text("row,kind\n" + "".join(f"{row},{row % 3}\n" for row in range(n_rows)))
    case = api.open(out).compare(table, descriptors=("a", "b"))
    assert "kind" in set(case.attributes["attribute"])


def test_images_are_those_of_their_rows(values, tmp_path):
    """Also where paths of old and new rows end alike."""
    cases = []
    for name, first, n_rows in (("old", 0, 300), ("new", 300, 100), ("more", 400, 100)):
        case = write_case(tmp_path / name, a=values[first : first + n_rows])
        lines = [f"{name}/{row}.jpg" for row in range(n_rows)]
        (case / "images_paths.csv").write_text("\n".join(["paths", *lines]) + "\n")
        cases.append(case)
    for case in cases[:2]:
        (case / "row_data" / "pictures").mkdir(parents=True)
        for row in range(3):
            file = case / "row_data" / "pictures" / f"{row}.jpg"
            file.write_bytes(f"{case.name} {row}".encode())
    out = cluster(cases[0], tmp_path / "out")
    for case in cases[1:]:
        api.open(out).update(case)
    job = Job(Workspace(out), Settings(), LocalExecutor(1))
    store = ImageStore(stored_images(job))
    for path in ("old/0.jpg", "new/0.jpg", "new/2.jpg"):
        assert store.read(path).decode() == path.replace("/", " ").removesuffix(".jpg")
    # Rows that came without images of their own may have theirs among those before.
    assert store.read("more/1.jpg") == b"old 1"
    api.ingest(cases[0], out)
    assert stored_images(job).places == (cases[0] / "row_data",)


def test_new_paths_without_the_column_of_groups(values, tmp_path):
    *_, old, new = split(tmp_path, values)
    lines = (old / "images_paths.csv").read_text().splitlines()
    with_groups = ["paths,camera", *(f"{line},{i // 9}" for i, line in enumerate(lines[1:]))]
    (old / "images_paths.csv").write_text("\n".join(with_groups) + "\n")
    out = tmp_path / "out"
    api.run(old, out, n_clusters=4, group="camera")
    with pytest.raises(SettingsError, match=r"group='camera' is no column of .*new"):
        api.open(out).update(new)
    assert api.open(out).store["descriptors/a/raw"].shape[0] == N_OLD


def test_what_is_of_the_old_rows_is_told(out, cases):
    api.open(out).compare()
    api.open(out).layout("pca")
    before = api.open(out)._repr_html_()
    assert "plane of a layout" in before
    said = []
    case = api.open(out).update(cases[2], observers=[said.append])
    texts = [event.text for event in said if hasattr(event, "text")]
    for what in ("comparisons", "layouts"):
        assert any(text.startswith(f"{what} are of the old rows") for text in texts)
    shown = case._repr_html_()
    assert "plane of a layout" not in shown
    assert "two principal components" in shown or "tell the clusters apart" in shown


def test_invalid_rows(out, values, tmp_path):
    bad = values.copy()
    bad[N_OLD + 3, 2], bad[N_OLD + 9] = np.nan, np.inf
    _, _, new = split(tmp_path / "bad", values)
    np.save(tmp_path / "a.npy", bad[N_OLD:])
    (new / "descriptors" / "a.pickle").unlink()
    shutil.move(tmp_path / "a.npy", new / "descriptors" / "a.npy")
    with pytest.raises(
        SourceError, match=r"a.npy: 2 of 200 rows hold NaN or infinity \(rows 3, 9\)"
    ):
        api.open(out).update(new)
    api.open(out).update(new, invalid="mask")
    case = api.open(out)
    assert np.flatnonzero(case.labels("a", 5)[:] == -1).tolist() == [N_OLD + 3, N_OLD + 9]
    assert np.isnan(case.store["descriptors/a/reduced"][N_OLD + 3]).all()
    assert case.store["descriptors/a"].attrs["n_invalid"] == 2
    assert not np.isnan(case.store["descriptors/a/moments/scatter"][:]).any()


def test_what_cannot_be_added(out, values, cases, tmp_path):
    before = api.open(out).store["descriptors/a"].attrs["fingerprint"]
    _, _, new = split(tmp_path / "cases", values)
    b = new / "descriptors" / "b.pickle"
    shutil.move(b, tmp_path / "b.pickle")
    with pytest.raises(
        SourceError, match="has no files of b: an update takes new rows of all sets"
    ):
        api.open(out).update(new)
    np.save(b.with_suffix(".npy"), values[N_OLD:, :6])
    with pytest.raises(SourceError, match=r"has 6 columns, and b in .* has 7"):
        api.open(out).update(new)
    np.save(b.with_suffix(".npy"), values[N_OLD:, :7].astype(np.float64))
    with pytest.raises(SourceError, match=r"holds float64, and b in .* float32"):
        api.open(out).update(new)
    b.with_suffix(".npy").unlink()
    shutil.copy(cases[1] / "descriptors" / "b.pickle", b)
    shutil.copy(tmp_path / "b.pickle", b)
    lines = (new / "images_paths.csv").read_text().splitlines()
    old = (cases[1] / "images_paths.csv").read_text().splitlines()
    repeated = "\n".join([lines[0], *old[5:9], *lines[5:]]) + "\n"
    (new / "images_paths.csv").write_text(repeated.replace("veriwild\\1", "./veriwild/1"))
    with pytest.raises(SourceError, match=r"4 of its 200 paths are in .* already: .*4.jpg, .*, …"):
        api.open(out).update(new)
    (new / "images_paths.csv").unlink()
    with pytest.raises(SourceError, match="has no list of paths, and the rows of"):
        api.open(out).update(new)
    with pytest.raises(SettingsError, match="update does not heed descriptors"):
        api.open(out).update(new, descriptors="a")
    with pytest.raises(MemoryBudgetError, match=r"needs .* at least"):
        api.open(out).update(cases[2], memory="281MiB")
    group = api.open(out).store["descriptors/a"]
    assert (group.attrs["fingerprint"], group["raw"].shape) == (before, (N_OLD, 12))
    api.ingest(cases[1], tmp_path / "raw")
    with pytest.raises(SettingsError, match="a has no clusterings that could go on"):
        api.open(tmp_path / "raw").update(cases[2])


def test_files_that_are_there_in_part(out, cases, tmp_path):
    new = shutil.copytree(cases[2], tmp_path / "new")
    (new / "descriptors" / "a.pickle").unlink()
    np.save(new / "descriptors" / "a.npy", np.zeros((N_OLD, 12), np.float32))
    shutil.copy(cases[1] / "descriptors" / "b.pickle", new / "descriptors" / "b.pickle")
    shutil.copy(cases[1] / "images_paths.csv", new / "images_paths.csv")
    with pytest.raises(SourceError, match=r"b.pickle is in .* already, and the files of a are not"):
        api.open(out).update(new)


def test_whole_chunks_are_links(tmp_path):
    workspace = Workspace(tmp_path / "out", create=True)
    with workspace.staging() as staged:
        old = stage_array(staged, "old", (10, 2), np.float32, 4)
        old[:] = np.arange(20).reshape(10, 2)
        new, first = extend_array(staged, "new", old, 13, 4)
        assert first == 8
        new[8:10] = old[8:10]
        new[10:] = 7
        np.testing.assert_array_equal(new[:10], old[:])
        places = [tmp_path.glob(f"**/{name}/c/*/0") for name in ("old", "new")]
        links = [{file.stat().st_ino for file in files} for files in places]
        assert len(links[0] & links[1]) == 2
        # A write through either array leaves the other as it is: zarr replaces files.
        new[0:4] = -1
        assert old[0, 1] == 1
        _, first = extend_array(staged, "other", old, 13, 8)
        assert first == 0


def test_the_command(out, cases):
    done = CliRunner().invoke(commands, ["update", str(out), str(cases[2]), "--quiet"])
    assert done.exit_code == 0, done.output
    steps = json.loads((out / "run.json").read_text())["steps"]
    added = [step for step in steps if step["step"] in ("add rows", "continue clusters")]
    assert len(added) == 4
