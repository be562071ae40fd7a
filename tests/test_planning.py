"""What a plan reckons with: every step of a run, for the largest of the sets."""

import numpy as np
import pytest
from cases import write_case

from streamclust import api
from streamclust.errors import MemoryBudgetError
from streamclust.events import StepFinished
from streamclust.memory import MIB


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
