"""Memory of fresh processes: what the libraries take, and that a budget is kept."""

import json
import subprocess
import sys

import numpy as np
import pytest

from streamclust import plan
from streamclust.memory import LIBRARIES, MIB

IMPORTS = """
import matplotlib.backends.backend_agg, matplotlib.figure, rich.progress, scipy.linalg, zarr
import streamclust.api, streamclust.figures, streamclust.pipeline
from streamclust import IncrementalPCA, StreamingKMeans
from streamclust.memory import peak_resident
print(peak_resident())
"""


def test_the_libraries_take_what_the_plan_reckons_with():
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) <= LIBRARIES


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of 30,000 × 1,024 float32 (117 MiB) in twelve groups."""
    file = tmp_path_factory.mktemp("large") / "large.npy"
    rng = np.random.default_rng(0)
    means = rng.standard_normal((12, 1024), dtype=np.float32) * 3
    values = np.lib.format.open_memmap(file, "w+", np.float32, (30_000, 1024))
    for start in range(0, 30_000, 5000):
        group = rng.integers(0, 12, 5000)
        values[start : start + 5000] = means[group] + rng.standard_normal((5000, 1024))
    values.flush()
    return file


@pytest.mark.parametrize("budget", ["smallest", "560MiB"])
def test_a_run_keeps_its_budget(large, tmp_path, budget):
    if budget == "smallest":
        steps = plan(large, memory="64GiB", n_clusters="2:5")
        least = max(need.smallest for step in steps for need in step.needs)
        budget = f"{-(-least // MIB)}MiB"
    command = ["run", large, "--out", tmp_path / "out", "--memory", budget, "--workers", "2"]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "streamclust",
            *map(str, command),
            "--n-clusters",
            "2:5",
            "--quiet",
        ],
        check=True,
    )
    steps = json.loads((tmp_path / "out" / "run.json").read_text())["steps"]
    done = {"ingest", "reduce", "cluster", "measure", "stability", "evidence", "export", "draw"}
    done |= {"space", "neighbors", "outliers", "cluster distances", "suspects"}
    done |= {"outlier tables", "duplicates", "draw outliers"}
    assert {step["step"] for step in steps} == done
    for step in steps:
        allowed = int(budget.removesuffix("MiB")) * MIB
        assert step["measured_peak"] <= step["planned_peak"] <= allowed, step["step"]
