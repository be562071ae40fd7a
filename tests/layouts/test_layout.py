"""Layouts as they are stored: what is there, when it is made anew, what is refused."""

import numpy as np
import pytest
from cases import write_case
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from streamclust import api
from streamclust.errors import SettingsError
from streamclust.layouts import lay_out_rows as step
from streamclust.layouts.lay_out_rows import layout
from streamclust.pipeline import working
from streamclust.settings import Settings
from streamclust.store.layouts import layouts_of
from streamclust.store.workspace import Workspace

N_ROWS = 900
MASKED = [5, 700]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, blobs):
    values = blobs[0][:N_ROWS].copy()
    values[MASKED] = np.nan
    folder = tmp_path_factory.mktemp("layout")
    case = write_case(folder / "case", a=values, raw=values)
    made = api.ingest(case, folder / "out", invalid="mask").reduce(descriptors="a")
    made.cluster(descriptors="a", n_clusters="4,5", algorithms=("kmeans", "hdbscan"))
    made.measure(descriptors="a")
    return Workspace(folder / "out")


def lay_out(workspace, method="pca", dimensions=2, clustering=None, descriptor="a", **settings):
    steps = []
    with working(workspace, Settings(**settings), "layout", steps.append) as job:
        layout(job, descriptor, method, dimensions, clustering)
    name = f"{method}-{dimensions}"
    finished = [event for event in steps if getattr(event, "step", "") == "layout"]
    return layouts_of(workspace, descriptor)[name], finished[-1]


@pytest.mark.parametrize("method", ["pca", "lda", "umap"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_layout_is_stored_once(workspace, method, dimensions):
    stored, finished = lay_out(workspace, method, dimensions)
    positions = stored.positions[...]
    assert positions.dtype == np.float32
    missing = np.isin(np.arange(N_ROWS), MASKED)
    np.testing.assert_array_equal(np.isnan(positions), missing[:, None].repeat(dimensions, axis=1))
    quality = stored.quality
    assert 0 < quality["preservation"] < quality["trustworthiness"] <= 1
    assert (quality["n_neighbors"], quality["n_rows"]) == (15, N_ROWS - len(MASKED))
    assert not finished.skipped
    assert lay_out(workspace, method, dimensions)[1].skipped


@pytest.mark.parametrize("clustering", ["kmeans-5", "hdbscan"])
def test_discriminant_axes_are_scikit_learns_noise_left_out(workspace, clustering):
    positions = lay_out(workspace, "lda", 2, clustering)[0].positions[...]
    group = workspace.root["descriptors/a"]
    rows, labels = group["reduced"][...], group[f"clusterings/{clustering}/labels"][...]
    inside = labels >= 0
    judge = LinearDiscriminantAnalysis(solver="eigen").fit(rows[inside], labels[inside])
    theirs = judge.transform(rows[inside])[:, :2]
    theirs -= theirs.mean(axis=0)
    ours = positions[inside]
    theirs *= np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs, atol=2e-4 * np.abs(theirs).max())


def test_a_layout_follows_its_clustering(workspace):
    first = lay_out(workspace, "lda", 2, "kmeans-5")[0].positions[...]
    stored, finished = lay_out(workspace, "lda", 2, "kmeans-4")
    assert (stored.clustering, finished.skipped) == ("kmeans-4", False)
    assert not np.array_equal(stored.positions[...], first, equal_nan=True)
    again, finished = lay_out(workspace, "lda", 2, "kmeans-5")
    assert finished.skipped  # it was put aside
    np.testing.assert_array_equal(again.positions[...], first)


def test_only_umap_follows_the_seed(workspace):
    first = lay_out(workspace, "umap", 2)[0].positions[...]
    second = lay_out(workspace, "umap", 2, random_state=7)[0].positions[...]
    assert not np.array_equal(first, second, equal_nan=True)
    lay_out(workspace, "pca", 2)
    assert lay_out(workspace, "pca", 2, random_state=7)[1].skipped


def test_far_rows_lie_outside_the_limits(tmp_path, blobs):
    values = blobs[0][:, :4].copy()
    values[::1000] += 1e4
    api.ingest(write_case(tmp_path / "case", a=values), tmp_path / "out")
    api.open(tmp_path / "out").reduce(n_components=4, scaling="none")
    stored, _ = lay_out(Workspace(tmp_path / "out"))
    positions, limits = stored.positions[...], stored.limits
    beyond = ((positions < limits[:, 0]) | (positions > limits[:, 1])).any(axis=1)
    assert beyond[::1000].all()
    assert stored.outside == beyond.sum() < 30
    assert np.ptp(limits) < 1e3


def test_layouts_of_what_has_been_replaced_are_not_shown(tmp_path, case_folder):
    api.ingest(case_folder, tmp_path / "out")
    api.open(tmp_path / "out").reduce(n_components=3)
    workspace = Workspace(tmp_path / "out")
    lay_out(workspace)
    api.open(tmp_path / "out").reduce(n_components=4)
    assert layouts_of(workspace, "a") == {}
    assert layouts_of(workspace, "b") == {}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"dimensions": 4}, "2 or 3 dimensions, not 4"),
        ({"method": "tsne"}, "choose from pca, lda, umap"),
        ({"method": "umap", "clustering": "kmeans-5"}, "leave kmeans-5 out"),
        ({"method": "lda", "clustering": "ward-9"}, "there are .*kmeans-4"),
        ({"descriptor": "raw"}, "run streamclust reduce first"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(workspace, asked, told):
    with pytest.raises(SettingsError, match=told):
        lay_out(workspace, **asked)


def test_without_a_clustering_there_is_nothing_to_tell_apart(tmp_path, case_folder):
    api.ingest(case_folder, tmp_path / "out")
    api.open(tmp_path / "out").reduce()
    with pytest.raises(SettingsError, match="run streamclust cluster and measure first"):
        lay_out(Workspace(tmp_path / "out"), "lda")


def test_the_quality_is_not_measured_on_landmarks_alone():
    assert step._SEED >= 2**32  # beyond every seed that landmarks can have
