"""A measure is one module and one line: what docs/outliers.md tells, followed to the letter."""

import csv
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from cases import write_case

from streamclust import api
from streamclust.errors import SettingsError
from streamclust.events import Events, StepFinished
from streamclust.outliers.measures.base import (
    Inductive,
    inductive_measures,
    load_measures,
    measures_mark,
)
from streamclust.outliers.new_rows import new_row_scorer
from streamclust.passes.executors import LocalExecutor
from streamclust.registries import OUTLIER_MEASURES
from streamclust.settings import Settings
from streamclust.steps import Job
from streamclust.store.outliers import SetOutliers
from streamclust.store.workspace import Workspace

N_ROWS = 200


@pytest.fixture
def toy(monkeypatch):
    """The module of docs/outliers.md; what is returned enters it in the registry."""
    text = Path(__file__, "../../../docs/outliers.md").resolve().read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    name = "streamclust.outliers.measures.median_distance"
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(textwrap.dedent(code), module.__dict__)

    def register():
        monkeypatch.setitem(OUTLIER_MEASURES, "median_distance", f"{name}:MedianDistance")

    return register


@pytest.fixture
def case(tmp_path):
    values = np.random.default_rng(0).normal(5, 1, (N_ROWS, 10)).astype(np.float32)
    return write_case(tmp_path / "case", a=values), values


def test_a_measure_shows_up_in_the_scores(toy, case, tmp_path):
    folder, values = case
    out, steps = tmp_path / "out", []
    api.ingest(folder, out)
    before = api.open(out).outliers().store["descriptors/a/outliers/score"][...]
    toy()

    def note(event):
        if isinstance(event, StepFinished) and not event.skipped:
            steps.append(event.step)

    group = api.open(out).outliers(observers=[note]).store["descriptors/a/outliers"]
    assert {"outliers", "suspects"} <= set(steps)
    assert not {"space", "neighbors"} & set(steps)
    rows = SetOutliers(Workspace(out), "a").rows.array[...]
    expected = np.linalg.norm(rows - np.median(rows, axis=0), axis=1)
    np.testing.assert_allclose(group["median_distance"][...], expected, rtol=1e-5)
    logs = np.log(expected)
    low, middle, high = np.percentile(logs, [25, 50, 75])
    z = np.maximum((logs - middle) / ((high - low) / 1.349), 0)
    total = sum(measure.weight for measure in load_measures().values())
    combined = np.sqrt((before**2 * (total - 1 / 9) + z**2 / 9) / total)
    np.testing.assert_allclose(group["score"][...], combined, rtol=1e-3, atol=1e-4)
    # And of rows that come later: all measures but those of the graph.
    job = Job(Workspace(out), Settings(), LocalExecutor(1), Events())
    scorer = new_row_scorer(job, "a")
    assert list(inductive_measures()) == [
        *("reference", "mahalanobis", "residual", "micro_cluster", "median_distance")
    ]
    np.testing.assert_allclose(
        SetOutliers(job.workspace, "a").scorer.arrays["median"], np.median(rows, axis=0), rtol=1e-5
    )
    scores = scorer(np.concatenate([values, np.full((1, 10), 50, np.float32)]))
    assert np.isfinite(scores).all()


def test_scores_without_a_measure_do_not_score_new_rows(toy, case, tmp_path):
    api.ingest(case[0], tmp_path / "out")
    api.open(tmp_path / "out").outliers()
    toy()
    job = Job(Workspace(tmp_path / "out"), Settings(), LocalExecutor(1), Events())
    with pytest.raises(SettingsError, match="without median_distance: run streamclust outliers"):
        new_row_scorer(job, "a")


def test_evaluate_ranks_by_it(toy, case, tmp_path):
    toy()
    out = tmp_path / "out"
    api.ingest(case[0], out)
    api.open(out).outliers()
    with open(tmp_path / "truth.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "outlier_kind"])
        writer.writerows([row, "odd" if row < 3 else ""] for row in range(N_ROWS))
    lines = api.open(out).evaluate(tmp_path / "truth.csv").lines
    assert "median_distance" in {line["result"] for line in lines}


def test_scores_follow_from_the_measures_and_their_versions(toy, monkeypatch):
    assert measures_mark(load_measures()) == []
    first = {name for name, one in load_measures().items() if isinstance(one, Inductive)}
    assert first == {"reference", "mahalanobis"}
    monkeypatch.setattr(load_measures()["lof"], "version", 2)
    (changed,) = measures_mark(load_measures())
    assert changed["lof"] == 2
    n_measures = len(OUTLIER_MEASURES)
    toy()
    assert len(measures_mark(load_measures())[0]) == n_measures + 1


@pytest.mark.parametrize("name", OUTLIER_MEASURES)
def test_a_measure_reads_what_those_before_it_write(name):
    measures = list(load_measures().values())
    own = load_measures()[name]
    before = measures[: measures.index(own)]
    known = {"residual", *(column.name for one in before for column in one.columns)}
    assert set(own.reads) <= known
