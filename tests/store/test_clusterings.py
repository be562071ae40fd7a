import numpy as np
import pytest

from streamclust.errors import SettingsError
from streamclust.store.clusterings import (
    find_clustering,
    forget_recommendation,
    recommended_clustering,
    store_recommendation,
)
from streamclust.store.workspace import Workspace, store_array

SILHOUETTES = {
    ("kmeans", 3): 0.2,
    ("kmeans", 12): 0.4,
    ("ward", 3): 0.3,
    ("ward", 4): 0.5,
    ("hdbscan", 5): None,
    ("birch", 7): 0.1,
}


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path, create=True)
    for (algorithm, k), silhouette in SILHOUETTES.items():
        with made.staging() as staged:
            group = staged.create_group("made")
            group.attrs.update(algorithm=algorithm, n_clusters=k)
            group.attrs.update(scores={"silhouette_simplified": silhouette})
            store_array(group, "labels", np.zeros(4, np.int32))
            name = algorithm if algorithm == "hdbscan" else f"{algorithm}-{k}"
            made.publish(group, f"descriptors/a/clusterings/{name}", name)
    return made


@pytest.mark.parametrize(
    ("which", "name"),
    [
        ("ward-4", "ward-4"),
        ("hdbscan", "hdbscan"),
        (3, "kmeans-3"),
        ("12", "kmeans-12"),
        ("4", "ward-4"),
        (5, "hdbscan"),
        ("birch", "birch-7"),
        ("kmeans", "kmeans-3"),
        ("ward", "ward-4"),
        (None, "kmeans-3"),
    ],
)
def test_a_clustering_is_named_in_one_way(workspace, which, name):
    store_recommendation(workspace, "a", "kmeans-3", "mark")
    assert find_clustering(workspace, "a", which).name == name


@pytest.mark.parametrize("which", ["kmeans-5", "6", 6, "spectral", "-3", "", "labels"])
def test_what_there_is_not_is_refused_with_the_names_that_there_are(workspace, which):
    store_recommendation(workspace, "a", "kmeans-3", "mark")
    with pytest.raises(SettingsError, match="birch-7, hdbscan, kmeans-3, kmeans-12, ward-3"):
        find_clustering(workspace, "a", which)


def test_the_recommended_one_is_what_was_stored(workspace):
    with pytest.raises(SettingsError, match="run streamclust measure"):
        recommended_clustering(workspace, "a")
    assert recommended_clustering(workspace, "b") is None
    store_recommendation(workspace, "a", None, "mark")
    assert recommended_clustering(workspace, "a") is None
    store_recommendation(workspace, "a", "ward-3", "mark")
    assert recommended_clustering(workspace, "a").name == "ward-3"
    forget_recommendation(workspace, "a")
    with pytest.raises(SettingsError, match="is not stored"):
        find_clustering(workspace, "a")
