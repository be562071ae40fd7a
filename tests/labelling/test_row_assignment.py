"""What the clusters of a clustering are called."""

from streamclust.labelling.names import Naming
from streamclust.labelling.stored_labels import NamedClustering
from streamclust.store.clusterings import StoredClustering


def test_a_name_that_looks_like_a_number_is_not_that_of_another_cluster():
    names = ("van", "cluster 2", "", "van")
    stored = StoredClustering(None, "a", "kmeans-4")
    classes, of_cluster = NamedClustering(stored, Naming(names, (False,) * 4)).classes()
    assert classes == ("van", "cluster 2", "cluster 2, without a name")
    assert of_cluster.tolist() == [0, 1, 2, 0]
