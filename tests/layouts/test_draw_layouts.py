"""Layouts are drawn with every row, noise in grey, and anew only when something changed."""

import numpy as np
import pytest
from cases import write_case

from streamclust import api
from streamclust.layouts.plots import _NoiseLast, _planes
from streamclust.passes.accumulators.counts import DensityMaps
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes
from streamclust.store.layouts import layouts_of
from streamclust.store.workspace import Workspace


@pytest.fixture(scope="module")
def out(tmp_path_factory, blobs):
    folder = tmp_path_factory.mktemp("draw-layouts")
    case = write_case(folder / "case", a=blobs[0][:600])
    api.ingest(case, folder / "out")
    api.open(folder / "out").reduce().cluster(n_clusters="3,4").measure()
    return folder / "out"


def lay_out(out, method, dimensions, **options):
    events = []
    api.open(out).layout(method, dimensions, observers=[events.append], **options)
    drawn = [e for e in events if getattr(e, "step", "") == "draw layouts"]
    return [e for e in drawn if hasattr(e, "skipped")]


def test_pictures_of_layouts_are_drawn_once(out):
    assert [event.skipped for event in lay_out(out, "pca", 2)] == [False]
    assert [event.skipped for event in lay_out(out, "lda", 3)] == [False, True]
    made = {file.name for file in (out / "figures").glob("a-*.png")}
    assert made == {"a-pca-2.png", "a-pca-2-clusters.png", "a-lda-3.png"}
    # lda of another clustering takes the place of the one that is drawn.
    anew = lay_out(out, "lda", 3, clustering="kmeans-3")
    assert [event.skipped for event in anew] == [False, True]


def test_every_row_is_counted_from_every_side(out):
    workspace = Workspace(out)
    layout = layouts_of(workspace, "a")["lda-3"]
    clustering = workspace.root["descriptors/a/clusterings/kmeans-3"]
    rows = Rows(layout.positions, extras=(_NoiseLast(clustering["labels"], 3),))
    maps = _planes(layout.limits)
    for seen in Passes().reduce("density", rows, DensityMaps(maps, 4)).result():
        assert seen.counts.sum() + seen.outside == 600
        assert seen.counts[3].sum() == 0


def test_noise_is_the_last_cluster():
    labels = _NoiseLast(np.array([0, -1, 2, -1], np.int32), 3)
    assert labels[0:4].tolist() == [0, 3, 2, 3]
