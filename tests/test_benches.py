"""The long proofs, in short."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import write_case

BENCH = Path(__file__).parents[1] / "scripts" / "bench"


def bench(name, *options):
    command = [sys.executable, BENCH / name, *map(str, options)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_whole_job_twice(tmp_path):
    options = ["--n-clusters=2:3", "--descriptors=osnet"]
    told = bench("run", "--rows", 300, "--times", 2, "--folder", tmp_path, "--", *options)
    assert told.count("whole, with start and tables") == 2
    assert "rows x 2: time x" in told
    assert "OVER" not in told


@pytest.mark.slow
def test_a_run_and_what_it_takes_to_look_at_it(tmp_path):
    options = ["--n-clusters=2:3", "--descriptors=vdc_color"]
    told = bench("run", "--rows", 300, "--folder", tmp_path, "--read", "--", *options)
    assert told.count("whole, with start and tables") == 4
    assert told.count("layout, describe, report: ") == 1
    assert "OVER" not in told


def test_pca_against_its_peers():
    told = bench("pca", "--rows", 1000, "--columns", 80)
    ours = next(line for line in told.splitlines() if line.startswith("streamclust"))
    assert float(ours.split("off by ")[1].split()[0]) < 1e-6


def test_k_means_against_its_peer():
    told = bench("kmeans", "--rows", 400, "--columns", 3)
    assert "rows shuffled" in told
    assert "rows sorted by group" in told


def test_pickles_of_every_kind():
    told = bench("pickles", "--rows", 200, "--columns", 8)
    assert told.count("opened in") == 4


@pytest.mark.slow
def test_the_share_of_checksums(tmp_path):
    case = write_case(tmp_path / "case", a=np.random.default_rng(0).random((300, 4)))
    told = bench("checksums", case, "--", "--n-clusters=2:3", "--quiet")
    shares = [float(line.split(" s, ")[1].split("%")[0]) for line in told.splitlines()[-2:]]
    assert min(shares) > 0


def test_every_format_against_its_library():
    told = bench("sources", "--rows", 300, "--columns", 6, "--no-ingest")
    assert told.count("| npy |") == 1
    assert told.count("\n") > 15


def test_algorithms_against_their_peers():
    told = bench("algorithms", "--rows", 600, "--columns", 6, "--only", "ward")
    *_, separated, _, _, _ = cells(told.splitlines()[-1])
    assert float(separated) > 0.99


@pytest.mark.slow
def test_an_algorithm_within_its_plan():
    told = bench("algorithms", "--full", "--rows", 1500, "--columns", 6, "--only", "birch")
    ((*_, peak, planned, _),) = map(cells, told.splitlines()[4:])
    assert float(peak) < float(planned)


@pytest.mark.slow
def test_spectral_against_dask_ml():
    told = bench("algorithms", "--sizes", 800, "--columns", 6, "--limit", 2)
    assert told.count("| 800 |") == 3
    assert "over 2 s" in told


@pytest.mark.slow
def test_a_layout_is_measured():
    told = bench("layout", "--rows", 500, "--columns", 6, "--ways", "streamclust")
    assert float(cells(told.splitlines()[-1])[-1]) > 0.9


@pytest.mark.slow
def test_rows_are_assigned(tmp_path):
    sizes = ("--rows", 900, "--stored", 400, "--columns", 8, "--clusters", 4)
    told = bench("assign", *sizes, "--endings", ".jsonl", "--folder", tmp_path)
    assert told.count("| 900 | .jsonl |") == 2


@pytest.mark.slow
def test_outliers_against_their_peers():
    options = ("--rows", 300, "--columns", 8, "--times", 0)
    options += ("--sizes", 5, "--width", 64, "--clusters", 5)
    told = bench("outliers", *options)  # runs the bench of the neighbours, too
    assert "streamclust / pynndescent" in told
    assert float(told.split("off by ")[1].split()[0]) < 1e-6
    assert float(told.splitlines()[-1].split()[2]) > 0.97


@pytest.mark.slow
def test_descriptions_against_truth():
    options = ("--rows", 300, "--n-clusters", "5,6", "--descriptors", "vdc_color,osnet")
    told = bench("describe", *options).splitlines()
    assert len(told) == 1 + 2 + 1
    assert " 0/" in told[-1].partition("named, ")[2]


@pytest.mark.slow
def test_rows_are_added(tmp_path):
    sizes = ("--old", 400, "--new", 100, "--columns", 8, "--clusters", 3)
    told = bench("update", *sizes, "--folder", tmp_path)
    assert "update / all rows from scratch: " in told
    assert float(told.split("update / from scratch: ")[1].split()[0]) > 0.9
