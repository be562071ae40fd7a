"""The choice of k in whole runs: sweeps that widen, data without structure, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from cases import write_case
from sklearn.datasets import make_blobs

import streamclust
from streamclust import api
from streamclust.choice.stored_recommendation import VERSION
from streamclust.errors import SettingsError
from streamclust.settings import Settings
from streamclust.store.clusterings import (
    forget_recommendation,
    recommended_clustering,
    store_recommendation,
    stored_recommendation,
)
from streamclust.store.workspace import Workspace


def run(tmp_path, values, **changes):
    """A run on one set, and all that was said."""
    said = []
    case = write_case(tmp_path / "case", a=np.asarray(values, np.float32))
    made = api.run(case, tmp_path / "out", observers=[said.append], **changes)
    return made, " | ".join(getattr(event, "text", "") for event in said)


@pytest.mark.usefixtures("unrendered")
def test_an_automatic_sweep_goes_on_beyond_its_edge(tmp_path):
    values = make_blobs(1200, 6, centers=36, cluster_std=0.3, random_state=0)[0]
    made, said = run(tmp_path, values)
    assert "on to k = 31 to 58" in said
    assert made.metrics.n_clusters.max() == 58
    recommended = made.metrics[made.metrics.recommended].n_clusters.item()
    assert abs(recommended - 36) <= 3


@pytest.mark.usefixtures("unrendered")
def test_a_widened_sweep_ends_where_rows_repeat(tmp_path):
    values = make_blobs(50, 8, centers=50, cluster_std=0.1, random_state=6)[0]
    made, said = run(tmp_path, np.repeat(values, 25, axis=0))
    assert "on to k = 31 to 58" in said
    assert made.metrics.n_clusters.max() == 50


@pytest.mark.usefixtures("unrendered")
def test_a_sweep_that_was_asked_for_is_not_widened(tmp_path):
    values = make_blobs(600, 6, centers=8, cluster_std=0.4, random_state=0)[0]
    made, said = run(tmp_path, values, n_clusters="2:5")
    assert made.metrics.n_clusters.max() == 5
    assert "widen --n-clusters" in said


@pytest.mark.usefixtures("unrendered")
def test_a_sweep_goes_on_only_to_what_can_be_drawn(tmp_path):
    values = make_blobs(1200, 6, centers=36, cluster_std=0.3, random_state=0)[0]
    case = write_case(tmp_path / "planned", a=values.astype(np.float32))
    budget = max(need.smallest for plan in api.plan(case) for need in plan.needs)
    made, said = run(tmp_path, values, memory=budget)
    assert "a: the sweep is not widened: draw" in said
    assert made.metrics.n_clusters.max() == 30
    assert (tmp_path / "out/figures/a-map-pca.png").is_file()


@pytest.mark.usefixtures("unrendered")
def test_data_without_structure_are_told(tmp_path):
    values = np.random.default_rng(0).standard_normal((2500, 6)) * 0.7 ** np.arange(6)
    made, said = run(tmp_path, values, n_clusters="2:12")
    assert "no structure" in said
    assert made.recommended("a") is not None
    assert (made.metrics.gap < 0.05).all()


@pytest.mark.usefixtures("unrendered")
def test_groups_have_gaps_and_separated_clusters(tmp_path):
    values = make_blobs(2500, 6, centers=5, cluster_std=0.5, random_state=0)[0]
    made, said = run(tmp_path, values, n_clusters="2:9")
    line = made.metrics.set_index("n_clusters").loc[5]
    assert line.recommended
    assert line.separated == 5
    assert line.gap > 0.5
    assert line.gap > 10 * line.gap_error
    assert line.silhouette_low <= line.silhouette <= line.silhouette_high
    assert line.effective_clusters == pytest.approx(5, rel=1e-3)
    assert "no structure" not in said


@pytest.mark.parametrize(
    ("values", "k", "message"),
    [
        (np.random.default_rng(0).random((12, 3)), "2,20", "12 rows are too few for 20"),
        (np.random.default_rng(0).random((12, 3)), 12, "12 rows are too few for 12 clusters"),
        (np.repeat(np.eye(4), 10, axis=0), "2:5", "40 valid rows, 4 of them distinct: ask for 4"),
    ],
)
def test_more_clusters_than_rows_are_refused_before_any_pass(tmp_path, values, k, message):
    case = write_case(tmp_path / "case", a=np.asarray(values, np.float32))
    seen = []
    with pytest.raises(SettingsError, match=message):
        api.run(case, tmp_path / "out", observers=[seen.append], n_clusters=k)
    steps = {event.step for event in seen if hasattr(event, "step")}
    assert "cluster" not in steps


def test_no_dense_cluster_at_all_is_told(tmp_path):
    values = np.random.default_rng(0).random((300, 4))
    made, said = run(tmp_path, values, algorithms="hdbscan", min_cluster_size=0.3)
    assert made.metrics.n_clusters.tolist() == [0]
    assert made.recommended("a") is None
    assert "no clustering is recommended" in said


@pytest.mark.parametrize("n_rows", [4, 6])
def test_a_handful_of_rows_by_every_algorithm(tmp_path, n_rows):
    values = np.random.default_rng(0).random((n_rows, 3))
    made, _ = run(tmp_path, values, algorithms="all")
    assert made.metrics.n_clusters.max() == n_rows - 1


@pytest.mark.usefixtures("unrendered")
def test_a_mixture_is_refitted_with_its_own_settings(tmp_path):
    values = np.random.default_rng(0).standard_normal((300, 5)) @ np.diag([5, 3, 2, 1, 1])
    case = write_case(tmp_path / "case", a=values.astype(np.float32))
    own = {"algorithms": "gaussian-mixture", "covariance_type": "full", "n_clusters": "2:3"}
    whole = api.run(case, tmp_path / "whole", **own).metrics.stability
    made = api.run(case, tmp_path / "steps", n_clusters=2)
    made.cluster(**own)
    found = made.measure().metrics.query("algorithm == 'gaussian-mixture'").stability
    assert found.tolist() == whole.tolist()


@pytest.mark.usefixtures("unrendered")
def test_clusterings_of_an_older_version_are_told(tmp_path):
    values = make_blobs(300, 4, centers=3, random_state=0)[0]
    made, _ = run(tmp_path, values, n_clusters=3)
    table = (made.folder / "labels.csv").read_bytes()
    group = made.folder / "workspace.zarr/descriptors/a/clusterings/kmeans-3"
    shutil.rmtree(group / "means")
    # An older version noted no members, which would tell of damage.
    metadata = json.loads((group / "zarr.json").read_text())
    del metadata["attributes"]["checks"]
    (group / "zarr.json").write_text(json.dumps(metadata))
    said = []
    api.open(made.folder).export(observers=[said.append])
    assert any("made by an older streamclust" in getattr(e, "text", "") for e in said)
    assert (made.folder / "labels.csv").read_bytes() == table


@pytest.mark.usefixtures("unrendered")
def test_what_is_recommended_is_stored_and_made_once_where_it_is_not(tmp_path):
    made, _ = run(tmp_path, make_blobs(300, 4, centers=3, random_state=0)[0], n_clusters="2:5")
    workspace = Workspace(made.folder)
    stored, reasons = stored_recommendation(workspace, "a"), made.info()["descriptors"]["a"]
    assert stored["clustering"] == recommended_clustering(workspace, "a").name
    # As an older version left it, read and written to.
    forget_recommendation(workspace, "a")
    assert made.recommended("a") == stored["clustering"]
    assert made.info()["descriptors"]["a"]["reasons"] == reasons["reasons"]
    with pytest.raises(SettingsError, match="run streamclust measure"):
        recommended_clustering(workspace, "a")
    made.export()
    assert stored_recommendation(workspace, "a") == stored
    # What is clustered anew by the same algorithm takes the place of what was recommended.
    made.cluster(n_clusters=4, max_iter=3)
    assert stored_recommendation(workspace, "a")["clustering"] is None
    made.measure()
    assert stored_recommendation(workspace, "a")["clustering"] == "kmeans-4"
    made.cluster(n_clusters="2:5", max_iter=Settings().max_iter)
    assert stored_recommendation(workspace, "a")["choice"] == stored["choice"]


@pytest.mark.usefixtures("unrendered")
def test_what_is_recommended_follows_from_what_a_killed_or_mended_run_left(tmp_path):
    made, _ = run(tmp_path, make_blobs(300, 4, centers=3, random_state=0)[0], n_clusters="2:5")
    workspace = Workspace(made.folder)
    stored = stored_recommendation(workspace, "a")
    group = made.folder / "workspace.zarr/descriptors/a/clusterings"
    written = (group / "zarr.json").stat().st_mtime_ns
    made.export()
    assert (group / "zarr.json").stat().st_mtime_ns == written
    # Killed when it had measured, before it chose.
    store_recommendation(workspace, "a", None, "before", version=VERSION, choice={})
    made.export()
    assert stored_recommendation(workspace, "a") == stored
    # A clustering that was damaged is deleted, as its error asks for.
    shutil.rmtree(group / stored["clustering"])
    assert made.labels("a").shape == (300,)
    made.export()
    assert stored_recommendation(workspace, "a")["clustering"] in workspace.clusterings("a")


@pytest.mark.usefixtures("unrendered")
def test_one_k_is_the_only_one(tmp_path):
    values = make_blobs(300, 4, centers=3, random_state=0)[0]
    made, said = run(tmp_path, values, n_clusters=3)
    assert made.recommended("a") == "kmeans-3"
    assert "the only one computed" in said


def test_all_algorithms_stand_side_by_side(tmp_path):
    values = make_blobs(300, 5, centers=4, cluster_std=0.3, random_state=1)[0]
    made, said = run(tmp_path, values, n_clusters="2:5", algorithms="all")
    found = made.metrics.groupby("algorithm").n_clusters.apply(list).to_dict()
    assert found.pop("hdbscan") == [4]
    assert all(ks == [2, 3, 4, 5] for ks in found.values())
    assert len(found) == 7
    best = made.metrics[made.metrics.recommended]
    assert best.n_clusters.item() == 4
    assert "is taken of the algorithms, compared at the same k" in said
    assert (made.folder / "figures/a-dendrogram.png").stat().st_size > 10_000
    costs = (made.folder / "costs.csv").read_text().splitlines()
    assert costs[0] == "set,algorithm,n_clusters,seconds,peak_mib"
    assert len(costs) == 1 + len(made.metrics)
    # Another algorithm's clusterings stay when one is asked for again.
    again = streamclust.open(made.folder).cluster(algorithms="ward", n_clusters="2:6")
    assert set(again.store["descriptors/a/clusterings"]) > {"hdbscan", "kmeans-4", "ward-6"}
