"""The stored graph of few rows: what it holds, and what is told by it."""

import csv

import numpy as np
import pytest
from cases import write_case

from streamclust import api
from streamclust.events import Message


def duplicates(folder):
    with open(folder / "duplicates.csv", newline="") as file:
        return [int(line["row"]) for line in csv.DictReader(file)]


@pytest.mark.parametrize("n_neighbors", [15, 60])
def test_duplicates_of_few_rows_are_found(tmp_path, n_neighbors):
    values = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    values[31] = values[4] * 1.001 + 1e-3
    values[9] = np.nan
    out, said = tmp_path / "out", []
    api.ingest(write_case(tmp_path / "case", a=values), out, invalid="mask")
    found = api.open(out).outliers(observers=[said.append], n_neighbors=n_neighbors)
    assert duplicates(out) == [4, 31]
    graph = found.store["descriptors/a/neighbors"]
    assert graph["indices"].shape == (40, min(n_neighbors, 38))
    notes = [event.text for event in said if isinstance(event, Message)]
    told = [text for text in notes if text.startswith("a: 39 valid rows have 38 neighbours each")]
    assert len(told) == (n_neighbors == 60)
