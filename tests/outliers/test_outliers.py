"""Measures and score of every row, against scikit-learn and by brute force."""

import csv

import numpy as np
import pytest
from cases import write_case
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

import streamclust
from streamclust import api
from streamclust.outliers.measures.mahalanobis import core_rows

pytestmark = pytest.mark.usefixtures("all_unrendered")

N_ROWS, K = 500, 15
WEIGHTS = {
    "reference": 1,
    "mahalanobis": 1,
    "residual": 1 / 9,
    "knn_kth": 1 / 9,
    "lof": 1 / 9,
    "micro_cluster": 1 / 9,
}
VEHICLE = [str(row // 3) if row % 7 else "" for row in range(N_ROWS)]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """500 rows in two groups, twenty of them far out; the paths file has more columns."""
    rng = np.random.default_rng(8)
    centers = 3 + np.stack([np.zeros(80), 3 * rng.normal(size=80)])
    values = centers[np.arange(N_ROWS) % 2] + rng.normal(size=(N_ROWS, 80))
    values[:20] = 3 * rng.normal(size=(20, 80))
    folder = write_case(tmp_path_factory.mktemp("scores") / "case", a=values.astype(np.float32))
    with open(folder / "images_paths.csv", newline="") as file:
        paths = [line["paths"] for line in csv.DictReader(file)]
    with open(folder / "images_paths.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["vehicle", "paths", "colour"])
        writer.writerows(zip(VEHICLE, paths, ["red"] * N_ROWS, strict=True))
    return folder


@pytest.fixture(scope="module")
def clustered(case, tmp_path_factory):
    """With all measures, of plain neighbours."""
    return streamclust.run(
        case, tmp_path_factory.mktemp("scores") / "out", n_clusters=2, group="none"
    )


@pytest.fixture(scope="module")
def measures(clustered):
    group = clustered.store["descriptors/a/outliers"]
    return {name: array[...] for name, array in group.arrays() if name != "score"}


@pytest.fixture(scope="module")
def rows(clustered):
    return clustered.store["descriptors/a/space/reduced"][...].astype(np.float64)


def robust_z(values):
    logs = np.log(values.astype(np.float64))
    low, middle, high = np.percentile(logs, [25, 50, 75])
    return (logs - middle) / ((high - low) / 1.349)


def test_mahalanobis_is_scikit_learns_of_the_core(measures, rows):
    near, far = measures["reference"], measures["reference_far"]
    core = core_rows(robust_z(near), far, robust_z(far), robust_z(far / near))
    assert 0.9 * N_ROWS <= core.sum() <= N_ROWS - 20
    expected = np.sqrt(EmpiricalCovariance().fit(rows[core]).mahalanobis(rows))
    np.testing.assert_allclose(measures["mahalanobis"], expected, rtol=1e-4)


def test_plain_neighbours_are_all_and_exact(clustered, measures, rows):
    distances, _ = NearestNeighbors(n_neighbors=K).fit(rows).kneighbors()
    np.testing.assert_allclose(measures["knn_kth"], distances[:, -1], rtol=1e-5)
    np.testing.assert_allclose(measures["knn_mean"], distances.mean(axis=1), rtol=1e-5)
    assert "descriptors/a/neighbors/group_indices" not in clustered.store
    factor = LocalOutlierFactor(n_neighbors=K).fit(rows).negative_outlier_factor_
    np.testing.assert_allclose(measures["lof"], -factor, rtol=1e-4)


def test_cluster_distances(clustered):
    clustering = clustered.store["descriptors/a/clusterings/kmeans-2"]
    labels, centers = clustering["labels"][...], clustering["centers"][...]
    reduced = clustered.store["descriptors/a/reduced"][...].astype(np.float64)
    expected = np.linalg.norm(reduced - centers[labels], axis=1)
    for cluster in range(2):
        expected[labels == cluster] /= np.median(expected[labels == cluster])
    distance = clustered.store["descriptors/a/cluster_distance"]
    np.testing.assert_allclose(distance[...], expected, rtol=1e-4)
    assert distance.attrs["clustering"] == "kmeans-2"


def test_the_score_is_the_weighted_root_mean_square(clustered, measures):
    residual = clustered.store["descriptors/a/space/residual"][...]
    z = {name: robust_z(values) for name, values in {**measures, "residual": residual}.items()}
    gap = robust_z(measures["reference_far"] / measures["reference"])
    z["micro_cluster"] = np.minimum(z["reference_far"], gap)
    squares = sum(weight * np.maximum(z[name], 0) ** 2 for name, weight in WEIGHTS.items())
    expected = np.sqrt(squares / sum(WEIGHTS.values()))
    score = clustered.store["descriptors/a/outliers/score"][...]
    np.testing.assert_allclose(score, expected, rtol=1e-3, atol=1e-4)
    assert set(np.argsort(-expected)[:20]) == set(range(20))


@pytest.mark.parametrize("group", ["folder", "vehicle"])
def test_a_neighbourhood_counts_one_of_each_group(case, clustered, rows, tmp_path, group):
    api.ingest(case, tmp_path / "out")
    store = api.open(tmp_path / "out").outliers(group=group).store
    names = VEHICLE if group == "vehicle" else [str(row // 7) for row in range(N_ROWS)]
    names = np.array([name or f"alone {row}" for row, name in enumerate(names)])
    apart = pairwise_distances(rows)
    np.fill_diagonal(apart, np.inf)
    nearest = np.stack([apart[:, names == name].min(axis=1) for name in np.unique(names)], axis=1)
    nearest = np.sort(nearest, axis=1)[:, :K]
    own = store["descriptors/a/outliers"]
    np.testing.assert_allclose(own["knn_kth"][...], nearest[:, -1], rtol=1e-5)
    np.testing.assert_allclose(own["knn_mean"][...], nearest.mean(axis=1), rtol=1e-5)
    plain = clustered.store["descriptors/a/neighbors/distances"][...]
    np.testing.assert_array_equal(store["descriptors/a/neighbors/distances"][...], plain)


def test_distances_to_centres_follow_the_clustering_and_scores_do_not(case, tmp_path):
    api.ingest(case, tmp_path / "out")
    without = api.open(tmp_path / "out").outliers().store["descriptors/a"]
    assert "cluster_distance" not in without
    score = without["outliers/score"][...]
    for k in (3, 2):
        said = []
        out = tmp_path / "out"
        # Another number of restarts puts the clustering of before aside.
        chosen = {"n_clusters": k, "n_init": k}
        own = streamclust.run(case, out, observers=[said.append], **chosen).store["descriptors/a"]
        assert own["cluster_distance"].attrs["clustering"] == f"kmeans-{k}"
        skipped = {event.step for event in said if getattr(event, "skipped", False)}
        assert {"outliers", "suspects"} <= skipped
        np.testing.assert_array_equal(own["outliers/score"][...], score)


@pytest.mark.parametrize("outlier_scaling", ["l2", "none", "standard", "minmax"])
@pytest.mark.parametrize(
    "spoil", ["constant column", "identical rows", "zeros", "few rows", "every row twice"]
)
def test_degenerate_sets_are_scored(tmp_path, outlier_scaling, spoil):
    values = np.random.default_rng(1).normal(size=(120, 8)).astype(np.float32)
    match spoil:
        case "constant column":
            values[:, 3] = 7
        case "identical rows":
            values[:] = values[0]
        case "zeros":
            values[:] = 0
        case "few rows":
            values = values[:25]
        case "every row twice":
            values = np.repeat(values[:70], 2, axis=0)
    api.ingest(write_case(tmp_path / "case", a=values), tmp_path / "out")
    found = api.open(tmp_path / "out").outliers(outlier_scaling=outlier_scaling).store
    score = found["outliers/score"][...]
    assert np.isfinite(score).all()
    if spoil in ("identical rows", "zeros"):
        np.testing.assert_array_equal(score, 0)
        assert not found["outliers/flagged"][...].any()
    else:
        assert score.max() > 1


def test_rows_too_few_to_tell_are_left_out_and_that_is_said(tmp_path):
    values = np.random.default_rng(1).normal(size=(10, 8)).astype(np.float32)
    said = []
    api.ingest(write_case(tmp_path / "case", a=values), tmp_path / "out")
    api.open(tmp_path / "out").outliers(observers=[said.append])
    assert any("a: 10 valid rows are too few" in getattr(event, "text", "") for event in said)
    assert not (tmp_path / "out" / "outliers.csv").exists()
    assert "outlier" not in (tmp_path / "out" / "labels.csv").read_text().splitlines()[0]


def test_outliers_of_an_earlier_case_do_not_stay(case, tmp_path):
    out = tmp_path / "out"
    api.ingest(case, out)
    api.open(out).outliers()
    values = np.random.default_rng(1).normal(size=(10, 8)).astype(np.float32)
    few = write_case(tmp_path / "few", a=values)
    api.ingest(few, out)
    api.open(out).export()
    assert "outlier" not in (out / "labels.csv").read_text().splitlines()[0]
    assert not (out / "outliers.csv").exists()
    api.open(out).outliers()
    assert (
        not list(out.glob("*outlier*"))
        + list(out.glob("dupl*"))
        + list((out / "figures").glob("outlier*"))
    )
