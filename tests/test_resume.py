"""Runs killed at any moment go on to the result that an unbroken run gives."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

import streamclust


def run(case, out, **more):
    command = [sys.executable, "-m", "streamclust", "run", case, "--out", out, "--quiet"]
    return subprocess.Popen([*map(str, command), "--n-clusters", "2:5"], **more)


@pytest.fixture(scope="module")
def unbroken(case_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken") / "out"
    assert run(case_folder, out).wait() == 0
    return streamclust.open(out)


def files(folder):
    """What is on disk, also while a run moves it about."""
    return sum(len(names) for _, _, names in os.walk(folder))


@pytest.mark.parametrize("seed", range(2))
def test_killed_runs_end_as_if_unbroken(case_folder, tmp_path, unbroken, seed):
    whole = unbroken
    out = tmp_path / "out"
    moments = random.Random(seed)
    for _ in range(4):
        process = run(case_folder, out)
        # By what is on disk, not by the clock: every run is killed, whatever the machine's load.
        # A whole run makes more files than four times the most.
        enough = files(out) + moments.randint(1, 45)
        while files(out) < enough and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert run(case_folder, out).wait() == 0
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
    told = {"stderr": subprocess.PIPE, "text": True, "preexec_fn": heed_interrupts}
    process = run(case_folder, tmp_path / "out", **told)
    while not (tmp_path / "out" / "workspace.zarr").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    # Python ends itself by the signal when that fell into a piece of exec'd code, such as the
    # making of a dataclass while something is imported; a shell shows 130 for both.
    assert process.returncode in (130, -signal.SIGINT)
    assert "the same command goes on" in said
    assert "Traceback" not in said
