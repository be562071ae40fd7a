"""Settings: what they may be, and their file."""

import tomllib
import typing

import pytest

from streamclust import api
from streamclust.errors import MemoryBudgetError, SettingsError
from streamclust.memory import MIB, Budget, Need, format_bytes, parse_bytes
from streamclust.settings import (
    SETTINGS,
    Settings,
    heeded,
    keywords,
    parse_n_clusters,
    read_settings,
    settings_template,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2:5", (2, 3, 4, 5)),
        ("8", (8,)),
        (8, (8,)),
        ("12,5, 8", (5, 8, 12)),
        ("2:4,10", (2, 3, 4, 10)),
        (range(2, 5), (2, 3, 4)),
        ([3, 3, 2], (2, 3)),
    ],
)
def test_numbers_of_clusters(text, expected):
    assert parse_n_clusters(text) == expected


MANY = [
    pytest.param("2:9999999999", id="many"),
    pytest.param("9" * 5_000, id="digits"),
    pytest.param(float("inf"), id="infinite"),
    pytest.param(10**30, id="large"),
]


@pytest.mark.parametrize("text", ["", "two", "5:2", "0", "2:3:4", "1.5", None, [], -3, 2.5, *MANY])
def test_numbers_of_clusters_that_are_none(text):
    with pytest.raises(SettingsError, match="n_clusters"):
        parse_n_clusters(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"scaling": "log"},
        {"invalid": "drop"},
        {"n_components": 0},
        {"n_components": 1.5},
        {"n_components": True},
        {"max_components": 0},
        {"workers": 0},
        {"tol": -1.0},
        {"tol": float("nan")},
        {"whiten": "false"},
        {"random_state": 2**32},
        {"memory": "much"},
        {"memory": "1.2.3GiB"},
        {"memory": True},
        {"memory": "1e400"},
        {"memory": float("nan")},
        {"memory": 10**5_000},
        {"n_components": 10**5_000},
        {"contamination": 10**400},
        {"tol": float("inf")},
        {"n_neighbors": 10**9},
        {"scheduler": 8786},
        {"algorithms": 5},
        {"n_clusters": "x"},
        {"colour": "red"},
    ],
)
def test_settings_out_of_range_are_named(changes):
    name = next(iter(changes))
    with pytest.raises(SettingsError, match=name) as raised:
        Settings().having(**changes)
    assert len(str(raised.value)) < 500


def test_the_written_file_gives_the_defaults(tmp_path):
    file = api.init(tmp_path / "s.toml")
    assert Settings().having(**read_settings(file)) == Settings()
    with pytest.raises(SettingsError, match="already"):
        api.init(file)


def test_every_setting_is_explained():
    assert all(setting.meaning.endswith(".") for setting in SETTINGS.values())
    assert all(f"{name} :" in Settings.__doc__ for name in SETTINGS)
    named = [name for name, setting in SETTINGS.items() if setting.default is not None]
    assert list(tomllib.loads(settings_template())) == named


KEYWORDS = {
    **dict.fromkeys(("run", "plan", "demo"), keywords.RunKeywords),
    **dict.fromkeys(("measure", "layout", "report", "export"), keywords.SeededKeywords),
    **dict.fromkeys(("assign", "audit"), keywords.SeededKeywords),
    **dict.fromkeys(("compare", "describe"), keywords.GroupedKeywords),
    **dict.fromkeys(("evaluate", "label"), keywords.SetKeywords),
    "ingest": keywords.IngestKeywords,
    "reduce": keywords.ReduceKeywords,
    "cluster": keywords.ClusterKeywords,
    "mix": keywords.MixKeywords,
    "outliers": keywords.OutlierKeywords,
    "update": keywords.ReadingKeywords,
    "embed": keywords.EmbedKeywords,
}


@pytest.mark.parametrize("command", KEYWORDS)
def test_keywords_are_the_settings_that_a_command_heeds(command):
    method = getattr(api.Case, command, None) or getattr(api, command)
    (named,) = typing.get_args(method.__annotations__["settings"])
    assert named is KEYWORDS[command]
    types = typing.get_type_hints(named)
    assert set(types) == {*heeded(command), "config"}
    kept = typing.get_type_hints(Settings)
    for name in heeded(command):
        if name not in ("descriptors", "algorithms", "n_components"):
            assert types[name] == kept[name] | None, name


def test_every_command_of_a_setting_is_one():
    assert {name for one in SETTINGS.values() for name in one.commands} == set(KEYWORDS)


def test_a_setting_that_a_command_does_not_heed_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="ingest does not heed n_clusters: its settings are de"):
        api.ingest(tmp_path, tmp_path / "out", n_clusters=3)
    with pytest.raises(SettingsError, match="plan does not heed colour"):
        api.plan(tmp_path, colour="red")
    with pytest.raises(SettingsError, match="demo does not heed observer"):
        api.demo(tmp_path, observer=print)


def test_a_settings_file_with_mistakes(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text("n_cluster = 3")
    with pytest.raises(SettingsError, match=r"s\.toml: no setting is called n_cluster"):
        read_settings(file)
    file.write_text("n_clusters = ")
    with pytest.raises(SettingsError, match="is no TOML"):
        read_settings(file)
    for value in ("9" * 5_000, "[" * 3_000 + "]" * 3_000):
        file.write_text(f"n_clusters = {value}")
        with pytest.raises(SettingsError, match="is no TOML that can be read"):
            read_settings(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GiB", 2**30),
        ("640 MiB", 640 * MIB),
        ("2e9", 2 * 10**9),
        ("1.5k", 1500),
        (7, 7),
        (1e9, 10**9),
    ],
)
def test_sizes_of_memory(text, size):
    assert parse_bytes(text) == size


def test_a_size_without_a_unit_is_told():
    with pytest.raises(SettingsError, match="memory='600' is 600 bytes: write 1GiB"):
        Settings(memory="600")


def test_a_budget_gives_as_many_blocks_as_fit():
    need = Need(fixed=100 * MIB, per_block=50 * MIB)
    assert Budget(need.peak(3)).in_flight(need, 8) == 3
    assert Budget(10**12).in_flight(need, 8) == 8
    # What earlier steps left behind takes blocks, and is no reason to refuse.
    assert Budget(need.peak(3)).in_flight(need, 8, left=need.per_block) == 2
    assert Budget(need.peak(3)).in_flight(need, 8, left=10**12) == 1
    with pytest.raises(MemoryBudgetError, match=r"a step needs .* give it --memory") as error:
        Budget(need.smallest - 1).check({"small": [Need()], "a step": [Need(), need]})
    told = str(error.value).split("--memory ")[-1].split()[0]
    Budget(parse_bytes(told)).check({"a step": [need]})
    assert format_bytes(need.smallest) in str(error.value)


@pytest.mark.parametrize("name", ["descriptors", "algorithms"])
def test_names_are_text(name):
    with pytest.raises(SettingsError, match=rf"{name}=\[5\] must be names"):
        Settings(**{name: [5]})
