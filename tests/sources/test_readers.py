"""A format of one's own, as docs/sources.md tells how to add it."""

import re
import struct
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.registries import FORMATS
from streamclust.sources import fingerprint, open_source
from streamclust.sources.case_folder import find_case

PAGE = Path(__file__).parents[2] / "docs/sources.md"


@pytest.fixture
def fbin(monkeypatch):
    """The page, followed to the letter: the module is there, and the line in the registry."""
    code, line = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    ((name, place),) = eval(f"{{{line}}}").items()
    module = ModuleType(place)
    monkeypatch.setitem(sys.modules, place, module)
    exec(code, module.__dict__)
    monkeypatch.setitem(FORMATS, name, place)


@pytest.fixture
def file(tmp_path):
    whole = np.arange(60, dtype=np.float32).reshape(20, 3)
    made = tmp_path / "descriptors" / "a.fbin"
    made.parent.mkdir()
    made.write_bytes(struct.pack("<2I", 20, 3) + whole.tobytes())
    return made, whole


@pytest.mark.usefixtures("fbin")
def test_it_is_a_source(file):
    path, whole = file
    source = open_source(path)
    assert source.shape == whole.shape
    for start in range(21):
        for stop in range(start, 21):
            np.testing.assert_array_equal(source.read(start, stop), whole[start:stop])
    # Whatever it is called.
    np.testing.assert_array_equal(open_source(path.rename(path.with_suffix(".npy")))[:], whole)


@pytest.mark.usefixtures("fbin")
def test_it_is_a_set_of_its_case(file):
    path, _ = file
    assert find_case(path.parents[1]).descriptors == {"a": path}
    assert find_case(path).descriptors == {"a": path}
    with pytest.raises(SourceError, match="holds one array: leave out /x"):
        open_source(path / "x")


@pytest.fixture
def folder(tmp_path):
    whole = np.arange(60, dtype=np.float32).reshape(20, 3)
    made = tmp_path / "descriptors" / "a"
    made.mkdir(parents=True)
    for number, rows in enumerate(np.split(whole, [7, 12])):
        np.save(made / f"{number}.npy", rows)
    return made, whole


def test_the_state_of_a_folder_is_that_of_its_files(folder):
    path, whole = folder
    first = fingerprint(path)
    assert fingerprint(path) == first
    np.save(path / "1.npy", whole[7:12] + 1)
    changed = fingerprint(path)
    assert changed["size"] == first["size"]
    assert changed["blake2b"] != first["blake2b"]


def test_without_its_reader_it_is_none(file):
    path, _ = file
    with pytest.raises(SourceError, match="is not known"):
        open_source(path)
