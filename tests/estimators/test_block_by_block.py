"""Memory of estimators over a mapped file that is neither of floats nor in the order of rows."""

import subprocess
import sys

import numpy as np
import pytest

# Fits over the file, and prints by how many MiB the memory that is not of the file grew at most.
MEASURED = """
import os, sys, threading, time
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
import numpy as np
from streamclust import IncrementalPCA, KNNOutlierDetector, StreamingKMeans

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) // 1024

def watch():
    while not done.wait(0.005):
        peaks.append(anonymous())

rows = np.load(sys.argv[1], mmap_mode="r")
for model in (
    IncrementalPCA(5),
    KNNOutlierDetector(n_references=10, n_draws=1),
    StreamingKMeans(3, n_init=1, max_iter=1, random_state=0),
):
    model.fit(rows[:20_000])
    before, peaks, done = anonymous(), [0], threading.Event()
    watching = threading.Thread(target=watch)
    watching.start()
    model.fit(rows)
    done.set()
    watching.join()
    print(max(peaks) - before)
"""
SHAPE = 1_500_000, 64


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize(("dtype", "is_fortran"), [("u1", False), ("f4", True)])
def test_the_whole_is_never_held_as_floats(tmp_path, dtype, is_fortran):
    file = tmp_path / "rows.npy"
    rows = np.lib.format.open_memmap(file, "w+", dtype, SHAPE, fortran_order=is_fortran)
    rng = np.random.default_rng(0)
    for column in range(SHAPE[1]):
        rows[:, column] = rng.integers(0, 100, SHAPE[0])
    rows.flush()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, file], stdout=subprocess.PIPE, text=True, check=True
    )
    pca, outliers, clusters = map(int, done.stdout.split())
    assert pca < 150
    assert outliers < 300
    assert clusters < 450
