"""The command compare: which table of attributes and which of its columns it uses."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from streamclust import api
from streamclust.cli import commands
from streamclust.cli.summary import WITHIN
from streamclust.errors import SettingsError

pytestmark = pytest.mark.usefixtures("all_unrendered")


@pytest.fixture(scope="module")
def clustered(case_folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("compare") / "out"
    api.ingest(case_folder, out)
    api.open(out).reduce().cluster(n_clusters=(4, 5)).measure()
    return out


@pytest.fixture
def out(clustered, tmp_path) -> Path:
    """Results that were never compared."""
    return shutil.copytree(clustered, tmp_path / "out")


@pytest.fixture(scope="module")
def known(blobs, tmp_path_factory) -> Path:
    """Types, their halves, and a mark that hardly any row has."""
    file = tmp_path_factory.mktemp("known") / "known.csv"
    rare = np.arange(3000) < 30
    lines = zip(range(3000), blobs[1], blobs[1] % 2, rare.astype(int), strict=True)
    text = "\n".join(",".join(map(str, line)) for line in lines)
    file.write_text(f"row,type,half,rare\n{text}\n")
    return file


def attributes(out: Path) -> list[str]:
    """Those that the tables tell of."""
    told = []
    for name in ("attributes.csv", "yield.csv"):
        with open(out / name, newline="") as file:
            told.append(dict.fromkeys(line["attribute"] for line in csv.DictReader(file)))
    assert list(told[0]) == [*told[1], "folder"]
    return list(told[1])


def test_columns_are_remembered_until_a_table_is_named(out, known):
    said: list = []
    api.open(out).compare(known, observers=[said.append])
    assert attributes(out) == ["type", "half"]
    words = "known.csv: left out, as they say nothing of clusters: rare (99.00% of its known rows "
    (warning,) = (event.text for event in said if words in getattr(event, "text", ""))
    assert warning.endswith("--columns rare takes one in all the same")
    api.open(out).compare(columns=["rare", "type"])
    assert attributes(out) == ["type", "rare"]
    before = (out / "attributes.csv").read_bytes()
    for column in ("type", "half"):
        api.open(out).compare(known, columns=column)
        assert attributes(out) == [column]
    api.open(out).compare(columns="rare,type")
    api.open(out).compare()
    assert (out / "attributes.csv").read_bytes() == before
    api.open(out).compare(known)
    assert attributes(out) == ["type", "half"]


def test_columns_of_no_table(out, known, tmp_path):
    with pytest.raises(SettingsError, match="columns type of no table: name it with --attributes"):
        api.open(out).compare(columns="type")
    copy = shutil.copy(known, tmp_path / "copy.csv")
    api.open(out).compare(copy)
    (tmp_path / "copy.csv").unlink()
    with pytest.raises(SettingsError, match=r"of no table: .*copy.csv is gone: name it with --att"):
        api.open(out).compare(columns="type")


def test_the_command_ends_with_what_can_be_compared(out, known):
    arguments = ["compare", str(out), "--attributes", str(known), "--columns", "half, type"]
    done = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert attributes(out) == ["type", "half"]
    assert WITHIN in done.output
    alone = CliRunner().invoke(commands, ["compare", str(out), "--descriptors", "a"])
    assert "kmeans-" in alone.output
    assert WITHIN not in alone.output
