"""Commands on a dask scheduler: named in any way, with workers of several threads or other
processors, and with workers and schedulers that are lost."""

import logging
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases import write_case
from clusters import cluster
from distributed.client import AllExit
from stored import contents
from traffic import Door

from streamclust import api
from streamclust.errors import ClusterError
from streamclust.events import Message
from streamclust.passes.dask_executor import DaskExecutor
from streamclust.passes.schedulers import named_scheduler, scheduler_address

MIB = 2**20
ALGORITHMS = ("kmeans", "minibatch-kmeans", "gaussian-mixture")


@pytest.fixture(scope="module")
def threads(tmp_path_factory):
    """One worker of four threads."""
    with cluster(tmp_path_factory.mktemp("cluster"), 1, 4) as one:
        yield one


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Rows of two sets, and more of each, of which one command or another takes hold."""
    folder = tmp_path_factory.mktemp("small")
    values = np.random.default_rng(0).normal(size=(720, 24)).astype(np.float32)
    values[:, :3] += 7 * (np.arange(720) % 4)[:, None] * np.array([1, 0, 1], np.float32)
    sets = {"a": values, "b": values[:, :9] ** 2}
    write_case(folder / "case", **{name: rows[:600] for name, rows in sets.items()})
    new = write_case(folder / "new", **{name: rows[600:] for name, rows in sets.items()})
    lines = [f"new\\{row}.jpg" for row in range(120)]
    (new / "images_paths.csv").write_text("\n".join(["paths", *lines]) + "\n")
    return folder


def all_commands(small, out, **way):
    """Each command that computes, once."""
    assigned = out.parent / f"{out.name}-new" / "labels.csv"
    assigned.parent.mkdir()
    case = api.run(small / "case", out, n_clusters=(3, 4), **way)
    case.reduce(n_components=8, **way)
    case.cluster(algorithms=ALGORITHMS, n_clusters=3, **way).measure(**way).outliers(**way)
    case.mix(("a", "b"), n_clusters=3, **way).compare(**way).layout("pca", **way)
    case.describe(**way).report(**way)
    case.assign(small / "new", assigned, **way)
    case.update(small / "new", **way).export(**way)
    return contents(out) | {"assigned": assigned.read_bytes()}


def test_every_command_gives_the_same_bits_on_several_threads(
    small, tmp_path, threads, all_unrendered
):
    here = all_commands(small, tmp_path / "here", workers=1)
    there = all_commands(small, tmp_path / "there", scheduler=str(threads.file))
    assert set(here) == set(there)
    assert [name for name in here if here[name] != there[name]] == []


def test_the_traffic_of_a_run_is_little(small, tmp_path, threads, all_unrendered):
    door = Door(scheduler_address(str(threads.file)))
    api.run(small / "case", tmp_path / "out", n_clusters=(3, 4), scheduler=door.address)
    door.close()
    # Half again as much as it is.
    assert door.sent < 3 * MIB
    assert door.received < 3 * MIB


def test_a_scheduler_is_named_in_any_way(tmp_path, monkeypatch):
    file = tmp_path / "scheduler.json"
    file.write_text('{"type": "Scheduler", "address": "tcp://10.0.0.1:8786"}')
    for named in ("tcp://10.0.0.1:8786", "10.0.0.1:8786", str(file)):
        assert scheduler_address(named) == "tcp://10.0.0.1:8786"
    assert scheduler_address("tls://h:1") == "tls://h:1"
    for wrong in ("nonsense", "tcp://h", "h:port", str(tmp_path / "none.json")):
        with pytest.raises(ClusterError, match="--scheduler-file"):
            scheduler_address(wrong)
    file.write_text("[]")
    with pytest.raises(ClusterError, match="is no file of dask scheduler"):
        scheduler_address(str(file))
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "h:1")
    assert named_scheduler(None) == "h:1"
    assert named_scheduler("other:2") == "other:2"


def test_the_environments_scheduler_is_used(small, tmp_path, threads, monkeypatch):
    told = []
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler_address(str(threads.file))[6:])
    api.ingest(small / "case", tmp_path / "out", observers=[told.append])
    notes = [one.text for one in told if isinstance(one, Message)]
    assert any("dask scheduler of the environment" in note for note in notes)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ClusterError, match="no dask scheduler at tcp://127"):
        api.ingest(small / "case", tmp_path / "other")


def test_what_dask_tells_itself_is_not_told(caplog, threads):
    """Of a wait for several futures that was given up when one was lost, as asyncio logs it."""
    DaskExecutor(scheduler_address(str(threads.file))).close()
    for error in (AllExit(), ValueError()):
        logging.getLogger("asyncio").error("never retrieved", exc_info=error)
    assert [record.exc_info[0] for record in caplog.records] == [ValueError]


def test_other_processors_are_told(small, tmp_path):
    told = []
    with cluster(tmp_path, 0) as other:
        other.add(OPENBLAS_CORETYPE="Prescott")
        api.ingest(
            small / "case", tmp_path / "out", scheduler=str(other.file), observers=[told.append]
        )
    warnings = [one.text for one in told if isinstance(one, Message) and one.level == "warning"]
    assert len([text for text in warnings if "computes with" in text]) == 1


def started(small, out, scheduler):
    """A run on a scheduler, in a process of its own, whose first set is stored."""
    arguments = ("run", small / "case", "--out", out, "--n-clusters", "3,4", "--quiet")
    process = subprocess.Popen(
        [sys.executable, "-m", "streamclust", *map(str, arguments), "--scheduler", scheduler],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not (out / "workspace.zarr" / "descriptors").exists() and process.poll() is None:
        time.sleep(0.02)
    return process


def test_what_is_lost_ends_whole_or_in_a_line(small, tmp_path):
    """A worker, with another left; all that there are; the scheduler."""
    whole = tmp_path / "whole"
    api.run(small / "case", whole, n_clusters=(3, 4))

    def lost(name, n_workers, lose):
        (tmp_path / name).mkdir()
        with cluster(tmp_path / name, n_workers) as some:
            process = started(small, tmp_path / name / "out", str(some.file))
            lose(some)
            said, _ = process.communicate(timeout=120)
        return process.returncode, said

    with ThreadPoolExecutor(3) as pool:  # for each waits half a minute
        one = pool.submit(lost, "one", 2, lambda some: some.kill_worker(0))
        all_lost = pool.submit(lost, "all", 1, lambda some: some.kill_worker(0))
        scheduler = pool.submit(lost, "scheduler", 1, lambda some: some.stop_scheduler())
    assert one.result() == (0, "")
    assert "the scheduler lost tcp://" in (tmp_path / "one" / "out" / "run.json").read_text()
    assert contents(tmp_path / "one" / "out") == contents(whole)
    for ended, reason in [(all_lost, "no workers left; it lost tcp://"), (scheduler, "was lost")]:
        assert is_one_line(*ended.result())
        assert reason in ended.result()[1]
    for name in ("all", "scheduler"):
        api.run(small / "case", tmp_path / name / "out", n_clusters=(3, 4))
        assert contents(tmp_path / name / "out") == contents(whole)


def is_one_line(code, said):
    return code == 2 and said.startswith("error: ") and said.count("\n") == 1


def test_a_worker_over_its_memory_ends_the_run_in_a_line(small, tmp_path):
    """Its nanny ends it, starts another, and that goes the same way."""
    with cluster(tmp_path, 1, 1, "--memory-limit", "180MiB") as short:
        process = started(small, tmp_path / "out", str(short.file))
        said, _ = process.communicate(timeout=100)
    assert is_one_line(process.returncode, said), said
    assert "memory" in said
