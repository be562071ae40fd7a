"""Results that are damaged: found, named in a line, and made again by the command that is named."""

import random
import shutil

import numpy as np
import pytest
from cases import write_case
from damaging import Results, commands, cut, flip, garble, go_through, lose
from dots import dots_for_figures
from in_process import told

from streamclust import api

CLUSTERING = "descriptors/a/clusterings/kmeans-3"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Results(tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        (f"{CLUSTERING}/labels/c/0", lose),
        (f"{CLUSTERING}/labels/c/0", flip),
        (f"{CLUSTERING}/zarr.json", garble),
        ("descriptors/a/raw/c/0/0", flip),
        ("descriptors/a/reduced/c/0/0", cut),
        ("descriptors/a+b/reduced/c/0/0", garble),
        ("descriptors/a/zarr.json", lose),
        ("descriptors/a+b/zarr.json", flip),
        ("images/path/c/0", lose),
        ("outliers/score/c/0", lose),
        ("names/a/kmeans-3/zarr.json", garble),
        ("tables/zarr.json", garble),
        ("zarr.json", lose),
    ],
)
def test_damage_is_named_and_made_again(results, tmp_path, file, harm):
    file = f"workspace.zarr/{file}"
    assert go_through(results, tmp_path, file, harm, 0) == "made again"


def test_results_with_rows_added_are_made_again(tmp_path):
    values = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    values += 9 * (np.arange(300) % 3)[:, None].astype(np.float32)
    old, new = (write_case(tmp_path / name, a=values[:200]) for name in ("old", "new"))
    np.save(new / "descriptors" / "a.npy", values[200:])
    (new / "descriptors" / "a.pickle").unlink()
    lines = ["paths", *(f"new/{row}.jpg" for row in range(100))]
    (new / "images_paths.csv").write_text("\n".join(lines) + "\n")
    with dots_for_figures():
        api.run(old, tmp_path / "made", n_clusters=3, workers=1).update(new)
        for file in ("descriptors/a/raw/c/0/0", "images/path/c/0"):
            out = shutil.copytree(tmp_path / "made", tmp_path / file.split("/")[0])
            flip(out / "workspace.zarr" / file, random.Random(0))
            _, said = told("verify", out, "--quiet")
            for command in commands(said.splitlines()[0]):
                given = {"CASE": old, "NEW": new}
                told_by = told(*(given.get(one, one) for one in command), "--quiet")
                assert told_by == (0, ""), command
            assert told("verify", out, "--quiet") == (0, "")
            for name in ("labels.csv", "outliers.csv"):
                assert (out / name).read_bytes() == (tmp_path / "made" / name).read_bytes()


def test_verify_tells_that_nothing_is_damaged(results):
    assert told("verify", results.out)[0] == 0
    assert api.open(results.out).verify() == []
