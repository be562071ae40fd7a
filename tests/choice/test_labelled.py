"""Which clusterings are compared with each other."""

from pathlib import Path

import numpy as np

from streamclust.comparison.comparable_clusterings import Key, in_common, of_same_number
from streamclust.store.clusterings import StoredClustering, stored_clusterings
from streamclust.store.workspace import Workspace, store_array


def stored(folder: Path, **names: list[str]) -> dict[str, dict[str, StoredClustering]]:
    """A store of clusterings such as ``kmeans-5`` of each set, without rows."""
    workspace = Workspace(folder, create=True)
    for descriptor, own in names.items():
        for name in own:
            algorithm, _, k = name.rpartition("-")
            with workspace.staging() as staged:
                group = staged.create_group(name)
                group.attrs.update(algorithm=algorithm, n_clusters=int(k))
                store_array(group, "labels", np.zeros(1, np.int32))
                workspace.publish(group, f"descriptors/{descriptor}/clusterings/{name}", name)
    return {
        descriptor: {own.name: own for own in stored_clusterings(workspace, descriptor)}
        for descriptor in names
    }


def keys(all_of: dict[str, dict[str, StoredClustering]], *refused: str) -> dict[str, set[Key]]:
    """Of each set those that are not refused."""
    return {
        name: {(o.algorithm, o.n_clusters) for o in own.values() if o.name not in refused}
        for name, own in all_of.items()
    }


def test_one_number_of_clusters_that_all_sets_have(tmp_path):
    all_of = stored(
        tmp_path,
        a=["kmeans-4", "kmeans-6", "kmeans-9", "ward-6"],
        b=["kmeans-3", "kmeans-6", "kmeans-9", "kmeans-20"],
    )
    workspace = Workspace(tmp_path)
    chosen = {"a": all_of["a"]["ward-6"], "b": all_of["b"]["kmeans-20"]}
    same = of_same_number(workspace, chosen, keys(all_of))
    assert [own.name for own in same.values()] == ["kmeans-9", "kmeans-9"]
    chosen = {"a": all_of["a"]["ward-6"], "b": all_of["b"]["kmeans-3"]}
    same = of_same_number(workspace, chosen, keys(all_of))
    # One algorithm, although a is recommended with another of that number.
    assert [own.name for own in same.values()] == ["kmeans-6", "kmeans-6"]
    same = of_same_number(workspace, chosen, keys(all_of, "kmeans-6"))
    assert [own.name for own in same.values()] == ["kmeans-9", "kmeans-9"]


def test_mixed_algorithms_where_the_sets_share_none(tmp_path):
    all_of = stored(tmp_path, a=["kmeans-4", "kmeans-6", "ward-6"], b=["birch-6", "birch-4"])
    chosen = {"a": all_of["a"]["ward-6"], "b": all_of["b"]["birch-6"]}
    same = of_same_number(Workspace(tmp_path), chosen, keys(all_of))
    assert [own.name for own in same.values()] == ["ward-6", "birch-6"]
    same = of_same_number(Workspace(tmp_path), chosen, keys(all_of, "ward-6", "kmeans-6"))
    assert [own.name for own in same.values()] == ["kmeans-4", "birch-4"]


def test_the_algorithm_in_common():
    both: set[Key] = {("kmeans", 4), ("kmeans", 7), ("ward", 7), ("ward", 9)}
    unrefused = {"a": both | {("ward", 3)}, "b": both | {("kmeans", 3), ("birch", 5)}}
    assert in_common(unrefused, ["ward", "birch"]) == ("ward", [7, 9])
    assert in_common(unrefused, ["birch", "birch"]) == ("kmeans", [4, 7])
    assert in_common(unrefused | {"c": {("kmeans", 9)}}, ["kmeans"]) is None
    assert in_common({}, []) is None


def test_sets_without_a_number_in_common(tmp_path):
    all_of = stored(tmp_path, a=["kmeans-4", "kmeans-1"], b=["kmeans-3", "kmeans-1"])
    chosen = {"a": all_of["a"]["kmeans-4"], "b": all_of["b"]["kmeans-3"]}
    unrefused = keys(all_of, "kmeans-1")
    assert of_same_number(Workspace(tmp_path), chosen, unrefused) == {}
    assert of_same_number(Workspace(tmp_path), {}, unrefused) == {}
