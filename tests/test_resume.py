"""Runs killed at any moment go on to the result that an unbroken run gives."""

import random
import signal
import subprocess
import sys
import time

import pytest
from dots import dots_for_figures
from killed import finished, killed

import streamclust


@pytest.fixture(scope="module")
def unbroken(case_folder, tmp_path_factory):
    """Its tables and arrays; no test looks at its figures."""
    with dots_for_figures():
        out = tmp_path_factory.mktemp("unbroken") / "out"
        return streamclust.run(case_folder, out, n_clusters="2:5")


@pytest.mark.parametrize("seed", range(2))
def test_killed_runs_end_as_if_unbroken(case_folder, tmp_path, unbroken, seed):
    whole = unbroken
    out = tmp_path / "out"
    command = ("run", case_folder, "--out", out, "--n-clusters", "2:5", "--quiet")
    moments = random.Random(seed)
    for _ in range(4):
        # A whole run makes more changes than four times the most.
        assert killed(out, moments.randint(1, 600), *command) == -signal.SIGKILL
    assert finished(*command) == 0
    found = streamclust.open(out)
    for name in ("labels.csv", "metrics.csv", "clusters.csv"):
        assert (out / name).read_bytes() == (whole.folder / name).read_bytes()
    for descriptor in whole.descriptors:
        for name in ("raw", "reduced", "clusterings/kmeans-5/labels"):
            path = f"descriptors/{descriptor}/{name}"
            assert (found.store[path][...] == whole.store[path][...]).all()


def heed_interrupts():
    """A shell lets what it runs in the background ignore them, the tests among it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_says_how_to_go_on(case_folder, tmp_path):
    command = [sys.executable, "-m", "streamclust", "run", case_folder, "--out", tmp_path / "out"]
    process = subprocess.Popen(
        [*command, "--n-clusters", "2:5", "--quiet"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    while not (tmp_path / "out" / "workspace.zarr").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    # Python ends itself by the signal when that fell into a piece of exec'd code, such as the
    # making of a dataclass while something is imported; a shell shows 130 for both.
    assert process.returncode in (130, -signal.SIGINT)
    assert "the same command goes on" in said
    assert "Traceback" not in said
