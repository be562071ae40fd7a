"""Which clusterings are compared with each other."""

from pathlib import Path

import numpy as np

from streamclust.steps.labelled import Labelled, labelled, of_same_number
from streamclust.workspace import Workspace, store_array


def stored(folder: Path, **names: list[str]) -> dict[str, dict[str, Labelled]]:
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
        descriptor: {own.name: own for own in labelled(workspace, descriptor)}
        for descriptor in names
    }


def test_one_number_of_clusters_that_all_sets_have(tmp_path):
    all_of = stored(
        tmp_path,
        a=["kmeans-4", "kmeans-6", "kmeans-9", "mixture-6"],
        b=["kmeans-3", "kmeans-6", "kmeans-9", "kmeans-20"],
    )
    workspace = Workspace(tmp_path)
    chosen = {"a": all_of["a"]["mixture-6"], "b": all_of["b"]["kmeans-20"]}
    same = of_same_number(workspace, chosen)
    assert [own.name for own in same.values()] == ["kmeans-9", "kmeans-9"]
    chosen = {"a": all_of["a"]["mixture-6"], "b": all_of["b"]["kmeans-3"]}
    same = of_same_number(workspace, chosen)
    assert [own.name for own in same.values()] == ["mixture-6", "kmeans-6"]


def test_sets_without_a_number_in_common(tmp_path):
    all_of = stored(tmp_path, a=["kmeans-4", "kmeans-1"], b=["kmeans-3", "kmeans-1"])
    chosen = {"a": all_of["a"]["kmeans-4"], "b": all_of["b"]["kmeans-3"]}
    assert of_same_number(Workspace(tmp_path), chosen) == {}
    assert of_same_number(Workspace(tmp_path), {}) == {}
