"""What a plan reckons with: every step of a run, for the largest of the sets."""

import re

import numpy as np
import pytest
from cases import write_case
from click.testing import CliRunner

from streamclust import api
from streamclust.cli import commands
from streamclust.errors import MemoryBudgetError
from streamclust.events import Message, StepFinished
from streamclust.memory import MIB

pytestmark = pytest.mark.usefixtures("all_unrendered")


def planned(case, **settings):
    return {(plan.set_name, plan.step): plan for plan in api.plan(case, **settings)}


def test_every_step_of_a_run_is_planned(case_folder, tmp_path):
    done = []
    case = api.run(case_folder, tmp_path / "out", observers=[done.append], n_clusters=2)
    run = [(e.step, e.set_name, e.part) for e in done if isinstance(e, StepFinished)]
    plan = api.plan(case_folder, n_clusters=2)
    assert sorted(map(str, run)) == sorted(str((p.step, p.set_name, p.part)) for p in plan)
    assert case.descriptors == ["a", "b"]


def test_all_sets_together_need_what_the_widest_blocks_do(tmp_path):
    wide = np.zeros((40_000, 128), np.float32)
    narrow = wide[:, :2]
    needs = []
    for name, sets in {"x": (narrow, wide), "y": (wide, narrow)}.items():
        case = write_case(tmp_path / name, **dict(zip("ab", sets, strict=True)))
        needs.append(planned(case)[None, "duplicates"].needs)
    assert needs[0] == needs[1]


def test_groups_are_planned_where_rows_have_them(case_folder):
    assert (None, "groups") in planned(case_folder)
    assert (None, "groups") not in planned(case_folder, group="none")


def test_outliers_of_stored_sets_are_refused_before_the_first_step(blobs, tmp_path):
    case_folder = write_case(tmp_path / "case", a=blobs[0], b=blobs[0][:, :9])
    (case_folder / "raw_data").mkdir()
    (case_folder / "raw_data" / "0.jpg").write_bytes(b"an image")
    plans = planned(case_folder).items()
    steps = ("space", "neighbors", "outliers")
    needs = [n for (name, step), plan in plans if name is None or step in steps for n in plan.needs]
    least = max(need.smallest for need in needs)
    out, done = tmp_path / "out", []
    api.ingest(case_folder, out)
    with pytest.raises(MemoryBudgetError, match=f"give it --memory {-(-least // MIB)}MiB"):
        api.open(out).outliers(observers=[done.append], memory=least - 1)
    assert not any(isinstance(event, StepFinished) for event in done)
    api.open(out).outliers(memory=-(-least // MIB) * MIB)


def test_the_least_memory_that_a_plan_prints_is_enough_for_a_run(blobs, tmp_path):
    case_folder = write_case(tmp_path / "case", a=blobs[0])
    commands_of = {
        name: [name, str(case_folder), "--n-clusters", "2:4"] for name in ("plan", "run")
    }
    printed = CliRunner().invoke(commands, commands_of["plan"], catch_exceptions=False).stdout
    least = int(re.search(r"least --memory: (\d+) MiB", printed)[1])
    for name, memory, exit_code in [("b", least - 1, 1), ("c", least, 0)]:
        options = ["--out", str(tmp_path / name), "--quiet", "--memory", f"{memory}MiB"]
        result = CliRunner().invoke(commands, commands_of["run"] + options)
        assert result.exit_code == exit_code, result.output


def test_what_a_case_holds_beside_its_sets_is_told(blobs, tmp_path):
    """By plan, and by the commands that read: nothing is passed over without a word."""
    case_folder = write_case(tmp_path / "case", a=blobs[0][:200])
    (case_folder / "descriptors" / "osnet.index").write_bytes(b"IxF2")
    (case_folder / "images_paths.csv").rename(case_folder / "image_paths.csv")
    out, done = tmp_path / "out", []
    planned = CliRunner().invoke(commands, ["plan", str(case_folder)])
    api.ingest(case_folder, out, observers=[done.append])
    api.open(out).reduce().cluster(n_clusters=3).measure()
    api.open(out).assign(case_folder, tmp_path / "a.csv", observers=[done.append])
    told = [event.text for event in done if isinstance(event, Message)]
    for words in (
        "image_paths.csv: not read: the list of paths is called images_paths.csv",
        "descriptors/osnet.index: not read: sets are files of descriptors, .npy, .parquet, .pickle "
        "or others of docs/sources.md, in the descriptors folder where there is one",
    ):
        assert planned.stderr.splitlines().count(words) == 1
        assert told.count(words) == 2
