"""Rows that come later: labelled, scored and held against the stored ones."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cases import write_case
from click.testing import CliRunner
from sklearn.datasets import make_blobs

from streamclust import api
from streamclust.cli import commands
from streamclust.errors import SettingsError, SourceError
from streamclust.outliers.scores import RobustScale, root_mean_square
from streamclust.registries import ALGORITHMS
from streamclust.store.workspace import Workspace

pytestmark = pytest.mark.usefixtures("all_unrendered")

N_ROWS = 1500
# The measures that new rows have; the last is made of the first two.
MEASURES = ("reference", "reference_far", "mahalanobis", "residual")
WEIGHTS = {"reference": 1, "mahalanobis": 1, "residual": 1 / 9, "micro_cluster": 1 / 9}


@pytest.fixture(scope="module")
def values():
    rows, _ = make_blobs(N_ROWS, 12, centers=5, cluster_std=2.5, random_state=4)
    return (rows + 20).astype(np.float32)


@pytest.fixture(scope="module")
def case(values, tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("old") / "case", a=values, b=values[:, :7] ** 2)


@pytest.fixture(scope="module")
def out(case, tmp_path_factory):
    out = tmp_path_factory.mktemp("assign") / "out"
    api.run(case, out, n_clusters=(3, 5))
    return out


def read(file):
    return pd.read_csv(file, keep_default_na=False, na_values={"outlier_score": [""]})


def drift(file):
    with open(file.parent / "drift.csv", newline="") as table:
        return list(csv.DictReader(table))


def test_stored_rows_come_back_as_they_are(out, case, tmp_path):
    said = []
    api.open(out).assign(case, tmp_path / "new.csv", observers=[said.append])
    api.open(out).export(to=tmp_path / "old.csv")
    new, old = read(tmp_path / "new.csv"), read(tmp_path / "old.csv")
    assert list(new) == list(old)
    of_outliers = {"outlier", "outlier_score", "outlier_reason"}
    for column in set(new) - of_outliers:
        assert new[column].astype(str).equals(old[column].astype(str)), column
    own = [line for line in drift(tmp_path / "new.csv") if line["set"] == "a"]
    sizes = np.bincount(api.open(out).labels("a")[:])
    assert [int(line["rows"]) for line in own[:-1]] == sizes.tolist()
    assert all(line["before"] == line["now"] for line in own[:-1])
    assert float(own[-1]["psi"]) == 0
    words = [event.text for event in said if hasattr(event, "text")]
    assert any("no drift that chance does not explain" in text for text in words)


def test_scores_are_those_of_the_four_measures(out, case, tmp_path):
    api.open(out).assign(case, tmp_path / "new.csv")
    new = read(tmp_path / "new.csv")
    store = api.open(out).store
    scores, references = [], set()
    for name in "ab":
        root = store[f"descriptors/{name}"]
        measures = {n: root["outliers"][n][:] for n in MEASURES if n != "residual"}
        measures["residual"] = root["space/residual"][:]
        scales = {n: RobustScale(**s) for n, s in root["outliers"].attrs["scales"].items()}
        z = {n: scales[n].z(column) for n, column in measures.items()}
        near = np.maximum(measures["reference"], scales["reference"].floor)
        gap = scales["reference_gap"].z(measures["reference_far"] / near)
        z["micro_cluster"] = np.minimum(z["reference_far"], gap)
        scores.append(root_mean_square([z[n] for n in WEIGHTS], list(WEIGHTS.values())))
        references |= set(root["scorer/numbers"][:].tolist())
    expected = root_mean_square(scores)
    # A stored row is no reference of its own; a new one cannot know that it is one.
    others = ~np.isin(np.arange(N_ROWS), list(references))
    if others.any():
        np.testing.assert_allclose(new.outlier_score[others], expected[others], atol=2e-3)
    assert np.corrcoef(new.outlier_score, expected)[0, 1] > 0.99
    stored = store["outliers/score"][:]
    assert np.corrcoef(new.outlier_score, stored)[0, 1] > 0.9


def test_rows_far_from_all_are_outliers_and_drift_is_told(out, values, tmp_path):
    rng = np.random.default_rng(0)
    labels = api.open(out).labels("a")[:]
    one = np.resize(values[labels == 0], (600, 12))
    far = (rng.normal(0, 2, (50, 12)) - 60).astype(np.float32)
    file = tmp_path / "a.npy"
    np.save(file, np.concatenate([one, far]))
    said = []
    api.open(out).assign(file, tmp_path / "new.csv", observers=[said.append])
    new = read(tmp_path / "new.csv")
    assert list(new)[2:6] == ["label", "name", "distance", "confidence"]
    assert (new.label[:600] == 0).all()
    assert new.outlier[600:].all()
    assert (new.outlier_reason[600:] == "unusual content").all()
    assert new.outlier[:600].mean() < 0.05
    words = [event.text for event in said if getattr(event, "level", "") == "warning"]
    (told,) = (text for text in words if text.startswith("a kmeans-"))
    assert "large drift" in told
    assert "; mostly " in told
    outliers = drift(tmp_path / "new.csv")[-1]
    assert outliers["what"] == "outliers"
    assert float(outliers["now"]) > 0.07 > float(outliers["before"])


def test_rows_that_are_not_finite(out, values, tmp_path):
    rows = values[:40].copy()
    rows[3, 2], rows[7] = np.nan, np.inf
    np.save(tmp_path / "a.npy", rows)
    api.open(out).assign(tmp_path / "a.npy", tmp_path / "new.csv")
    new = read(tmp_path / "new.csv")
    assert np.flatnonzero(new.label == -1).tolist() == [3, 7]
    assert np.flatnonzero(new.outlier_reason == "invalid descriptor").tolist() == [3, 7]
    assert new.outlier[[3, 7]].all()
    assert new.outlier_score[3] == np.inf
    assert (new.confidence[[3, 7]] == "").all()
    own = [line for line in drift(tmp_path / "new.csv") if line["what"] == "all clusters"]
    assert own[0]["rows"] == "38"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_labels_new_rows_as_the_stored_ones(case, tmp_path, algorithm):
    out = tmp_path / "out"
    api.ingest(case, out)
    made = api.open(out).reduce(descriptors="a")
    made.cluster(n_clusters=4, algorithms=algorithm, descriptors="a").measure(descriptors="a")
    name = algorithm if algorithm == "hdbscan" else f"{algorithm}-4"
    file = tmp_path / "new.csv"
    api.open(out).assign(case, file, descriptors="a", clustering=name, outliers=False)
    labels = api.open(out).labels("a", name)[:]
    np.testing.assert_array_equal(read(file).label, labels)
    own = drift(file)
    assert float(own[-1]["psi"]) == 0
    assert own[-1]["what"] == "all clusters"
    assert ("noise" in {line["what"] for line in own}) == bool((labels < 0).any())


def test_a_mixed_set_takes_the_files_that_it_mixes(case, out, tmp_path):
    api.open(out).mix(["a", "b"], n_clusters=4)
    file = tmp_path / "new.csv"
    api.open(out).assign(case, file, descriptors="a+b", outliers=False)
    np.testing.assert_array_equal(read(file).label, api.open(out).labels("a+b")[:])
    with pytest.raises(SettingsError, match=r"a\+b takes files of b, which .* does not have"):
        api.open(out).assign(case / "descriptors" / "a.pickle", file, descriptors="a+b")
    api.open(out).mix(["a", "b"], n_clusters=4, consensus=True)
    with pytest.raises(SettingsError, match="mixes labels, not descriptors"):
        api.open(out).assign(case, file, descriptors="consensus-a+b")


def test_memory_does_not_follow_the_rows(out, values, tmp_path):
    told = []
    for n_rows in (40_000, 90_000):
        np.save(tmp_path / "a.npy", np.resize(values, (n_rows, 12)))
        api.open(out).assign(tmp_path / "a.npy", tmp_path / "new.csv", observers=[told.append])
    few, many = (event for event in told if getattr(event, "step", "") == "assign")
    assert (few.rows, many.rows) == (40_000, 90_000)
    assert many.planned_peak < few.planned_peak + 2**25
    # The process has run other tests, which may free memory or let it be reused meanwhile.
    assert many.measured_peak < few.measured_peak + 2**27


def test_who_computes_changes_nothing(out, values, tmp_path, dask_address):
    np.save(tmp_path / "a.npy", np.resize(values, (40_000, 12)))
    ways = {"one": {"workers": 1}, "two": {"workers": 2}, "dask": {"scheduler": dask_address}}
    written = []
    for name, way in ways.items():
        api.open(out).assign(tmp_path / "a.npy", tmp_path / f"{name}.csv", **way)
        written.append((tmp_path / f"{name}.csv").read_bytes())
    assert written[0] == written[1] == written[2]


def test_files_that_do_not_fit(out, values, tmp_path):
    file, to = tmp_path / "a.npy", tmp_path / "new.csv"
    np.save(file, values[:, :11])
    with pytest.raises(SourceError, match=r"has 11 columns, and a in .* has 12"):
        api.open(out).assign(file, to)
    np.save(file, values.astype(np.float64))
    with pytest.raises(SourceError, match=r"holds float64, and a in .* float32: if they are the"):
        api.open(out).assign(file, to)
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(SourceError, match=r"^x: no set of .*, which has a, b"):
        api.open(out).assign(tmp_path / "x.npy", to)
    np.save(file, values[:30])
    np.save(tmp_path / "b.npy", values[:20, :7])
    with pytest.raises(SourceError, match="numbers of rows differ: a 30, b 20"):
        api.open(out).assign([file, tmp_path / "b.npy"], to)
    with pytest.raises(SettingsError, match="a has no clustering kmeans-9"):
        api.open(out).assign(file, to, clustering="kmeans-9")
    with pytest.raises(SettingsError, match="so the table of the drift is called"):
        api.open(out).assign(file, tmp_path / "drift.csv")
    (tmp_path / "drift.csv").write_text("mine")
    with pytest.raises(SettingsError, match=r"drift.csv is there, and not as this command"):
        api.open(out).assign(file, to)
    assert (tmp_path / "drift.csv").read_text() == "mine"
    assert not to.exists()


def test_the_command(out, case, tmp_path):
    to = str(tmp_path / "new.jsonl")
    arguments = ["assign", str(out), str(case), "--to", to, "--descriptors", "a", "--no-outliers"]
    done = CliRunner().invoke(commands, [*arguments, "--n-clusters", "3"])
    assert done.exit_code == 0, done.output
    lines = Path(to).read_text().splitlines()
    assert len(lines) == N_ROWS
    assert '"outlier_score": null' in lines[0]
    assert Workspace(out).get("descriptors/a/scorer") is not None
