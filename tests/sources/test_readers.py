"""A format of one's own, as docs/sources.md tells how to add it."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from streamclust.errors import SourceError
from streamclust.registries import FORMATS
from streamclust.sources.base import fingerprint, open_source
from streamclust.sources.case_folder import find_case

PAGE = Path(__file__).parents[2] / "docs/sources.md"


@pytest.fixture
def parts(monkeypatch):
    """The page, followed to the letter: the module is there, and the line in the registry."""
    code, line = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    ((ending, place),) = eval(f"{{{line}}}").items()
    name = place.partition(":")[0]
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(code, module.__dict__)
    monkeypatch.setitem(FORMATS, ending, place)


@pytest.fixture
def folder(tmp_path):
    whole = np.arange(60, dtype=np.float32).reshape(20, 3)
    made = tmp_path / "descriptors" / "a.parts"
    made.mkdir(parents=True)
    for number, rows in enumerate(np.split(whole, [7, 12])):
        np.save(made / f"{number}.npy", rows)
    return made, whole


def test_a_folder_of_parts_is_a_source(parts, folder):
    path, whole = folder
    source = open_source(path)
    assert source.shape == whole.shape
    for start in range(21):
        for stop in range(start, 21):
            np.testing.assert_array_equal(source.read(start, stop), whole[start:stop])


def test_it_is_a_set_of_its_case(parts, folder):
    path, _ = folder
    assert find_case(path.parents[1]).descriptors == {"a": path}
    assert find_case(path).descriptors == {"a": path}


def test_the_state_of_a_folder_is_that_of_its_files(folder):
    path, whole = folder
    first = fingerprint(path)
    assert fingerprint(path) == first
    np.save(path / "1.npy", whole[7:12] + 1)
    changed = fingerprint(path)
    assert changed["size"] == first["size"]
    assert changed["blake2b"] != first["blake2b"]


def test_without_its_reader_it_is_none(folder):
    path, _ = folder
    with pytest.raises(SourceError, match="is not known"):
        open_source(path)
