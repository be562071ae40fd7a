"""The main job: a case in, labelled clusters of every row out."""

import csv
import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import zarr
from cases import write_case
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import (
    adjusted_rand_score,
    calinski_harabasz_score,
    davies_bouldin_score,
)
from sklearn.preprocessing import StandardScaler

import streamclust
from streamclust import api
from streamclust.errors import (
    MemoryBudgetError,
    SettingsError,
    SourceError,
    StreamclustError,
    WorkspaceError,
)
from streamclust.events import StepFinished

KS = (2, 3, 5, 8)
METRICS = [
    "set",
    "algorithm",
    "n_clusters",
    "calinski_harabasz",
    "davies_bouldin",
    "silhouette_simplified",
    "inertia",
    "explained",
    "smallest_cluster",
    "recommended",
    "silhouette",
    "silhouette_low",
    "silhouette_high",
    "gap",
    "gap_error",
    "stability",
    "bic",
    "largest_cluster",
    "effective_clusters",
    "noise",
    "separated",
    "groups",
    "consensus",
]
CLUSTERS = ["set", "algorithm", "n_clusters", "cluster", "size", "share"]


@pytest.fixture(scope="module")
def done(case_folder, tmp_path_factory):
    """A finished run."""
    return streamclust.run(case_folder, tmp_path_factory.mktemp("run") / "out", n_clusters=KS)


SCORED = ["outlier", "outlier_score"]


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_contract_of_names(done):
    lines = read(done.folder / "labels.csv")
    assert list(lines[0]) == ["row", "path", "a", "b", *SCORED]
    assert len(lines) == 3000
    assert lines[8]["path"] == r"veriwild\1\00001\000008.jpg"
    assert list(read(done.folder / "metrics.csv")[0]) == METRICS
    assert len(read(done.folder / "metrics.csv")) == 2 * len(KS)
    clusters = read(done.folder / "clusters.csv")
    assert list(clusters[0]) == [
        "set",
        "algorithm",
        "n_clusters",
        "cluster",
        "size",
        "share",
    ]
    assert len(clusters) == 2 * sum(KS)
    for name in ("variance", "metrics", "map-pca", "map-discriminant"):
        assert (done.folder / "figures" / f"a-{name}.png").stat().st_size > 10_000
    store = zarr.open_group(done.folder / "workspace.zarr", mode="r")
    for path in ("raw", "reduced", "clusterings/kmeans-5/labels", "clusterings/kmeans-5/centers"):
        assert f"descriptors/a/{path}" in store
    record = json.loads((done.folder / "run.json").read_text())
    assert {"settings", "versions", "inputs", "steps"} <= set(record)
    for step in record["steps"]:
        assert step["measured_peak"] > 0
        assert step["planned_peak"] > 0
        assert step["seconds"] > 0
    assert len(record["inputs"]["a"]["blake2b"]) == 32


def test_the_numbers_are_scikit_learns(done, blobs):
    values = StandardScaler().fit_transform(blobs[0].astype(np.float64))
    reduced = PCA(0.90, svd_solver="full").fit_transform(values)
    stored = done.store["descriptors/a/reduced"][...]
    assert stored.shape == reduced.shape
    np.testing.assert_allclose(np.abs(stored), np.abs(reduced), atol=1e-3)
    frame = done.metrics.set_index(["set", "n_clusters"])
    for k in KS:
        labels = done.labels("a", f"kmeans-{k}")[...]
        exact = stored.astype(np.float64)
        line = frame.loc[("a", k)]
        assert line.calinski_harabasz == pytest.approx(
            calinski_harabasz_score(exact, labels), rel=1e-6
        )
        assert line.davies_bouldin == pytest.approx(davies_bouldin_score(exact, labels), rel=1e-6)
        best = KMeans(k, n_init=10, random_state=0).fit(exact)
        assert line.inertia <= best.inertia_ * 1.001
        assert line.smallest_cluster == np.bincount(labels).min() / 3000


def test_the_groups_are_found(done, blobs):
    assert done.recommended("a") == "kmeans-5"
    labels = pd.read_csv(done.folder / "labels.csv")["a"]
    assert adjusted_rand_score(labels, blobs[1]) > 0.99
    sizes = done.clusters.query("set == 'a' and n_clusters == 5")["size"]
    assert sizes.is_monotonic_decreasing


def test_labels_by_name_or_number(done):
    np.testing.assert_array_equal(done.labels("a", 8)[...], done.labels("a", "kmeans-8")[...])
    with pytest.raises(SettingsError, match=r"no clustering 9: there are kmeans-2, kmeans-3"):
        done.labels("a", 9)
    with pytest.raises(SettingsError, match=r"no set 'z'.*there are a, b"):
        done.labels("z")


def test_labels_are_those_of_the_nearest_stored_centre(done):
    clustering = done.store["descriptors/b/clusterings/kmeans-8"]
    rows, centers = done.store["descriptors/b/reduced"][...], clustering["centers"][...]
    apart = ((rows[:, None].astype(np.float64) - centers[None]) ** 2).sum(2)
    np.testing.assert_array_equal(apart.argmin(1), clustering["labels"][...])


def steps_of(run, *args, **kwargs):
    """The steps that a call really runs."""
    seen = []
    run(*args, observers=[seen.append], **kwargs)
    return [
        (event.step, event.set_name)
        for event in seen
        if isinstance(event, StepFinished) and not event.skipped and event.set_name
    ]


def snapshot(folder):
    files = [path for path in (folder / "workspace.zarr").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.usefixtures("unrendered")
def test_what_is_done_is_skipped_and_other_settings_add(case_folder, tmp_path):
    out = tmp_path / "out"
    run = lambda **changes: steps_of(api.run, case_folder, out, **changes)  # noqa: E731
    assert len(run(n_clusters="3,5", descriptors="a")) == 11
    before = snapshot(out)
    assert run(n_clusters="3,5", descriptors="a") == []
    assert snapshot(out) == before
    # Another k is fitted alone, another set is added.
    assert run(n_clusters="3:5", descriptors="a") == [
        ("cluster", "a"),
        ("measure", "a"),
        ("stability", "a"),
        ("evidence", "a"),
        ("draw", "a"),
    ]
    assert {step for step in run(n_clusters="3:5") if step[1] == "a"} == set()
    whole = snapshot(out)
    # Other settings replace what stands under the names; going back costs nothing.
    assert ("reduce", "a") in run(n_clusters="3:5", descriptors="a", n_components=4)
    assert streamclust.open(out).store["descriptors/a/reduced"].shape == (3000, 4)
    assert run(n_clusters="3:5") == [("draw", "a")]
    back = snapshot(out)
    assert {n: b for n, b in back.items() if "zarr.json" not in n} == {
        n: b for n, b in whole.items() if "zarr.json" not in n
    }
    assert len(json.loads((out / "run.json").read_text())["earlier"]) == 5


@pytest.mark.usefixtures("unrendered")
def test_a_k_does_not_depend_on_the_others_of_the_sweep(done, case_folder, tmp_path):
    alone = streamclust.run(case_folder, tmp_path / "out", n_clusters=5, descriptors="a")
    np.testing.assert_array_equal(
        alone.labels("a", "kmeans-5")[...], done.labels("a", "kmeans-5")[...]
    )


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("way", ["one thread", "two threads", "little memory", "dask"])
def test_results_do_not_depend_on_how_they_are_computed(done, case_folder, tmp_path, way, request):
    changes = {
        "one thread": {"workers": 1},
        "two threads": {"workers": 2},
        "little memory": {"memory": "600MiB", "workers": 2},
    }.get(way) or {"scheduler": request.getfixturevalue("dask_address")}
    other = streamclust.run(case_folder, tmp_path / "out", n_clusters=KS, **changes)
    for descriptor in ("a", "b"):
        np.testing.assert_array_equal(
            other.store[f"descriptors/{descriptor}/reduced"][...],
            done.store[f"descriptors/{descriptor}/reduced"][...],
        )
        for k in KS:
            np.testing.assert_array_equal(
                other.labels(descriptor, f"kmeans-{k}")[...],
                done.labels(descriptor, f"kmeans-{k}")[...],
            )
    assert (other.folder / "metrics.csv").read_text() == (done.folder / "metrics.csv").read_text()


@pytest.mark.usefixtures("unrendered")
def test_single_files_and_npy_are_a_case_too(blobs, tmp_path):
    np.save(tmp_path / "mine.npy", np.asfortranarray(blobs[0].astype(">f8")))
    case = streamclust.run(tmp_path / "mine.npy", tmp_path / "out", n_clusters=5)
    assert case.store["descriptors/mine/raw"].dtype == np.float64
    assert case.store["descriptors/mine/reduced"].dtype == np.float64
    assert adjusted_rand_score(case.labels("mine")[...], blobs[1]) > 0.99
    assert read(case.folder / "labels.csv")[0]["path"] == ""


@pytest.fixture
def with_nan(tmp_path, blobs):
    values = blobs[0].copy()
    values[[5, 700]] = np.nan
    values[900, 3] = np.inf
    return write_case(tmp_path / "nan", a=values)


def test_invalid_rows_are_refused_with_their_numbers(with_nan, tmp_path):
    with pytest.raises(
        SourceError, match=r"3 of 3000 rows .* \(rows 5, 700, 900\).*--invalid mask"
    ):
        streamclust.run(with_nan, tmp_path / "out", n_clusters=5)
    assert streamclust.open(tmp_path / "out").descriptors == []


@pytest.mark.usefixtures("unrendered")
def test_invalid_rows_are_masked_on_demand(with_nan, tmp_path, blobs):
    out = tmp_path / "out"
    case = streamclust.run(with_nan, out, n_clusters="3,5", invalid="mask")
    valid = np.ones(3000, bool)
    valid[[5, 700, 900]] = False
    labels = case.labels("a", "kmeans-5")[...]
    assert (labels[~valid] == -1).all()
    assert adjusted_rand_score(labels[valid], blobs[1][valid]) > 0.99
    assert case.clusters.query("n_clusters == 5")["size"].sum() == 2997
    lines = read(out / "labels.csv")
    assert lines[5]["a"] == "-1"
    exact = case.store["descriptors/a/reduced"][...].astype(float)
    assert np.isnan(exact[~valid]).all()
    assert case.metrics.query("n_clusters == 5").calinski_harabasz.item() == pytest.approx(
        calinski_harabasz_score(exact[valid], labels[valid]), rel=1e-6
    )
    # The stored set is held to the policy of each run.
    with pytest.raises(SourceError, match="3 of 3000 rows"):
        streamclust.run(with_nan, out, n_clusters=5)


def test_sets_that_do_not_fit_together_are_refused(tmp_path, blobs):
    case = write_case(tmp_path / "case", a=blobs[0], b=blobs[0][:-1])
    with pytest.raises(SourceError, match=r"numbers of rows differ: a 3000, b 2999"):
        streamclust.run(case, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("unrendered")
def test_a_set_that_cannot_be_read_may_be_left_out(tmp_path, blobs):
    case = write_case(tmp_path / "case", a=blobs[0], b=blobs[0][0])
    with pytest.raises(SourceError, match=r"b\.pickle.*or leave it out: --descriptors a"):
        streamclust.run(case, tmp_path / "out", n_clusters=5)
    assert streamclust.run(case, tmp_path / "out", n_clusters=5, descriptors="a").descriptors == [
        "a"
    ]


@pytest.mark.usefixtures("unrendered")
def test_a_case_of_another_size_does_not_join_a_workspace(done, tmp_path, blobs, case_folder):
    out = tmp_path / "out"
    streamclust.run(case_folder, out, n_clusters=3, descriptors="a")
    other = write_case(tmp_path / "other", c=blobs[0][:100])
    with pytest.raises(SourceError, match="name another --out"):
        streamclust.run(other, out, n_clusters=3)


@pytest.mark.usefixtures("unrendered")
def test_a_changed_file_is_read_again(tmp_path, blobs):
    case = write_case(tmp_path / "case", a=blobs[0])
    out = tmp_path / "out"
    streamclust.run(case, out, n_clusters=5)
    with open(case / "descriptors" / "a.pickle", "wb") as file:
        pickle.dump(blobs[0] * 2, file)
    assert ("ingest", "a") in steps_of(api.run, case, out, n_clusters=5)
    np.testing.assert_array_equal(
        streamclust.open(out).store["descriptors/a/raw"][:3], blobs[0][:3] * 2
    )


@pytest.mark.usefixtures("unrendered")
def test_few_rows_shorten_the_sweep_and_say_so(tmp_path, blobs):
    case = write_case(tmp_path / "case", a=blobs[0][:12])
    said = []
    made = api.run(case, tmp_path / "out", observers=[said.append])
    assert made.metrics.n_clusters.max() == 11
    assert any("sweep ends at 11" in getattr(event, "text", "") for event in said)
    with pytest.raises(SettingsError, match="12 rows are too few for 20 clusters"):
        api.run(case, tmp_path / "out", n_clusters=20)


def test_a_plan_that_does_not_fit_is_refused_before_anything_is_read(case_folder, tmp_path):
    with pytest.raises(MemoryBudgetError, match=r"needs .* at least"):
        streamclust.run(case_folder, tmp_path / "out", memory="100MiB")
    assert not (tmp_path / "out").exists()


def test_one_component_is_enough_for_every_step(tmp_path, blobs):
    np.save(tmp_path / "thin.npy", blobs[0][:600, :1])
    case = streamclust.run(tmp_path / "thin.npy", tmp_path / "out", n_clusters="2:3")
    assert case.store["descriptors/thin/reduced"].shape == (600, 1)
    assert (case.folder / "figures" / "thin-map-pca.png").exists()


def test_figures_follow_the_case_there_and_back(tmp_path, blobs):
    first = write_case(tmp_path / "first", a=blobs[0][:600])
    other = write_case(tmp_path / "other", a=blobs[0][600:1200] * 3)
    out = tmp_path / "out"
    picture = out / "figures" / "a-map-pca.png"
    drawn = []
    for case in (first, other, first):
        streamclust.run(case, out, n_clusters=5)
        drawn.append(picture.read_bytes())
    assert drawn[0] == drawn[2] != drawn[1]


@pytest.mark.usefixtures("unrendered")
def test_paths_of_an_earlier_case_do_not_stay(tmp_path, blobs):
    out = tmp_path / "out"
    streamclust.run(write_case(tmp_path / "with", a=blobs[0][:600]), out, n_clusters=5)
    without = write_case(tmp_path / "without", a=blobs[0][:400])
    (without / "images_paths.csv").unlink()
    case = streamclust.run(without, out, n_clusters=5)
    assert {line["path"] for line in read(out / "labels.csv")} == {""}
    assert case.info()["paths"] is None


@pytest.mark.usefixtures("unrendered")
def test_a_file_that_joins_a_case_keeps_its_paths(tmp_path, blobs):
    out = tmp_path / "out"
    streamclust.run(write_case(tmp_path / "with", a=blobs[0][:600]), out, n_clusters=5)
    (tmp_path / "alone").mkdir()
    np.save(tmp_path / "alone" / "b.npy", blobs[0][:600] * 2)
    streamclust.run(tmp_path / "alone" / "b.npy", out, n_clusters=5)
    lines = read(out / "labels.csv")
    assert list(lines[0]) == ["row", "path", "a", "b", *SCORED]
    assert lines[8]["path"] == r"veriwild\1\00001\000008.jpg"


@pytest.mark.usefixtures("unrendered")
def test_a_failed_change_of_rows_leaves_no_mixture(tmp_path, blobs):
    out = tmp_path / "out"
    first = write_case(tmp_path / "first", a=blobs[0][:500], b=blobs[0][:500])
    streamclust.run(first, out, n_clusters=3)
    spoiled = blobs[0][:700].copy()
    spoiled[3] = np.nan
    second = write_case(tmp_path / "second", a=blobs[0][:700], b=spoiled)
    with pytest.raises(SourceError, match="1 of 700"):
        streamclust.run(second, out, n_clusters=3)
    assert streamclust.open(out).descriptors == ["a"]
    back = streamclust.run(first, out, n_clusters=3)
    assert [back.store[f"descriptors/{name}/raw"].shape[0] for name in "ab"] == [500, 500]


@pytest.mark.usefixtures("unrendered")
def test_a_sweep_holds_clusterings_of_one_setting(case_folder, tmp_path):
    out = tmp_path / "out"
    run = {"descriptors": "a"}
    streamclust.run(case_folder, out, n_clusters="3:6", **run)
    other = streamclust.run(case_folder, out, n_clusters="3:4", random_state=7, **run)
    assert other.metrics.n_clusters.tolist() == [3, 4]
    assert steps_of(other.cluster, n_clusters="3:6", random_state=0, **run) == []
    assert streamclust.open(out).metrics.n_clusters.tolist() == [3, 4, 5, 6]


@pytest.mark.usefixtures("unrendered")
def test_settings_that_come_to_the_same_find_the_same(case_folder, tmp_path):
    out = tmp_path / "out"
    run = {"descriptors": "a", "n_clusters": 5}
    streamclust.run(case_folder, out, n_components=6, normalize=True, **run)
    more = {"n_components": 6, "normalize": True, "whiten": True, "max_components": 64}
    assert steps_of(api.run, case_folder, out, **run, **more) == []


@pytest.mark.usefixtures("unrendered")
def test_a_share_that_is_not_reached_is_said(case_folder, tmp_path):
    said = []
    api.run(case_folder, tmp_path / "out", observers=[said.append], n_clusters=5, max_components=2)
    texts = [getattr(event, "text", "") for event in said]
    assert any("a: 2 components hold" in text and "not 90%" in text for text in texts)


@pytest.mark.usefixtures("unrendered")
def test_a_case_named_by_a_relative_path_runs_on_workers_elsewhere(
    case_folder, tmp_path, monkeypatch, dask_address
):
    monkeypatch.chdir(case_folder.parent)
    case = streamclust.run(
        case_folder.name, tmp_path / "out", n_clusters=5, descriptors="a", scheduler=dask_address
    )
    assert case.recommended("a") == "kmeans-5"


def test_the_budget_that_is_named_will_do(tmp_path):
    values = np.random.default_rng(0).normal(size=(40, 6000)).astype(np.float32)
    np.save(tmp_path / "wide.npy", values)
    with pytest.raises(MemoryBudgetError) as error:
        api.plan(tmp_path / "wide.npy", memory="100MiB", n_clusters="2:9")
    told = str(error.value).split("--memory ")[-1].split()[0]
    assert api.plan(tmp_path / "wide.npy", memory=told, n_clusters="2:9")


@pytest.mark.usefixtures("unrendered")
def test_steps_one_by_one_give_what_a_run_gives(done, case_folder, tmp_path):
    out = tmp_path / "out"
    api.ingest(case_folder, out)
    with pytest.raises(SettingsError, match="not reduced yet"):
        api.open(out).cluster(n_clusters=KS)
    case = streamclust.open(out)
    case.reduce().cluster(n_clusters=KS).measure().outliers().export()
    for name in ("labels.csv", "metrics.csv", "clusters.csv", "outliers.csv", "duplicates.csv"):
        assert (out / name).read_text() == (done.folder / name).read_text()
    assert case.info()["descriptors"]["a"]["recommended"] == "kmeans-5"


@pytest.mark.parametrize("scaling", ["none", "minmax", "l2"])
@pytest.mark.parametrize("normalize", [False, True])
def test_scalings(case_folder, tmp_path, scaling, normalize):
    api.ingest(case_folder, tmp_path / "out", descriptors="a")
    reducing = {"scaling": scaling, "normalize": normalize, "n_components": 6}
    case = api.open(tmp_path / "out").reduce(**reducing)
    model = streamclust.IncrementalPCA(
        6, scaling=scaling, whiten=normalize, normalize=normalize
    ).fit(case.store["descriptors/a/raw"][...])
    stored = case.store["descriptors/a/reduced"][...]
    expected = model.transform(case.store["descriptors/a/raw"][...])
    np.testing.assert_allclose(stored, expected, atol=1e-4 * np.abs(expected).max())


def test_rows_of_low_rank_are_whitened_without_their_rounding(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((600, 5)) @ rng.standard_normal((5, 20))
    write_case(tmp_path / "case", a=values.astype(np.float32))
    api.ingest(tmp_path / "case", tmp_path / "out")
    case = api.open(tmp_path / "out").reduce(whiten=True, n_components=20, scaling="none")
    reduced = case.store["descriptors/a/reduced"][...]
    np.testing.assert_allclose(reduced[:, :5].std(axis=0, ddof=1), 1, rtol=1e-3)
    assert np.abs(reduced[:, 5:]).max() < 0.05


@pytest.mark.usefixtures("unrendered")
def test_wide_rows_are_sketched_and_that_is_said(tmp_path):
    rng = np.random.default_rng(0)
    spectrum = 0.7 ** np.arange(40)
    basis = np.linalg.qr(rng.standard_normal((6000, 40)))[0].T
    values = ((rng.standard_normal((500, 40)) * spectrum) @ basis).astype(np.float32)
    np.save(tmp_path / "wide.npy", values)
    said = []
    case = api.run(
        tmp_path / "wide.npy",
        tmp_path / "out",
        observers=[said.append],
        n_clusters=2,
        scaling="none",
        n_components=8,
        memory="700MiB",
    )
    assert any("sketch" in getattr(event, "text", "") for event in said)
    exact = PCA(8, svd_solver="full").fit(values.astype(np.float64))
    np.testing.assert_allclose(
        case.store["descriptors/wide/pca/explained_variance"][...],
        exact.explained_variance_,
        rtol=1e-5,
    )


@pytest.mark.usefixtures("unrendered")
def test_nothing_is_said_to_be_when_no_clustering_is_sound(tmp_path):
    values = np.zeros((5000, 4), np.float32)
    values[0] = 100
    np.save(tmp_path / "one.npy", values + np.random.default_rng(0).normal(0, 1e-3, values.shape))
    case = streamclust.run(tmp_path / "one.npy", tmp_path / "out", n_clusters=2, scaling="none")
    assert case.recommended("one") is None
    assert not case.metrics.recommended.any()
    assert list(read(case.folder / "labels.csv")[0]) == ["row", "path", *SCORED]
    assert not list((case.folder / "figures").glob("one-map-*"))


@pytest.mark.usefixtures("unrendered")
def test_the_real_case(real_case, tmp_path):
    case = streamclust.run(real_case, tmp_path / "out", n_clusters="7,12")
    assert case.descriptors == ["efficientnet-b7", "osnet", "vdc_color", "vdc_type"]
    labels = pd.read_csv(case.folder / "labels.csv")
    assert len(labels) == 2003
    assert labels.path.tolist() == pd.read_csv(real_case / "images_paths.csv").paths.tolist()
    truth = pd.read_csv(real_case / "truth.csv")
    vehicles = truth.source == "dananau_colour"
    from sklearn.metrics import adjusted_mutual_info_score

    found = case.labels("vdc_color", "kmeans-12")[...]
    assert adjusted_mutual_info_score(truth.colour[vehicles], found[vehicles]) > 0.4


def test_a_workspace_that_was_moved_still_opens(done, tmp_path):
    moved = shutil.copytree(done.folder, tmp_path / "moved")
    assert steps_of(api.open(moved).measure) == []
    assert streamclust.open(moved).recommended("a") == "kmeans-5"


def test_errors_are_children_of_what_fits():
    for child, builtin in (
        (SourceError, ValueError),
        (SettingsError, ValueError),
        (MemoryBudgetError, MemoryError),
        (WorkspaceError, RuntimeError),
    ):
        assert issubclass(child, StreamclustError)
        assert issubclass(child, builtin)
