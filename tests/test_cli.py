"""The command line: wiring, errors in one line, and the installed program."""

import inspect
import json
import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from in_process import told

from streamclust import api
from streamclust.cli import commands
from streamclust.cli.interrupts import interrupts
from streamclust.last_settings import settings_of
from streamclust.settings import Settings, read_settings

PROGRAM = Path(sysconfig.get_path("scripts")) / "streamclust"
ROOT = Path(__file__).parents[1]


def program(*arguments, **more):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=300, **more
    )


@pytest.fixture(scope="module")
def out(case_folder, tmp_path_factory):
    """The main job by the installed program."""
    folder = tmp_path_factory.mktemp("cli") / "out"
    done = program("run", case_folder, "--out", folder, "--n-clusters", "3:6", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert "kmeans-5" in done.stdout
    assert "cluster a, kmeans: " in done.stderr
    return folder


def test_every_command_has_help_and_is_in_the_docs():
    page = (ROOT / "docs" / "commands.md").read_text()
    for name, command in commands.commands.items():
        assert command.help, name
        assert f"## streamclust {name}\n" in page
        for parameter in command.params:
            hidden = getattr(parameter, "hidden", False)
            assert isinstance(parameter, click.Argument) or parameter.help or hidden, parameter.name


def test_the_reference_is_what_the_program_says():
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        [ROOT / "scripts" / "docs", "--check"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout


# What an option or argument is called as a keyword, where that is something else.
CALLED = {
    **{"out": "self", "quiet": "observers", "as_json": None, "file": "path"},
    "shows_values": None,  # which is no embedding, but a list
}


@pytest.mark.parametrize("name", commands.commands)
def test_options_are_the_keywords(name):
    method = getattr(api.Case, name, None) or getattr(api, name)
    keywords = set(inspect.signature(method).parameters)
    called = CALLED | ({"out": "out"} if name in ("run", "ingest", "embed") else {})
    shown = [one for one in commands.commands[name].params if not getattr(one, "hidden", False)]
    options = {called.get(one.name, one.name) for one in shown} - {None}
    assert options == keywords


@pytest.fixture
def calls(monkeypatch):
    """What reaches the API."""
    seen = []
    for place, names in ((api, ("run", "ingest")), (api.Case, ("cluster", "export", "report"))):
        for name in names:
            monkeypatch.setattr(place, name, lambda *a, name=name, **k: seen.append((name, a, k)))
    monkeypatch.setattr(api, "open", lambda out: api.Case.__new__(api.Case))
    return seen


def given(keywords):
    return {name: value for name, value in keywords.items() if value is not None}


def test_options_become_settings(calls):
    done = CliRunner().invoke(
        commands,
        shlex.split(
            "run CASE --out OUT --quiet --descriptors a,b --n-clusters 5,8 --n-components 64 "
            "--scaling l2 --normalize --memory 640MiB --invalid mask --workers 2 "
            "--scheduler tcp://x:1 --random-state 0"
        ),
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    ((name, arguments, keywords),) = calls
    assert (name, arguments) == ("run", ("CASE", "OUT"))
    assert keywords.pop("observers") == (interrupts,)
    assert given(keywords) == {
        "descriptors": "a,b",
        "n_clusters": "5,8",
        "n_components": "64",
        "scaling": "l2",
        "normalize": True,
        "memory": "640MiB",
        "invalid": "mask",
        "workers": 2,
        "scheduler": "tcp://x:1",
        "random_state": 0,
    }
    assert Settings().having(**given(keywords)).n_components == 64


def test_several_files_are_one_case(calls):
    CliRunner().invoke(commands, ["run", "a.npy", "b.npy", "--out", "OUT", "--quiet"])
    assert calls[0][1][0] == ("a.npy", "b.npy")


def test_a_settings_file_gives_way_to_options(calls, tmp_path):
    file = tmp_path / "s.toml"
    file.write_text('n_clusters = "4:6"\nmemory = "2GiB"\nwhiten = true\n')
    CliRunner().invoke(
        commands, ["cluster", "OUT", "--config", str(file), "--memory", "3GiB", "--quiet"]
    )
    keywords = calls[0][2]
    del keywords["observers"]
    settings, told = settings_of("cluster", keywords)
    assert (settings.ks, settings.memory, settings.whiten) == ((4, 5, 6), "3GiB", True)
    assert told == ""


@pytest.mark.parametrize(
    ("options", "clustering"),
    [
        ("--clustering kmeans-12", "kmeans-12"),
        ("--algorithm ward --n-clusters 8", "ward-8"),
        ("--n-clusters 8", "8"),
        ("--algorithm hdbscan", "hdbscan"),
        ("", None),
    ],
)
def test_a_clustering_has_one_name(calls, options, clustering):
    CliRunner().invoke(commands, shlex.split(f"export OUT --quiet {options}"))
    assert calls[0][2]["clustering"] == clustering
    assert not {"algorithm", "n_clusters"} & set(calls[0][2])


def test_the_former_name_of_to_is_told(calls):
    done = CliRunner().invoke(commands, ["report", "OUT", "--out", "x.html", "--quiet"])
    assert "--out FILE is called --to FILE now" in done.output
    assert calls[0][1][1] == "x.html"


def test_a_setting_that_a_command_does_not_heed_is_no_option_of_it():
    done = CliRunner().invoke(commands, ["reduce", "OUT", "--n-clusters", "3"])
    assert done.exit_code == 2
    assert "No such option" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere", "--out", "OUT"], "nowhere: does not exist"),
        (["info", "nowhere"], "holds no streamclust results"),
        (["run", "CASE", "--out", "OUT", "--memory", "50MiB"], "give it --memory"),
        (["run", "CASE", "--out", "OUT", "--descriptors", "z"], "no descriptors named z"),
        (["run", "CASE", "--out", "OUT", "--n-clusters", "x"], "is not understood"),
        (["run", "CASE", "--out", "OUT", "--scheduler", "nonsense"], "tcp://host:port"),
        (["run", "CASE", "--out", "OUT", "--scheduler", "tcp://127.0.0.1:1"], "no dask scheduler"),
        (["run", "CASE", "--out", "OUT", "--config", "none.toml"], "cannot be read"),
        (["demo", "DIR", "--rows", "3"], "must be 10 or more"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    case_folder, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    places = {"CASE": str(case_folder), "OUT": str(tmp_path / "out"), "DIR": str(tmp_path)}
    code, said = told(*(places.get(argument, argument) for argument in arguments))
    assert code == 2
    assert message in said
    assert len(said.strip().splitlines()) == 1


def test_trouble_with_files_is_one_line_too(case_folder, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    done = program("run", case_folder, "--out", tmp_path / "out" / "below")
    assert done.returncode == 2
    assert "Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_click_mistakes_exit_with_2_as_well():
    done = program("run")
    assert done.returncode == 2
    assert "Usage" in done.stderr


def test_info(out):
    about = json.loads(program("info", out, "--json").stdout)
    assert about["paths"] == 3000
    assert about["descriptors"]["a"]["recommended"] == "kmeans-5"
    assert set(about["descriptors"]["a"]["clusterings"]) == {f"kmeans-{k}" for k in (3, 4, 5, 6)}
    code, said = told("info", out)
    assert code == 0
    assert "kmeans-5" in said
    assert "3,000 image paths" in said


def test_plan_prints_every_step_and_writes_nothing(case_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = told("plan", case_folder)
    assert code == 0
    for step in ("ingest", "reduce", "cluster", "measure", "draw"):
        assert step in said
    assert "least --memory" in said
    assert not list(tmp_path.iterdir())


def test_quiet_is_quiet(out, case_folder):
    done = program("run", case_folder, "--out", out, "--n-clusters", "3:6", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_rerun_says_what_was_done_before(out, case_folder):
    _, said = told("run", case_folder, "--out", out, "--n-clusters", "3:6")
    assert said.count("done before") == 28


def test_init_writes_a_file_that_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told("init")[0] == 0
    assert Settings().having(**read_settings(tmp_path / "streamclust.toml")) == Settings()
    assert "already" in told("init")[1]


def test_demo_with_images(tmp_path):
    command = ["demo", tmp_path / "d", "--rows", 200, "--n-clusters", "4:5"]
    command += ["--descriptors", "vdc_color"]
    done = program(*command)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "d" / "case" / "row_data" / "veriwild.zip").exists()
    assert len((tmp_path / "d" / "out" / "labels.csv").read_text().splitlines()) == 201
    assert told(*command)[1].count("done before") == 17


def test_python_m_streamclust():
    done = subprocess.run(
        [sys.executable, "-m", "streamclust", "--version"], capture_output=True, text=True
    )
    assert done.stdout.startswith("streamclust")


def test_a_run_needs_no_one_to_listen(case_folder, tmp_path):
    """Streams that a daemon closed, or whose reader is gone: the files of the run stay its own."""
    run = f"'{PROGRAM}' run '{case_folder}' --descriptors a --n-clusters 3:4"
    silent = f"{run} --out closed <&- >&- 2>&-"
    cut = f"{run} --out cut 2>&1 >/dev/null | head -1"
    for command in (silent, cut):
        done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=tmp_path)
        assert done.returncode == 0
    texts = [(tmp_path / out / "labels.csv").read_text() for out in ("closed", "cut")]
    assert texts[0] == texts[1]
    assert "streamclust" not in texts[0]


def test_a_full_disk_is_told(out):
    with open("/dev/full", "w") as full:
        command = [PROGRAM, "info", out]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no space is left on the disk (")
    assert len(done.stderr.splitlines()) == 1
