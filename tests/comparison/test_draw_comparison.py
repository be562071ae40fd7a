"""The figures of the comparison: which there are, and when they are drawn."""

import math
from pathlib import Path

import numpy as np
import pytest
from cases import write_case
from PIL import Image

from streamclust import api
from streamclust.comparison import plots as drawing
from streamclust.comparison.compare_sets import compare, compared_tables
from streamclust.comparison.plots import (
    MOST_PAIRS,
    _closest,
    _named,
    _pair_file,
    _shared,
    draw_comparison,
)
from streamclust.errors import SettingsError
from streamclust.pipeline import working
from streamclust.settings import Settings
from streamclust.store.attributes import AttributeTable
from streamclust.store.workspace import Workspace

OF_SETS = {"comparison-agreement.png", "comparison-a-a+b.png", "comparison-attributes.png"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, blobs) -> Workspace:
    """Two sets, one called as a mixed set is."""
    values, _ = blobs
    folder = tmp_path_factory.mktemp("draw")
    case = write_case(folder / "case", **{"a": values, "a+b": values[:, :9] ** 2})
    out = folder / "out"
    api.ingest(case, out)
    api.open(out).reduce().cluster(n_clusters=(4, 5)).measure()
    return Workspace(out)


@pytest.fixture(scope="module")
def attributes(tmp_path_factory, blobs) -> Path:
    """What is known of rows; one attribute has the name of a set."""
    file = tmp_path_factory.mktemp("attributes") / "known.csv"
    lines = [f"{row},{group},{group % 2}" for row, group in enumerate(blobs[1])]
    file.write_text("\n".join(["row,colour,a+b", *lines]))
    return file


def run(workspace: Workspace, *, compared: bool = False, file: Path | None = None) -> list[bool]:
    """Draw, after comparing; whether each drawing was skipped."""
    told: list = []
    with working(workspace, Settings(), "compare", told.append) as job:
        if compared:
            compare(job, file and AttributeTable(file))
        draw_comparison(job)
    return [event.skipped for event in told if getattr(event, "step", "") == "draw comparison"]


def drawn(workspace: Workspace) -> set[str]:
    return {path.name for path in (workspace.folder / "figures").glob("comparison-*")}


def test_figures_follow_the_tables(workspace, attributes):
    with pytest.raises(SettingsError, match=r"no comparison\.csv in .*: run streamclust compare"):
        run(workspace)
    assert run(workspace, compared=True, file=attributes) == [False]
    assert drawn(workspace) == OF_SETS | {"comparison-yield.png"}
    for name in drawn(workspace):
        with Image.open(workspace.folder / "figures" / name) as image:
            assert image.format == "PNG"
    assert run(workspace) == [True]
    (workspace.folder / "figures/comparison-agreement.png").unlink()
    foreign = workspace.folder / "figures/comparison-of-mine.png"
    foreign.write_bytes(b"a person's")
    assert run(workspace) == [False]
    assert run(workspace, compared=True) == [False]
    assert drawn(workspace) == OF_SETS | {foreign.name}


def test_flows_are_those_of_the_labels(workspace, attributes):
    run(workspace, compared=True, file=attributes)
    stored = compared_tables(workspace)
    sets = {line["set"]: line for line in stored.lines("comparison.csv")}
    labels = {
        name: workspace.root[f"descriptors/{name}/clusterings/kmeans-{own['n_clusters']}/labels"]
        for name, own in sets.items()
    }
    cells = list(stored.lines("contingency.csv"))
    table = _shared(cells, sets, [("a", "a+b")])["a", "a+b"]
    expected = np.zeros_like(table)
    np.add.at(expected, (labels["a"][...], labels["a+b"][...]), 1)
    np.testing.assert_array_equal(table, expected)
    assert {line["value"] for line in cells} >= {"0", "1"}


def test_the_pairs_that_agree_most_are_drawn():
    names = [f"s{i}" for i in range(6)]
    lines = {(a, b): {"ami": i + j} for i, a in enumerate(names) for j, b in enumerate(names)}
    lines["s4", "s5"] = lines["s5", "s4"] = {"ami": math.nan}
    parts = {name: {name} for name in names}
    pairs = _closest(lines, parts)
    assert len(pairs) == MOST_PAIRS
    assert pairs == sorted(pairs)
    assert ("s3", "s5") in pairs
    assert not {("s4", "s5"), ("s0", "s1")} & set(pairs)
    # A mixed set agrees with what it is mixed of by its making.
    mixed = _closest(lines, {**parts, "s5": {"s2", "s3"}})
    assert not {("s2", "s5"), ("s3", "s5")} & set(mixed)


def test_pairs_that_are_left_out_are_told(workspace, monkeypatch):
    monkeypatch.setattr(drawing, "MOST_PAIRS", 0)
    told: list = []
    with working(workspace, Settings(), "compare", told.append) as job:
        compare(job)
        draw_comparison(job)
    (note,) = (event.text for event in told if "flows" in getattr(event, "text", ""))
    assert "of the 0 of 1 pairs of sets that agree most; streamclust compare OUT --desc" in note


def test_sets_with_noise_tell_their_rows():
    sets = {"a": {"rows": 3000}, "b": {"rows": 3000}}
    lines = {("a", "a"): {"rows": 3000}, ("b", "b"): {"rows": 1200}}
    assert _named(sets, lines) == ["a", "b (1,200 rows)"]


def test_names_of_files_are_apart_and_short():
    assert _pair_file(("a", "b+c"), ["a", "b+c"]) == "figures/comparison-a-b+c.png"
    names = ["a", "b-c", "a-b", "c"]
    files = {_pair_file(pair, names) for pair in (("a", "b-c"), ("a-b", "c"))}
    assert len(files) == 2
    long = "漢" * 80
    assert len(_pair_file(("a", long), ["a", long]).encode()) < 100
