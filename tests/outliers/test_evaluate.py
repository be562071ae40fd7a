"""Results of a run against a truth table, compared with scikit-learn's figures from the arrays."""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, roc_auc_score

import streamclust
from streamclust.errors import MemoryBudgetError, SettingsError, SourceError
from streamclust.memory import LIBRARIES, MIB
from streamclust.outliers.evaluation import COMBINED, Evaluation, evaluate, evaluate_needs
from streamclust.pipeline import working
from streamclust.settings import Settings
from streamclust.sources.case_folder import find_case
from streamclust.store.workspace import Workspace, store_array

pytestmark = pytest.mark.usefixtures("all_unrendered")

KINDS = ["", "unusual content", "glare"]
GLARE = {"what": "ranking", "set": "combined", "truth": "glare"}
RNG = np.random.default_rng(0)
TRUE_KIND = np.array(["", "glare", "no_vehicle"])[RNG.choice(3, 3000, p=[0.9, 0.04, 0.06])]
SCORE = (RNG.random(3000) + (TRUE_KIND == "glare") + 0.5 * (TRUE_KIND != "")).astype(np.float32)
REPORTED = np.where(SCORE > 1, np.where(TRUE_KIND == "glare", 2, 1), 0).astype(np.int8)


@pytest.fixture(scope="module")
def workspace(case_folder, tmp_path_factory) -> Workspace:
    """A run of two sets; there are outlier scores of all rows, and of set a."""
    out = tmp_path_factory.mktemp("evaluate") / "out"
    streamclust.run(case_folder, out, n_clusters=(4, 5, 6))
    workspace = Workspace(out)
    with workspace.staging() as staged:
        group = staged.create_group("outliers")
        group.attrs["kinds"] = KINDS
        for name, values in (("score", SCORE), ("flagged", SCORE > 1), ("kind", REPORTED)):
            store_array(group, name, values)
        workspace.publish(group, "outliers", "combined")
        group = staged.create_group("own")
        store_array(group, "score", -SCORE)
        store_array(group, "lof", SCORE)
        store_array(group, "flat", SCORE * 0)
        workspace.publish(group, "descriptors/a/outliers", "own")
    return workspace


def truth_file(folder: Path, rows: np.ndarray, **columns: np.ndarray) -> Path:
    file = folder / "truth.csv"
    with open(file, "w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["row", *columns])
        writer.writerows(zip(rows, *(column[rows] for column in columns.values()), strict=True))
    return file


def compare(workspace: Workspace, truth: Path) -> Evaluation:
    with working(workspace, Settings(), "evaluate") as job:
        return evaluate(job, truth)


def value(evaluation: Evaluation, **wanted: str) -> float:
    (line,) = (line for line in evaluation.lines if all(line[n] == v for n, v in wanted.items()))
    return line["value"]


@pytest.fixture(scope="module")
def evaluation(workspace, blobs, tmp_path_factory) -> Evaluation:
    """With a truth of the even rows, half of whose groups are known."""
    groups = np.where(np.arange(3000) % 4 == 0, blobs[1].astype(str), "")
    folder = tmp_path_factory.mktemp("truth")
    rows = np.arange(0, 3000, 2)[::-1]
    return compare(workspace, truth_file(folder, rows, group=groups, outlier_kind=TRUE_KIND))


def test_rankings(evaluation):
    even, kind = SCORE[::2], TRUE_KIND[::2]
    overall = {"what": "ranking", "metric": "auroc", "truth": "any outlier"}
    auroc = roc_auc_score(kind != "", even)
    assert value(evaluation, **overall, set="combined") == pytest.approx(auroc)
    assert value(evaluation, **overall, set="a", result="score") == pytest.approx(1 - auroc)
    assert value(evaluation, **overall, set="a", result="lof") == pytest.approx(auroc)
    assert value(evaluation, **overall, set="a", result="flat") == 0.5
    glare = {**overall, "truth": "glare", "set": "combined"}
    kept = kind != "no_vehicle"
    assert value(evaluation, **glare) == pytest.approx(roc_auc_score(kind[kept] != "", even[kept]))
    line = next(line for line in evaluation.lines if line["truth"] == "glare")
    assert (line["rows"], line["positives"]) == (kept.sum(), (kind == "glare").sum())
    top = np.argsort(-even)[: (even > 1).sum()]
    at_flagged = {**overall, "metric": "precision_at_flagged", "set": "combined"}
    assert value(evaluation, **at_flagged) == pytest.approx((kind[top] != "").mean())
    glare |= {"metric": "precision_at_flagged"}
    assert value(evaluation, **glare) == pytest.approx(
        (kind[kept][even[kept] > 1] == "glare").mean()
    )


def test_flags_and_reasons(evaluation):
    kind, flagged, reported = TRUE_KIND[::2], (SCORE > 1)[::2], REPORTED[::2]
    own = {"what": "flagged", "truth": "any outlier"}
    assert value(evaluation, **own, metric="precision") == (kind[flagged] != "").mean()
    assert value(evaluation, **own, metric="recall") == flagged[kind != ""].mean()
    own = {"what": "flagged", "truth": "no_vehicle"}
    assert value(evaluation, **own, metric="recall") == flagged[kind == "no_vehicle"].mean()
    own = {"what": "reason", "result": "unusual content", "truth": "no_vehicle"}
    assert value(evaluation, **own, metric="precision") == pytest.approx(
        (kind[reported == 1] == "no_vehicle").mean()
    )
    assert value(evaluation, **own, metric="recall") == pytest.approx(
        (reported[kind == "no_vehicle"] == 1).mean()
    )


def test_clusterings(evaluation, workspace, blobs):
    labels = workspace.root["descriptors/a/clusterings/kmeans-5/labels"][...]
    own = {"what": "clustering", "set": "a", "result": "kmeans-5", "truth": "group"}
    expected = adjusted_mutual_info_score(blobs[1][::4], labels[::4])
    assert value(evaluation, **own, metric="ami") == pytest.approx(expected)
    assert {line["rows"] for line in evaluation.lines if line["what"] == "clustering"} == {750}


def test_the_table_on_disk_and_for_people(evaluation, workspace):
    with open(workspace.folder / "evaluation.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    for line, told in zip(lines, evaluation.lines, strict=True):
        assert float(line["value"]) == pytest.approx(told["value"], abs=1e-6)
    tables = evaluation.tables()
    assert [heading.split(":")[0].split(" (")[0] for heading in tables] == [
        "outlier scores",
        "measures",
        "flagged rows",
        "kinds",
        "recommended clusterings",
    ]
    scores = next(iter(tables.values()))
    assert [line["set"] for line in scores] == ["combined", "a", "b"]
    kind, reported = TRUE_KIND[::2], REPORTED[::2]
    kinds = {line["kind"]: line for line in list(tables.values())[3]}
    assert list(kinds) == ["glare", "no_vehicle"]
    assert kinds["glare"]["rows"] == f"{(kind == 'glare').sum()}"
    assert kinds["no_vehicle"]["reported as"] == "unusual content"
    precision, recall = (kind[reported == 2] == "glare"), (reported[kind == "glare"] == 2)
    assert kinds["glare"]["precision"] == f"{precision.mean():.3f}"
    assert kinds["glare"]["recall"] == f"{recall.mean():.3f}"
    assert kinds["glare"]["AUROC"] == f"{value(evaluation, **GLARE, metric='auroc'):.3f}"
    assert all(len(line) == len(table[0]) for table in tables.values() for line in table)


def test_invalid_rows_count_as_flagged(workspace, tmp_path):
    array = workspace.root["outliers/score"]
    row = int(np.flatnonzero(SCORE < 1)[0])
    kind = np.array([""] * 3000, dtype="<U7")
    kind[row] = "invalid"
    truth = truth_file(tmp_path, np.arange(3000), outlier_kind=kind)
    own = {"what": "flagged", "truth": "any outlier", "metric": "recall"}
    assert value(compare(workspace, truth), **own) == 0
    array[row] = np.nan
    told = compare(workspace, truth)
    array[row] = SCORE[row]
    assert value(told, **own) == 1
    assert value(told, what="ranking", set="combined", truth="invalid", metric="auroc") == 1


def test_kinds_that_the_truth_does_not_know(workspace, tmp_path):
    kind = np.where(TRUE_KIND == "glare", "glare", "")
    told = compare(workspace, truth_file(tmp_path, np.arange(3000), outlier_kind=kind))
    kinds = [table for heading, table in told.tables().items() if heading.startswith("kinds")]
    (line,) = (line for line in kinds[0] if line["kind"] == "-")
    assert (line["rows"], line["reported as"]) == ("0", "unusual content")
    assert (line["precision"], line["recall"], line["AUROC"]) == ("0.000", "-", "-")


def test_what_cannot_be_compared_is_told(workspace, tmp_path):
    ordinary = np.array([""] * 3000)
    truth = truth_file(tmp_path, np.arange(9), outlier_kind=ordinary)
    with pytest.raises(SettingsError, match="takes outlier scores and a column outlier_kind"):
        compare(workspace, truth)
    (tmp_path / "truth.csv").write_text("row,kind\n3000,glare\n")
    with pytest.raises(SourceError, match="the case has rows 0 to 2999"):
        compare(workspace, truth)


def test_many_columns_are_planned_before_they_are_read(workspace, tmp_path):
    columns = {f"c{number}": TRUE_KIND for number in range(200)}
    truth = truth_file(tmp_path, np.arange(9), **columns)
    least = evaluate_needs(truth, 3000)[0].smallest
    settings = Settings(memory=least - 1)
    with (
        pytest.raises(MemoryBudgetError, match="evaluate needs"),
        working(workspace, settings, "evaluate") as job,
    ):
        evaluate(job, truth)
    assert least > LIBRARIES + 64 * MIB + 200 * 3000 * 4


def test_no_set_is_called_as_the_combined_score():
    with pytest.raises(SourceError, match="cannot name a set"):
        find_case([f"{COMBINED}.npy"])
