"""Sets compared: the tables against scikit-learn's figures from the label arrays."""

import csv
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from cases import write_case
from sklearn import metrics

from streamclust import api
from streamclust.comparison import attributes
from streamclust.comparison.compare_sets import compare, compared_tables
from streamclust.errors import MemoryBudgetError, SettingsError, SourceError
from streamclust.events import PassStarted, StepFinished
from streamclust.pipeline import working
from streamclust.settings import Settings
from streamclust.store.attributes import AttributeTable
from streamclust.store.workspace import Workspace

pytestmark = pytest.mark.usefixtures("all_unrendered")

NAMES = ["a", "b", "c"]
TABLES = [
    f"{name}.csv" for name in ("comparison", "agreement", "contingency", "attributes", "yield")
]
COLOURS = np.array(["red", "blue", "grey", ""])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, blobs) -> Workspace:
    """Three sets, of which c has a row that is masked; colours of half the rows are known."""
    values, _ = blobs
    spoiled = values[:, 3:].copy()
    spoiled[7, 0] = np.nan
    folder = tmp_path_factory.mktemp("compare")
    case = write_case(folder / "case", a=values, b=values[:, :9] ** 2, c=spoiled)
    out = folder / "out"
    api.ingest(case, out, invalid="mask")
    api.open(out).reduce().cluster(n_clusters=(4, 5, 6)).measure()
    return Workspace(out)


@pytest.fixture(scope="module")
def colours(blobs) -> np.ndarray:
    rng = np.random.default_rng(4)
    own = COLOURS[np.where(rng.random(3000) < 0.8, blobs[1] % 3, rng.integers(0, 3, 3000))]
    return np.where(rng.random(3000) < 0.5, own, "")


def attribute_file(folder: Path, colours: np.ndarray) -> Path:
    file = folder / "colours.csv"
    lines = [f"{row};{colour}" for row, colour in enumerate(colours)]
    file.write_text("\n".join(["row;colour", *lines]))
    return file


def run(workspace: Workspace, file: Path | None = None, columns=None, **settings) -> list:
    """Compare; what the steps told of themselves is returned."""
    told: list = []
    with working(workspace, Settings(**settings), "compare", told.append) as job:
        compare(job, file and AttributeTable(file, columns))
    return [event for event in told if getattr(event, "step", "") == "compare"]


def table(workspace: Workspace, name: str) -> list[dict[str, str]]:
    with open(workspace.folder / name, newline="") as file:
        return list(csv.DictReader(file))


def line(lines: list[dict[str, str]], **wanted: str) -> dict[str, str]:
    (found,) = (x for x in lines if all(x[name] == value for name, value in wanted.items()))
    return found


def labels_of(workspace: Workspace, name: str, k: str) -> np.ndarray:
    return workspace.root[f"descriptors/{name}/clusterings/kmeans-{k}/labels"][...]


@pytest.fixture(scope="module")
def compared(workspace, colours, tmp_path_factory) -> Workspace:
    run(workspace, attribute_file(tmp_path_factory.mktemp("attributes"), colours))
    return workspace


def test_each_set_has_its_own_metrics(compared):
    lines = table(compared, "comparison.csv")
    assert [line["set"] for line in lines] == NAMES
    assert [line["rows"] for line in lines] == ["3000", "3000", "2999"]
    for own in lines:
        values = compared.root[f"descriptors/{own['set']}/reduced"][...]
        labels = labels_of(compared, own["set"], own["n_clusters"])
        values, labels = values[labels >= 0], labels[labels >= 0]
        expected = metrics.calinski_harabasz_score(values, labels)
        assert float(own["calinski_harabasz"]) == pytest.approx(expected, rel=1e-5)


def test_equal_footing(compared):
    """All valid rows are fewer than the sample: the figures are those of all of them."""
    lines = table(compared, "comparison.csv")
    (k,) = {own["same_n_clusters"] for own in lines}
    assert {own["same_algorithm"] for own in lines} == {"kmeans"}
    n_columns = min(int(own["components"]) for own in lines)
    valid = np.arange(3000) != 7
    for own in lines:
        assert (own["same_rows"], own["same_columns"]) == ("2999", str(n_columns))
        values = compared.root[f"descriptors/{own['set']}/reduced"][...][valid, :n_columns]
        labels = labels_of(compared, own["set"], k)[valid]
        expected = metrics.davies_bouldin_score(values, labels)
        assert float(own["same_davies_bouldin"]) == pytest.approx(expected, rel=1e-5)
        # Five groups that stand apart are tighter than structureless data.
        assert float(own["same_gap"]) > 0.1


def test_mixed_labels_are_not_told_to_be_tight(workspace, tmp_path):
    out = shutil.copytree(workspace.folder, tmp_path / "out")
    api.open(out).mix("a,b", consensus=True, n_clusters=(4, 5, 6))
    run(Workspace(out))
    lines = table(Workspace(out), "comparison.csv")
    for column in ("same_gap", "same_gap_error", "same_silhouette_simplified"):
        told = {own["set"] for own in lines if own[column]}
        assert told == set(NAMES)
    assert all(own["same_davies_bouldin"] for own in lines)


def test_labels_of_one_set_in_the_space_of_another(compared):
    chosen = {own["set"]: own["n_clusters"] for own in table(compared, "comparison.csv")}
    lines = table(compared, "agreement.csv")
    for other in NAMES:
        own = line(lines, clusterings="recommended", labels="c", space=other)
        labels, others = (labels_of(compared, name, chosen[name]) for name in ("c", other))
        both = (labels >= 0) & (others >= 0)
        assert own["rows"] == str(both.sum())
        expected = metrics.adjusted_mutual_info_score(others[both], labels[both])
        assert float(own["ami"]) == pytest.approx(expected, rel=1e-5)
        expected = metrics.adjusted_rand_score(others[both], labels[both])
        assert float(own["ari"]) == pytest.approx(expected, rel=1e-5)
        values = compared.root[f"descriptors/{other}/reduced"][...][both]
        expected = metrics.davies_bouldin_score(values, labels[both])
        assert float(own["davies_bouldin"]) == pytest.approx(expected, rel=1e-5)
    same = {own["n_clusters"] for own in lines if own["clusterings"] == "same"}
    assert len(same) == 1
    assert len(lines) == 2 * len(NAMES) ** 2


def test_shared_rows(compared):
    chosen = {own["set"]: own["n_clusters"] for own in table(compared, "comparison.csv")}
    lines = table(compared, "contingency.csv")
    a, b = (labels_of(compared, name, chosen[name]) for name in "ab")
    of_pair = [own for own in lines if (own["set"], own["with"]) == ("a", "b")]
    counts = {(own["cluster"], own["value"]): int(own["rows"]) for own in of_pair}
    expected = {(str(i), str(j)): ((a == i) & (b == j)).sum() for i in set(a) for j in set(b)}
    assert counts == {cell: n for cell, n in expected.items() if n}
    assert {own["kind"] for own in of_pair} == {"set"}
    assert {own["with"] for own in lines if own["kind"] == "attribute"} == {"colour"}


def test_attributes_of_every_clustering(compared, colours):
    lines = table(compared, "attributes.csv")
    assert len(lines) == 3 * 3 * 2
    for k in ("4", "5", "6"):
        own = line(lines, set="c", n_clusters=k, attribute="colour")
        labels = labels_of(compared, "c", k)
        known = (colours != "") & (labels >= 0)
        assert own["rows"] == str(known.sum())
        told = [float(own[n]) for n in ("homogeneity", "completeness", "v_measure")]
        expected = metrics.homogeneity_completeness_v_measure(colours[known], labels[known])
        assert told == pytest.approx(expected, rel=1e-5)
        expected = metrics.adjusted_mutual_info_score(colours[known], labels[known])
        assert float(own["ami"]) == pytest.approx(expected, rel=1e-5)


def test_consistency_within_folders(compared):
    own = line(table(compared, "attributes.csv"), set="a", n_clusters="5", attribute="folder")
    labels, folders = labels_of(compared, "a", "5"), np.arange(3000) // 7
    majority = sum(np.bincount(labels[folders == f]).max() for f in range(folders[-1] + 1))
    assert float(own["consistency"]) == pytest.approx(majority / 3000, rel=1e-5)
    # The rows are shuffled over the folders as they are.
    assert float(own["consistency_by_chance"]) == pytest.approx(majority / 3000, abs=0.02)


def test_the_yield_of_naming_clusters(compared, colours):
    lines = table(compared, "yield.csv")
    assert len(lines) == 9
    own = line(lines, set="a", n_clusters="5")
    labels, known = labels_of(compared, "a", "5"), colours != ""
    right = sum(
        np.unique(colours[known & (labels == cluster)], return_counts=True)[1].max()
        for cluster in range(5)
    )
    assert (own["names"], own["rows_known"]) == ("5", str(known.sum()))
    assert float(own["low"]) < float(own["yield"]) <= right / known.sum() < float(own["high"])
    assert float(own["baseline"]) < float(own["low"])
    shares = [np.bincount(labels[rows], minlength=5) / rows.sum() for rows in (known, labels >= 0)]
    expected = np.abs(shares[0] - shares[1]).sum() / 2
    assert float(own["known_apart"]) == pytest.approx(expected, rel=1e-4)


def test_values_that_are_known_in_some_clusters_alone_are_told(compared, colours, blobs, tmp_path):
    def warned(known: np.ndarray) -> list[str]:
        told: list = []
        named = AttributeTable(attribute_file(tmp_path, known))
        with working(compared, Settings(), "compare", told.append) as job:
            compare(job, named)
        return [own.text for own in told if "lie in other clusters" in getattr(own, "text", "")]

    (words,) = warned(np.where(blobs[1] < 2, colours, ""))
    assert words.startswith("the rows whose colour is known lie in other clusters than all rows")
    assert warned(colours) == []


def test_nothing_is_done_twice(compared, colours, tmp_path):
    file = attribute_file(tmp_path, colours)
    run(compared, file)
    assert [event.skipped for event in run(compared, file)] == [True]
    content = (compared.folder / "yield.csv").read_bytes()
    (compared.folder / "yield.csv").unlink()
    assert [event.skipped for event in run(compared, file)] == [True]
    assert (compared.folder / "yield.csv").read_bytes() == content
    assert [event.skipped for event in run(compared, file, ("colour",))] == [False]
    assert [event.skipped for event in run(compared, file, ("colour",))] == [True]
    run(compared)
    assert not (compared.folder / "yield.csv").exists()
    assert [event.skipped for event in run(compared, file)] == [True]
    assert (compared.folder / "yield.csv").read_bytes() == content


def test_files_without_what_they_were_written_from_are_not_enough(compared, colours, tmp_path):
    """As of an earlier streamclust, which stored no tables."""
    file = attribute_file(tmp_path, colours)
    run(compared, file)
    shutil.rmtree(compared.store / "tables")
    before = {name: (compared.folder / name).stat().st_mtime_ns for name in TABLES}
    assert [event.skipped for event in run(compared, file)] == [False]
    assert compared_tables(compared).exists
    assert before == {name: (compared.folder / name).stat().st_mtime_ns for name in TABLES}


def test_the_stored_tables_are_those_of_the_files(compared, colours, tmp_path):
    run(compared, attribute_file(tmp_path, colours))
    stored = compared_tables(compared)
    for name in TABLES:
        written = table(compared, name)
        assert stored.columns(name) == list(written[0])
        lines = list(stored.lines(name))
        assert len(lines) == len(written)
        for own, told in zip(lines, written, strict=True):
            for column, cell in told.items():
                value = own[column]
                if not cell:
                    assert value is None or math.isnan(value)
                else:
                    assert value == type(value)(cell)


def test_the_tables_are_the_same_however_they_are_made(
    compared, colours, tmp_path, monkeypatch, dask_address
):
    file = attribute_file(tmp_path, colours)
    run(compared, file)
    files = [compared.folder / name for name in TABLES]
    before = [file.read_bytes() for file in files]
    monkeypatch.setattr(attributes, "MOST_CELLS", 40)
    for ways in ({"workers": 1, "memory": "600MiB"}, {"scheduler": dask_address}):
        shutil.rmtree(compared.store / "tables")
        files[0].unlink()
        (told,) = run(compared, file, **ways)
        assert not told.skipped
        assert [file.read_bytes() for file in files] == before


def test_what_cannot_be_compared_is_told(workspace, tmp_path):
    with pytest.raises(MemoryBudgetError, match=r"compare needs"):
        run(workspace, memory="300MiB", random_state=9)
    lines = [f"veriwild/1/{row:05}/{row:06}.jpg,red" for row in range(900, 1900)]
    file = tmp_path / "other.csv"
    file.write_text("\n".join(["path,colour", "veriwild/1/00000/000001.jpg,blue", *lines]))
    found = r"only 1 of its 1,001 lines .* has 3,000: .* not found: veriwild/1/00900/000900.jpg, "
    with pytest.raises(SourceError, match=found):
        run(workspace, file)


def test_an_unknown_column_is_told_before_any_pass(workspace, colours, tmp_path):
    told: list = []
    named = AttributeTable(attribute_file(tmp_path, colours), ("shade",))
    with (
        working(workspace, Settings(), "compare", told.append) as job,
        pytest.raises(SettingsError, match=r"no column 'shade' of attributes: there are colour$"),
    ):
        compare(job, named)
    assert not [event for event in told if isinstance(event, PassStarted | StepFinished)]


def test_sets_without_clusterings(case_folder, tmp_path):
    api.ingest(case_folder, tmp_path / "out")
    with pytest.raises(SettingsError, match="has a recommended clustering: run"):
        run(Workspace(tmp_path / "out"))
