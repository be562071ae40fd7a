"""Audits: drawn, answered, told, carried on, and refused."""

import csv
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from streamclust import api
from streamclust.cli import commands
from streamclust.errors import SettingsError, SourceError
from streamclust.labelling.judged_answers import Judged
from streamclust.store.attributes import Audit

pytestmark = pytest.mark.usefixtures("all_unrendered")

K = 5
NAMES = ["car", "van", "car", "bus", ""]


@pytest.fixture(scope="module")
def clustered(case_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("audited") / "out"
    api.ingest(case_folder, out)
    api.open(out).reduce().cluster(n_clusters=(K,)).measure()
    return out


@pytest.fixture
def out(clustered, tmp_path):
    """With names of the clusters of a set."""
    out = shutil.copytree(clustered, tmp_path / "out")
    name(out, tmp_path, NAMES)
    return out


def name(out, tmp_path, names):
    lines = [("a", f"kmeans-{K}", j, text) for j, text in enumerate(names)]
    write(tmp_path / "names.csv", lines, ("set", "clustering", "cluster", "name"))
    api.open(out).label(tmp_path / "names.csv")


def write(path, lines, columns=("row", "answer")):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([columns, *lines])
    return path


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def answered(path, answer):
    """The table with an answer of each line."""
    lines = read(path)
    cells = [list({**line, "answer": answer(line)}.values()) for line in lines]
    return write(path, cells, list(lines[0]))


def test_a_sample_of_each_named_cluster_and_how_right_it_is(out, tmp_path):
    case, sample = api.open(out), tmp_path / "audit.csv"
    case.audit(sample, rows=40)
    lines, labels = read(sample), case.labels("a", f"kmeans-{K}")[...]
    rows = [int(line["row"]) for line in lines]
    assert len(set(rows)) == len(rows) == 40
    assert {int(line["cluster"]) for line in lines} == {0, 1, 2, 3}
    for line, row in zip(lines, rows, strict=True):
        assert int(line["cluster"]) == labels[row]
        assert line["name"] == NAMES[labels[row]]
    # Cars are right, the vans are trucks, of the buses it is only known that they are none.
    answered(sample, lambda line: {"car": "1", "van": "truck", "bus": "no"}[line["name"]])
    case.audit(answers=sample)
    told = read(out / "accuracy.csv")
    assert [line["of"] for line in told] == ["all"] + ["name"] * 3 + ["cluster"] * 4
    by_name = {line["name"]: line for line in told if line["of"] == "name"}
    assert [float(by_name[one]["accuracy"]) for one in ("car", "van", "bus")] == [1, 0, 0]
    assert by_name["van"]["answers"].startswith("truck ")
    sizes = np.bincount(labels[labels >= 0], minlength=K)
    share = (sizes[0] + sizes[2]) / sizes[:4].sum()
    assert float(told[0]["accuracy"]) == pytest.approx(share, abs=1e-5)
    assert float(told[0]["low"]) < share < float(told[0]["high"])
    assert case.accuracy.shape[0] == len(told)


def test_the_export_has_the_accuracy_of_the_name(out, tmp_path):
    case, sample = api.open(out), tmp_path / "audit.csv"
    case.export(tmp_path / "before.csv", descriptors=["a"], clustering=K)
    assert "accuracy" not in read(tmp_path / "before.csv")[0]
    case.audit(sample, rows=40)
    answered(sample, lambda line: "1" if line["name"] == "car" else "0")
    case.audit(answers=sample)
    case.export(tmp_path / "rows.csv", descriptors=["a"], clustering=K)
    for line in read(tmp_path / "rows.csv"):
        assert line["accuracy"] == {"car": "1", "van": "0", "bus": "0"}.get(line["name"], "")


def test_more_rows_go_on_with_the_answers_that_there_are(out, tmp_path):
    case, sample = api.open(out), tmp_path / "audit.csv"
    case.audit(sample, rows=12)
    first = {line["row"] for line in read(sample)}
    answered(sample, lambda line: "1")
    case.audit(answers=sample)
    with pytest.raises(SettingsError, match="not as this command wrote it"):
        case.audit(sample, rows=30)
    case.audit(tmp_path / "more.csv", rows=30)
    lines = read(tmp_path / "more.csv")
    assert len(lines) >= 30
    assert {line["row"] for line in lines if line["answer"] == "1"} == first


def test_the_page_tells_it(out, tmp_path):
    case, sample = api.open(out), tmp_path / "audit.csv"
    case.audit(sample, rows=40)
    case.report(tmp_path / "before.html")
    assert "Right names" not in (tmp_path / "before.html").read_text()
    answered(sample, lambda line: "1")
    case.audit(answers=sample)
    case.report(tmp_path / "page.html")
    sizes = np.bincount(case.labels("a", f"kmeans-{K}")[...].clip(0), minlength=K)
    told = (tmp_path / "page.html").read_text()
    assert f"a kmeans-{K}: 100 % of {sizes[:4].sum():,} named rows" in told.replace("\xa0", " ")


def test_answers_outlive_other_names(out, tmp_path):
    case, sample = api.open(out), tmp_path / "audit.csv"
    case.audit(sample, rows=40)
    answered(sample, lambda line: "1" if line["name"] == "car" else "truck")
    case.audit(answers=sample)
    name(out, tmp_path, ["car", "truck", "car", "truck", ""])
    case.audit(answers=sample)
    told = read(out / "accuracy.csv")
    assert {float(line["accuracy"]) for line in told} == {1.0}


def test_what_is_refused(out, tmp_path):
    case, sample = api.open(out), tmp_path / "audit.csv"
    foreign = write(tmp_path / "x.csv", [(0, 1)])
    with pytest.raises(SettingsError, match="no rows of a kmeans-5 were drawn: streamclust audit"):
        case.audit(answers=foreign)
    case.audit(sample, rows=10)
    asked = {int(line["row"]) for line in read(sample)}
    other = next(row for row in range(100) if row not in asked)
    said = []
    case.audit(answers=write(foreign, [(other, 1)]), observers=[said.append])
    assert any("were not drawn" in getattr(event, "text", "") for event in said)
    row = min(asked)
    with pytest.raises(SettingsError, match=r"lines 2 and 3 answer for row .* in two ways"):
        case.audit(answers=write(foreign, [(row, "car"), (row, "van")]))
    with pytest.raises(SourceError, match="line 2: there is no row '99999999'"):
        case.audit(answers=write(foreign, [(99999999, "car")]))
    with pytest.raises(SourceError, match="has no column answer"):
        case.audit(answers=write(foreign, [(row, "car")], ("row", "label")))
    with pytest.raises(SettingsError, match="name a table of --answers, or a file"):
        case.audit()
    answered(sample, lambda line: "1")
    case.cluster(n_clusters=(K,), random_state=9).measure()
    with pytest.raises(SettingsError, match="have changed since these rows were drawn"):
        case.audit(answers=sample)


def test_without_names_there_is_nothing_to_audit(clustered, tmp_path):
    out = shutil.copytree(clustered, tmp_path / "out")
    with pytest.raises(SettingsError, match="no cluster has a name: streamclust label"):
        api.open(out).audit(tmp_path / "audit.csv")


def test_the_command(out, tmp_path):
    sample = tmp_path / "audit.csv"
    drawn = CliRunner().invoke(commands, ["audit", str(out), "--to", str(sample), "--rows", "10"])
    assert drawn.exit_code == 0, drawn.output
    assert "10 rows to look at" in drawn.output
    answered(sample, lambda line: "1")
    told = CliRunner().invoke(commands, ["audit", str(out), "--answers", str(sample)])
    assert told.exit_code == 0, told.output
    assert "100.0% of" in told.output
    assert json.loads((out / "run.json").read_text())["command"] == "audit"


def judged(answers, names=("car", "van")):
    labels = np.array([0] * 6 + [1] * 6)
    then = tuple(names[label] for label in labels)
    sizes = np.array([100, 100])
    return Judged(Audit("", 0, sizes, np.arange(12), labels, then, tuple(answers)), names)


def test_clusters_that_hold_two_things_and_names_that_are_one():
    hints = list(judged(["car"] * 3 + ["van"] * 3 + ["van"] * 3 + ["Car"] * 3).hints())
    assert "cluster 0 (car) holds car and van (3 of 6 answers): a finer cut may part them" in hints
    assert "car and van are taken for each other: one name for both may be truer" in hints
    assert not list(judged(["1"] * 12).hints())


def test_a_name_may_be_called_as_an_answer():
    both = judged(["1"] * 6 + ["no"] * 6, ("1", "no"))
    assert both.right.tolist() == [6, 6]
