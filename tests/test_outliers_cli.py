"""`streamclust outliers` and `evaluate`: the same whatever runs them, and after every kill."""

import csv
import random
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from cases import write_case
from in_process import told
from killed import finished, killed

import streamclust
from streamclust import api
from streamclust.passes import blocks

TABLES = ("outliers.csv", "outlier_groups.csv", "duplicates.csv", "labels.csv")
MEASURES = ("reference", "reference_far", "mahalanobis", "knn_kth", "knn_mean", "lof", "score")
N_ROWS, N_OUTLIERS = 1500, 30


def start(*arguments, **more):
    command = [sys.executable, "-m", "streamclust", *map(str, arguments)]
    return subprocess.Popen(command, text=True, **more)


def program(*arguments):
    process = start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, warned = process.communicate(timeout=120)
    return process.returncode, said, warned


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    """Two sets, one with a masked row; copies and outliers in both."""
    folder = tmp_path_factory.mktemp("outliers")
    rng = np.random.default_rng(6)
    sets = {}
    for name, n_columns in (("a", 70), ("b", 9)):
        values = 4 + rng.normal(size=(N_ROWS, n_columns))
        values[:N_OUTLIERS] = 9 * rng.normal(size=(N_OUTLIERS, n_columns))
        values[[900, 1400]] = values[77]
        sets[name] = values.astype(np.float32)
    sets["b"][1200, 3] = np.nan
    api.ingest(write_case(folder / "case", **sets), folder / "out", invalid="mask")
    return folder / "out"


@pytest.fixture(scope="module")
def done(ingested, tmp_path_factory):
    out = shutil.copytree(ingested, tmp_path_factory.mktemp("done") / "out")
    assert program("outliers", out, "--quiet") == (0, "", "")
    return streamclust.open(out)


def assert_same(case, other):
    for name in TABLES:
        assert (case.folder / name).read_bytes() == (other.folder / name).read_bytes()
    for descriptor in ("a", "b"):
        mine, its = (c.store[f"descriptors/{descriptor}/outliers"] for c in (case, other))
        for name in MEASURES:
            np.testing.assert_array_equal(mine[name][...], its[name][...])


def test_the_outliers_are_found(done):
    with open(done.folder / "outliers.csv", newline="") as file:
        rows = [int(line["row"]) for line in csv.DictReader(file)]
    assert rows[0] == 1200
    assert set(rows[1 : 1 + N_OUTLIERS]) == set(range(N_OUTLIERS))


@pytest.fixture(scope="module")
def small_blocks():
    """Blocks of 128 rows: those of real cases hold more rows than these cases have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_MOST_ROWS", 128)
        yield


@pytest.fixture(scope="module")
def in_blocks(ingested, small_blocks, tmp_path_factory):
    """By two threads, in many blocks."""
    folder = tmp_path_factory.mktemp("blocks")
    case = api.ingest(ingested.parent / "case", folder / "out", invalid="mask")
    return case.outliers(workers=2)


@pytest.mark.parametrize("way", ["one thread", "little memory", "dask"])
def test_the_same_however_it_is_computed(ingested, in_blocks, tmp_path, way, request):
    changes = {
        "one thread": {"workers": 1},
        "little memory": {"memory": "600MiB", "workers": 2},
    }.get(way) or {"scheduler": request.getfixturevalue("dask_address")}
    case = api.ingest(ingested.parent / "case", tmp_path / "out", invalid="mask")
    assert_same(case.outliers(**changes), in_blocks)
    assert in_blocks.store["descriptors/b/outliers/score"].chunks == (128,)


def test_killed_runs_end_as_if_unbroken(ingested, done, tmp_path):
    out = shutil.copytree(ingested, tmp_path / "out")
    command = ("outliers", out, "--quiet")
    moments = random.Random(0)
    endings = [killed(out, moments.randint(1, 400), *command) for _ in range(4)]
    assert set(endings) <= {-signal.SIGKILL, 0}
    assert endings.count(-signal.SIGKILL) >= 2
    assert finished(*command) == 0
    assert_same(streamclust.open(out), done)


def test_what_is_done_is_skipped(done):
    code, said = told("outliers", done.folder)
    assert code == 0
    for step in ("space a", "neighbors b", "outliers a", "suspects", "duplicates", "draw outliers"):
        assert f"{step}: done before" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--contamination", "0.7"], "a share up to 0.5, such as 0.01"),
        (["--group", "colour"], "'colour' is no column of"),
        (["--descriptors", "z"], "no descriptor set z"),
        (["--memory", "90MiB"], "give it --memory"),
        (["--scan-images"], None),
    ],
)
def test_mistakes_are_one_line(ingested, options, message, tmp_path):
    out = shutil.copytree(ingested, tmp_path / "out")
    code, said = told("outliers", out, *options)
    if message is None:
        assert (code, "there are no images to scan" in said) == (0, True)
    else:
        assert code == 2
        assert message in said.splitlines()[-1]


def test_evaluate(done, tmp_path):
    truth = tmp_path / "truth.csv"
    kinds = ["odd" if row < N_OUTLIERS else "" for row in range(N_ROWS)]
    truth.write_text(
        "row,outlier_kind\n" + "".join(f"{row},{kind}\n" for row, kind in enumerate(kinds))
    )
    code, said = told("evaluate", done.folder, "--truth", truth)
    assert code == 0
    assert "odd" in said
    with open(done.folder / "evaluation.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    (auroc,) = (
        float(line["value"])
        for line in lines
        if (line["what"], line["set"], line["result"], line["truth"], line["metric"])
        == ("ranking", "combined", "score", "odd", "auroc")
    )
    assert auroc > 0.999
    code, said = told("evaluate", done.folder, "--truth", tmp_path / "none.csv")
    assert code == 2
    assert len(said.strip().splitlines()) == 1
