"""Names in the store: kept with the labels that they were given on, archived, and found again."""

import numpy as np
import pytest
from cases import write_case

from streamclust import api
from streamclust.passes.passes import Passes
from streamclust.store.clusterings import StoredClustering
from streamclust.store.names import (
    archive_names,
    clusters_to_name,
    load_names,
    named_clusterings,
    save_names,
)
from streamclust.store.workspace import Workspace

NAMES, OUTLIERS = ("van", "", "car"), (False, True, False)


@pytest.fixture(scope="module")
def clustering(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    rows = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    case = api.ingest(write_case(folder / "case", a=rows), folder / "out")
    case.reduce().cluster(n_clusters=3)
    return StoredClustering(Workspace(folder / "out"), "a", "kmeans-3")


def test_names_are_read_as_they_were_stored(clustering):
    assert load_names(clustering) is None
    assert not archive_names(clustering)
    clusters = clusters_to_name(clustering, clustering.fingerprint)
    save_names(Passes(), clustering, NAMES, OUTLIERS, clusters)
    stored = load_names(clustering)
    assert (stored.names, stored.outliers) == (NAMES, OUTLIERS)
    assert stored.clusters.fingerprint == clustering.fingerprint
    np.testing.assert_array_equal(stored.clusters.labels[...], clustering.labels[...])
    assert [one.path for one in named_clusterings(clustering.workspace)] == [clustering.path]

    # They stand in for a clustering that is in the archive no more.
    assert clusters_to_name(clustering, "of no clustering") is None
    assert archive_names(clustering)
    assert load_names(clustering) is None
