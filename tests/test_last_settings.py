"""Commands go on with the settings that made what they work on."""

import json
import shutil
from functools import partial

import pytest
from cases import write_case

from streamclust import api
from streamclust.errors import SettingsError
from streamclust.last_settings import settings_of
from streamclust.settings.values import SCALINGS
from streamclust.store.record import records, settings_of_last

pytestmark = pytest.mark.usefixtures("all_unrendered")

MADE = {
    "scaling": "l2",
    "n_components": 3,
    "algorithms": "ward",
    "n_clusters": (3, 4),
    "contamination": 0.02,
    "random_state": 5,
    "memory": "900MiB",
}


@pytest.fixture(scope="module")
def made(blobs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("last")
    sets = {"a": blobs[0][:600], "b": blobs[0][:600, :5]}
    return api.run(write_case(folder / "case", **sets), folder / "out", **MADE)


@pytest.fixture
def case(made, tmp_path):
    return api.open(shutil.copytree(made.folder, tmp_path / "out"))


def really_run(command, **settings):
    """The steps that a command did not find done, and what it said."""
    seen = []
    command(observers=[seen.append], **settings)
    steps = {one.step for one in seen if hasattr(one, "step") and not one.skipped}
    return steps, [one.text for one in seen if hasattr(one, "text")]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("reduce", "scaling l2, n_components 3, as in the last run"),
        ("cluster", "algorithms ward, n_clusters 3,4, random_state 5, as in the last run"),
        ("outliers", "contamination 0.02, random_state 5, as in the last run"),
        ("measure", "random_state 5, as in the last run"),
    ],
)
def test_a_command_finds_done_what_the_run_did(case, command, told):
    steps, said = really_run(getattr(case, command))
    assert not steps & {"reduce", "cluster", "neighbors", "outliers", "suspects", "measure"}
    assert said[0] == told


@pytest.mark.parametrize("scaling", SCALINGS)
def test_every_command_goes_on_after_every_scaling(blobs, tmp_path, unrendered, scaling):
    values = blobs[0][:200, :6]
    folder = write_case(tmp_path / "case", a=values)
    made = {"scaling": scaling, "outlier_scaling": scaling, "whiten": True, "n_clusters": 3}
    case = api.run(folder, tmp_path / "out", **made)
    before = case.store["descriptors/a/reduced"].attrs["fingerprint"]
    commands = (
        *(case.reduce, case.cluster, case.measure, case.outliers, case.compare, case.describe),
        *(case.layout, case.report, case.export, partial(case.assign, folder, tmp_path / "n.csv")),
    )
    for command in commands:
        steps, _ = really_run(command)
        assert not steps & {"ingest", "reduce", "cluster", "space", "neighbors", "outliers"}
    more = write_case(tmp_path / "more", a=values[:9] + 0.01)
    paths = more / "images_paths.csv"
    paths.write_text(paths.read_text().replace("veriwild", "later"))
    case.update(more)
    attributes = case.store["descriptors/a/reduced"].attrs
    assert attributes["fingerprint"] != before
    assert settings_of("reduce", {}, case.folder)[0].scaling == scaling
    steps, _ = really_run(case.reduce)
    assert "reduce" not in steps


def test_a_mixture_is_made_as_its_sets_were(case):
    _, said = really_run(case.mix, sets="a,b", n_clusters=3)
    assert (
        said[0] == "scaling l2, n_components 3, algorithms ward, random_state 5, as in the last run"
    )
    assert case.store["descriptors/a+b"].attrs["mixture"]["scaling"] == "l2"
    assert list(case.info()["descriptors"]["a+b"]["clusterings"]) == ["ward-3"]
    # What a mixture was made with is not what its sets were.
    assert settings_of("cluster", {}, case.folder)[0].ks == (3, 4)


def test_a_consensus_goes_on_with_how_its_sets_were_clustered_alone(case):
    # More components than its labels have columns.
    case.reduce(n_components=5, scaling="l2")
    case.cluster()
    case.measure()
    _, said = really_run(case.mix, sets="a,b", consensus=True, n_clusters=3)
    assert said[0] == "algorithms ward, random_state 5, as in the last cluster"
    settings, told = settings_of("mix", {}, case.folder, ("clustering",))
    assert (settings.scaling, settings.n_components, settings.ks) == ("standard", 0.9, (3, 4))
    assert "components" not in told
    # The sweep ends where labels do not differ, whatever the sweep of the sets was.
    case.mix("a,b", consensus=True, name="labels")
    assert records(case.folder)[0]["settings"]["n_clusters"] == "auto"


def test_the_last_command_counts_and_what_is_given_goes_over_it(case, tmp_path):
    config = tmp_path / "s.toml"
    config.write_text('scaling = "minmax"\nmax_iter = 7\nn_components = 4\n')
    settings, told = settings_of("reduce", {"config": config, "n_components": 5}, case.folder)
    assert (settings.scaling, settings.n_components, told) == ("minmax", 5, "")
    assert settings_of("reduce", {"scaling": "standard"}, case.folder)[0].scaling == "standard"
    case.cluster(n_clusters=3, algorithms="kmeans", random_state=0, descriptors="b")
    settings, told = settings_of("cluster", {}, case.folder)
    assert (settings.ks, settings.algorithms, settings.random_state) == ((3,), ("kmeans",), 0)
    assert settings.descriptors is None
    assert settings.memory == "1GiB"
    assert told == "n_clusters 3, as in the last cluster"
    assert settings_of("reduce", {}, case.folder)[0].scaling == "l2"


def test_a_command_that_did_not_come_so_far_does_not_count(case):
    with pytest.raises(SettingsError, match="no descriptor set c"):
        case.reduce(scaling="minmax", descriptors="c")
    assert settings_of("reduce", {}, case.folder)[0].scaling == "l2"


def test_records_that_tell_nothing(tmp_path):
    assert settings_of("reduce", {}, tmp_path)[1] == ""
    l2 = {"command": "run", "settings": {"scaling": "l2"}}
    odd = {**l2, "steps": None}, {**l2, "steps": ["reduce"], "earlier": None}
    for record in ([], {"command": "run"}, l2, *odd):
        (tmp_path / "run.json").write_text(json.dumps(record))
        assert settings_of("reduce", {}, tmp_path)[0].scaling == "standard"
    record = {"command": "run", "settings": {"scaling": "odd"}, "steps": [{"step": "reduce"}]}
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(SettingsError, match=r"run\.json: scaling='odd'"):
        settings_of("reduce", {}, tmp_path)
    assert settings_of("reduce", {"scaling": "l2"}, tmp_path)[0].scaling == "l2"


def test_an_update_scores_as_the_last_command_did_that_scored(tmp_path):
    done = {"command": "outliers", "settings": {"n_neighbors": 7}, "steps": [{"step": "outliers"}]}
    refused = {"command": "outliers", "settings": {"n_neighbors": 40}, "steps": []}
    (tmp_path / "run.json").write_text(json.dumps({**refused, "earlier": [done]}))
    assert settings_of_last(tmp_path, ("run", "outliers"), "outliers") == {"n_neighbors": 7}
    assert settings_of_last(tmp_path, ("run",), "outliers") == {}
