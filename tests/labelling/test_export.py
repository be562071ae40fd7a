"""What an export leaves of results that the stored rows are not those of."""

import csv

import numpy as np
import pytest
from cases import write_case

from streamclust import api

TOLD = ("outliers.csv", "outlier_reasons.csv", "outlier_groups.csv", "duplicates.csv")
DRAWN = "figures/outlier-scores.png"


@pytest.fixture
def case(tmp_path):
    values = np.random.default_rng(0).normal(5, 1, (120, 6)).astype(np.float32)
    values[:3] *= -4
    return write_case(tmp_path / "case", a=values)


def columns(folder):
    with open(folder / "labels.csv", newline="") as file:
        return next(csv.reader(file))


@pytest.mark.parametrize("n_rows", [120, 90])
def test_outliers_of_other_rows_are_put_aside_and_come_back(case, tmp_path, n_rows):
    out = tmp_path / "out"
    before = api.run(case, out, n_clusters=2).store["outliers/score"][...]
    told = {name: (out / name).read_bytes() for name in (*TOLD, DRAWN)}
    (out / "duplicates.csv").write_text("mine")
    other = np.random.default_rng(1).normal(5, 1, (n_rows, 6)).astype(np.float32)
    api.ingest(write_case(tmp_path / "other", a=other), out)
    assert all((out / name).exists() for name in told)
    again = api.open(out).export()
    assert not any((out / name).exists() for name in told)
    assert (out / "duplicates.kept-1.csv").read_text() == "mine"
    assert "outliers" not in again.store
    assert columns(out) == ["row", "path"]
    after = api.run(case, out, n_clusters=2)
    np.testing.assert_array_equal(after.store["outliers/score"][...], before)
    assert {name: (out / name).read_bytes() for name in told} == told


def test_an_export_of_the_same_rows_keeps_them(case, tmp_path):
    api.run(case, tmp_path / "out", n_clusters=2)
    api.open(tmp_path / "out").export()
    assert all((tmp_path / "out" / name).exists() for name in (*TOLD, DRAWN))
    assert columns(tmp_path / "out")[-2:] == ["outlier", "outlier_score"]


def test_tables_of_a_person_stay_where_outliers_were_never_looked_for(case, tmp_path):
    out = tmp_path / "out"
    api.ingest(case, out)
    (out / "outliers.csv").write_text("mine")
    api.open(out).export()
    assert (out / "outliers.csv").read_text() == "mine"
    assert not list(out.glob("*.kept-*"))
