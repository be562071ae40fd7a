"""An update killed at any moment: the next one ends as if none had been."""

import os
import random
import shutil

import numpy as np
import pytest
from cases import write_case
from dots import dots_for_figures
from killed import finished, killed

import streamclust
from streamclust import api
from streamclust.store.workspace import Workspace, stage_array

N_OLD = 2000


@pytest.fixture(scope="module")
def cases(blobs, tmp_path_factory):
    top = tmp_path_factory.mktemp("cases")
    values, _ = blobs
    write_case(top / "all", a=values)
    lines = (top / "all" / "images_paths.csv").read_text().splitlines()
    for name, rows in (("old", slice(N_OLD)), ("new", slice(N_OLD, None))):
        case = write_case(top / name, a=values[rows], b=values[rows, :9] ** 2)
        (case / "images_paths.csv").write_text("\n".join(["paths", *lines[1:][rows]]) + "\n")
    return top / "old", top / "new"


@pytest.fixture(scope="module")
def made(cases, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "out"
    api.ingest(cases[0], out)
    api.open(out).reduce().cluster(n_clusters=(3, 5)).measure()
    return out


@pytest.fixture(scope="module")
def unbroken(made, cases, tmp_path_factory):
    out = shutil.copytree(made, tmp_path_factory.mktemp("unbroken") / "out")
    with dots_for_figures():  # No test looks at its figures.
        return api.open(out).update(cases[1])


@pytest.mark.parametrize("seed", range(2))
def test_killed_updates_end_as_if_unbroken(made, cases, unbroken, tmp_path, seed):
    out = shutil.copytree(made, tmp_path / "out")
    command = ("update", out, cases[1], "--quiet")
    moments = random.Random(seed)
    for _ in range(2):
        # Up to half of the changes stage what is published together, the rest come after.
        killed(out, moments.randint(1, 1000), *command)
        rows = {group["raw"].shape[0] for _, group in _descriptors(out)}
        assert rows <= {N_OLD, 3000}
    assert finished(*command) == 0
    for name in ("labels.csv", "metrics.csv", "label_changes.csv", "cluster_changes.csv"):
        assert (out / name).read_bytes() == (unbroken.folder / name).read_bytes()
    for name, group in _descriptors(out):
        np.testing.assert_array_equal(group["raw"], unbroken.store[f"descriptors/{name}/raw"])
    assert not (out / ".streamclust" / "pending").exists()


def _descriptors(out):
    return streamclust.open(out).store["descriptors"].groups()


@pytest.mark.parametrize("n_done", range(4))
def test_what_is_published_together_is_there_whole_or_rolled_forward(tmp_path, monkeypatch, n_done):
    workspace = Workspace(tmp_path / "out", create=True)
    with workspace.staging() as staged:
        results = []
        for name in "xyz":
            old, new = (
                stage_array(staged, f"{name}-{age}", (2,), "i4", 2) for age in ("old", "new")
            )
            workspace.publish(old, f"kept/{name}", "before")
            results.append((new, f"kept/{name}", "after"))
        moves, replace = iter(range(100)), os.replace

        def killed(source, target):
            if str(target).endswith(("/x", "/y", "/z")) and next(moves) == n_done:
                raise KeyboardInterrupt
            replace(source, target)

        monkeypatch.setattr(os, "replace", killed)
        try:
            workspace.publish_together(results)
        except KeyboardInterrupt:
            monkeypatch.undo()
    monkeypatch.undo()
    with Workspace(tmp_path / "out").lock():
        assert [workspace.fingerprint_of(f"kept/{name}") for name in "xyz"] == ["after"] * 3
        assert all(workspace.restore(f"kept/{name}", "before") for name in "xyz")


def test_what_is_not_listed_yet_is_as_if_it_had_not_been(tmp_path):
    workspace = Workspace(tmp_path / "out", create=True)
    pending = tmp_path / "out" / ".streamclust" / "pending" / "0"
    pending.mkdir(parents=True)
    with workspace.lock():
        assert not pending.parent.exists()
