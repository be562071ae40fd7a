"""Names of clusters: stored, given to all rows, carried over, and refused."""

import csv
import shutil

import numpy as np
import pytest
from cases import write_case
from click.testing import CliRunner

from streamclust import api
from streamclust.cli import commands
from streamclust.errors import SettingsError, SourceError
from streamclust.labelling.names import applied_names
from streamclust.store.clusterings import StoredClustering
from streamclust.store.names import named_clusterings
from streamclust.store.workspace import Workspace

pytestmark = pytest.mark.usefixtures("all_unrendered")

K = 5
KEPT = "descriptors/a/clusterings/kmeans-5"


def applied(workspace, set_name, clustering):
    return applied_names(StoredClustering(workspace, set_name, clustering))


@pytest.fixture(scope="module")
def clustered(case_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("named") / "out"
    api.ingest(case_folder, out)
    api.open(out).reduce().cluster(n_clusters=(3, K)).measure()
    return out


@pytest.fixture
def out(clustered, tmp_path):
    return shutil.copytree(clustered, tmp_path / "out")


def table(path, lines, columns=("set", "clustering", "cluster", "name", "outlier", "mark")):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([columns, *lines])
    return path


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def named(tmp_path, names, descriptor="a", outliers=(), mark="", k=K):
    lines = [
        (descriptor, f"kmeans-{k}", j, name, int(j in outliers), mark)
        for j, name in enumerate(names)
    ]
    return table(tmp_path / "names.csv", lines)


def column(out, name):
    return np.array([line[name] for line in read(out / "named.csv")])


def messages(out, file):
    said = []
    api.open(out).label(file, observers=[said.append])
    return [event.text for event in said if hasattr(event, "text")]


def test_names_merge_clusters_and_reach_every_row(out, tmp_path):
    file = named(tmp_path, ["car", "=bus", "car", "", "van"], outliers=[4])
    words = "4 of 5 clusters have a name, 3 different ones; 1 are marked as outliers"
    assert f"a kmeans-5: {words}" in messages(out, file)
    labels = api.open(out).labels("a", K)[:]
    shown = np.array(["car", "'=bus", "car", "", "van"])[labels]
    np.testing.assert_array_equal(column(out, "a"), shown)
    np.testing.assert_array_equal(column(out, "outlier") == "1", labels == 4)
    lines = read(out / "named.csv")
    assert list(lines[0]) == ["row", "path", "a", "outlier"]
    assert [int(line["row"]) for line in lines] == list(range(len(labels)))
    assert lines[8]["path"] == "veriwild\\1\\00001\\000008.jpg"


def test_several_clusterings_in_one_table(out, tmp_path):
    lines = [("a", "kmeans-5", 0, "car"), ("a", "kmeans-3", 1, "bus"), ("b", "kmeans-3", 2, "van")]
    api.open(out).label(
        table(tmp_path / "names.csv", lines, ("set", "clustering", "cluster", "name"))
    )
    assert list(read(out / "named.csv")[0]) == [
        *("row", "path", "a/kmeans-3", "a/kmeans-5", "b", "outlier")
    ]


def test_an_earlier_naming_is_kept_and_names_can_be_taken_back(out, tmp_path):
    workspace = Workspace(out)
    api.open(out).label(named(tmp_path, ["car"]))
    before = workspace.fingerprint_of("names/a/kmeans-5")
    api.open(out).label(named(tmp_path, ["bus"]))
    assert workspace.fingerprint_of("names/a/kmeans-5") != before
    assert workspace.find("names/a/kmeans-5", before).attrs["names"][0] == "car"
    api.open(out).label(named(tmp_path, ["", ""]))
    assert named_clusterings(workspace) == []
    assert not (out / "named.csv").exists()
    api.open(out).label(named(tmp_path, ["car"]))
    assert workspace.fingerprint_of("names/a/kmeans-5") == before


def test_names_follow_a_clustering_that_is_computed_anew(out, tmp_path):
    workspace = Workspace(out)
    old = api.open(out).labels("a", K)[:]
    mark = workspace.fingerprint_of("descriptors/a/clusterings/kmeans-5")
    names = ["one", "two", "three", "four", "five"]
    api.open(out).label(named(tmp_path, names))
    api.open(out).reduce(n_components=3)
    api.open(out).cluster(n_clusters=(3, K), random_state=5)
    api.open(out).measure()
    api.open(out).export()
    new = api.open(out).labels("a", K)[:]
    assert not np.array_equal(old, new)
    shown = column(out, "a")
    for j, name in enumerate(applied(workspace, "a", "kmeans-5").naming.names):
        counts = np.bincount(old[new == j], minlength=K)
        expected = names[counts.argmax()] if counts.max() > counts.sum() / 2 else ""
        assert name == expected
        assert (shown[new == j] == name).all()
    # A table that was saved of the old clustering still finds the rows that it was made on.
    api.open(out).label(named(tmp_path, ["first", *names[1:]], mark=mark))
    counts = np.bincount(new[old == 0], minlength=K)
    assert (column(out, "a")[(new == counts.argmax()) & (old == 0)] == "first").all()
    api.open(out).reduce(n_components=0.9)
    api.open(out).cluster(n_clusters=(3, K), random_state=0)
    api.open(out).export()
    np.testing.assert_array_equal(column(out, "a"), np.array(["first", *names[1:]])[old])


def test_what_cannot_be_carried_over_is_listed(out, tmp_path):
    api.open(out).label(named(tmp_path, ["one", "two", "three", "four", "five"], outliers=[4]))
    names = Workspace(out).store / "names/a/kmeans-5"
    api.open(out).cluster(n_clusters=(3, K), random_state=5)
    shutil.rmtree(names / "labels")
    # Of three clusters, though five were named: two names have no row.
    shutil.copytree(names / "../../../descriptors/a/clusterings/kmeans-3/labels", names / "labels")
    said = []
    api.open(out).export(observers=[said.append])
    lost = read(out / "names_lost.csv")
    assert {line["name"] for line in lost} >= {"four", "five"}
    assert any("fit none of its clusters" in getattr(event, "text", "") for event in said)
    api.open(out).label(named(tmp_path, ["one"]))
    assert not (out / "names_lost.csv").exists()


def test_names_of_a_clustering_that_is_not_there_wait_for_it(out, tmp_path):
    api.open(out).label(named(tmp_path, ["car"]))
    before = (out / "named.csv").read_bytes()
    api.open(out).reduce(n_components=4)
    said = []
    api.open(out).export(observers=[said.append])
    assert not (out / "named.csv").exists()
    words = "the names of a kmeans-5 are kept, and not used: there is no such clustering now"
    assert words in [getattr(event, "text", "") for event in said]
    api.open(out).reduce(n_components=0.9)
    api.open(out).export()
    assert (out / "named.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([("x", "kmeans-5", 0, "car", "", "")], "no set is called x in .*: there are a, b"),
        ([("", "kmeans-5", 0, "car", "", "")], "line 3: tells no set: add a column set, of a, b"),
        ([("a", "kmeans-9", 0, "car", "", "")], "a has no clustering kmeans-9: there are kmeans-3"),
        (
            [("a", "kmeans-5", j, "car", "", "") for j in range(3, 10)],
            r"5 of its clusters are not in kmeans-5, which has 5 from 0 on: 5, 6, 7, … \(5 in all",
        ),
        (
            [("a", "kmeans-5", 1, "car", "", ""), ("a", "kmeans-5", 1, "bus", "", "")],
            "lines 3 and 4 name cluster 1 of kmeans-5 in two ways, 'car' and 'bus'",
        ),
        ([("a", "kmeans-5", 0, "car", "", "0badbeef")], "of another run .mark 0badbeef; that in"),
        (
            [("a", "kmeans-5", 0, "car", "", "0a"), ("a", "kmeans-5", 1, "car", "", "0b")],
            "names of several clusterings that were called a kmeans-5 .0a, 0b.",
        ),
    ],
)
def test_tables_that_do_not_fit(out, tmp_path, lines, message):
    api.open(out).label(named(tmp_path, ["before"]))
    before = (out / "named.csv").read_bytes()
    with pytest.raises(SettingsError, match=message):
        api.open(out).label(
            table(tmp_path / "wrong.csv", [("b", "kmeans-3", 0, "x", "", ""), *lines])
        )
    assert [one.path for one in named_clusterings(Workspace(out))] == [KEPT]
    assert (out / "named.csv").read_bytes() == before


def test_names_of_other_rows_are_not_used(out, tmp_path):
    api.open(out).label(named(tmp_path, ["car"]))
    rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    api.run(write_case(tmp_path / "other", a=rows, b=rows), out, n_clusters=(3, K))
    assert applied(Workspace(out), "a", "kmeans-5") is None
    assert [one.path for one in named_clusterings(Workspace(out))] == [KEPT]


def test_a_template_to_fill_in(out, tmp_path):
    file = tmp_path / "names.csv"
    api.open(out).label(template=file)
    lines = read(file)
    recommended = {name: api.open(out).recommended(name) for name in ("a", "b")}
    assert {line["set"]: line["clustering"] for line in lines} == recommended
    sizes = np.bincount(api.open(out).labels("a")[:])
    own = [line for line in lines if line["set"] == "a"]
    assert [int(line["size"]) for line in own] == sizes.tolist()
    api.open(out).label(template=file)  # nobody changed it
    for number, line in enumerate(lines):
        line["name"] = f"'+{number}"
    table(file, [line.values() for line in lines], lines[0])
    with pytest.raises(SettingsError, match="not as this command wrote it"):
        api.open(out).label(template=file)
    api.open(out).label(file)
    assert applied(Workspace(out), "a", recommended["a"]).naming.names[1] == "+1"
    api.open(out).label(template=file, overwrite=True)
    assert [line["name"] for line in read(file)] == [f"'+{j}" for j in range(len(lines))]


def test_the_command(out, tmp_path):
    file = named(tmp_path, ["car"])
    done = CliRunner().invoke(commands, ["label", str(out), "--names", str(file)])
    assert done.exit_code == 0, done.output
    with pytest.raises(SettingsError, match="--names, or a --template"):
        CliRunner().invoke(commands, ["label", str(out)], catch_exceptions=False)
    with pytest.raises(SourceError):
        api.open(out).label(tmp_path / "gone.csv")


def test_where_names_are_that_the_recommended_clustering_has_not(out, tmp_path):
    case = api.open(out)
    case.label(named(tmp_path, ["car", "van"], k=3))
    told = []
    case.export(tmp_path / "labels.csv", observers=[told.append])
    case.export(tmp_path / "named.csv", clustering="kmeans-3", observers=[told.append])
    said = [event.text for event in told if hasattr(event, "text") and "has no names" in event.text]
    assert said == [
        "a: kmeans-5, which is recommended, has no names; kmeans-3 has: --clustering kmeans-3 to go"
        " by them"
    ]
    assert "car" in (tmp_path / "named.csv").read_text()
