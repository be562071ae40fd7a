"""The streaming pickle writer against pickle itself; the memory of a whole run."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from streamclust.demo.writing import PickledArray, _head


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4"])
def test_large_arrays_are_written_as_pickle_writes_them(tmp_path, dtype):
    array = np.random.default_rng(0).normal(size=(700, 60)).astype(dtype)
    with PickledArray(tmp_path / "array", array.shape, array.dtype) as file:
        for start in range(0, 700, 256):
            file.append(array[start : start + 256])
    assert (tmp_path / "array").read_bytes() == pickle.dumps(array, protocol=4)


@pytest.mark.parametrize("rows", [0, 1])
def test_small_arrays_load(tmp_path, rows):
    array = np.full((rows, 3), 0.5, dtype=np.float32)
    with PickledArray(tmp_path / "array", array.shape, array.dtype) as file:
        file.append(array)
    loaded = pickle.loads((tmp_path / "array").read_bytes())
    np.testing.assert_array_equal(loaded, array)
    assert loaded.dtype == np.float32


def test_more_than_four_gigabytes_are_announced_in_eight_bytes():
    shape = (2**21, 2560)
    size = 2**21 * 2560 * 4
    assert _head(shape, np.dtype(np.float32)).endswith(b"\x8e" + size.to_bytes(8, "little"))


def test_a_block_that_does_not_fit_is_refused(tmp_path):
    with PickledArray(tmp_path / "array", (2, 3), np.dtype(np.float32)) as file:
        with pytest.raises(ValueError, match="do not fit"):
            file.append(np.zeros((2, 4), dtype=np.float32))
        with pytest.raises(ValueError, match="do not fit"):
            file.append(np.zeros((3, 3), dtype=np.float32))
        file.append(np.zeros((2, 3), dtype=np.float32))


def test_missing_rows_are_noticed(tmp_path):
    file = PickledArray(tmp_path / "array", (2, 3), np.dtype(np.float32))
    file.append(np.zeros((1, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="1 rows written of 2"):
        file.close()


PEAK = """
import resource, sys
from pathlib import Path
from streamclust.demo import make_case
make_case(sys.argv[1], rows=int(sys.argv[2]), images=False)
status = Path("/proc/self/status")
if status.exists():
    # On Linux ru_maxrss begins at what the process held that started this one.
    peak = next(line for line in status.read_text().splitlines() if "VmHWM" in line)
    print(int(peak.split()[1]) * 2**10)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path):
    def peak(rows):
        folder = str(tmp_path / str(rows))
        run = [sys.executable, "-c", PEAK, folder, str(rows)]
        return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)

    few, many = peak(20_000), peak(60_000)
    # The 40,000 rows more are 566 MiB; what threads happen to hold at once differs by a chunk.
    assert many < few + 24 * 2**20
    assert many < 300 * 2**20


def test_importing_the_demo_is_cheap():
    code = (
        "import sys; import streamclust.api, streamclust.demo\n"
        "print('PIL' in sys.modules, 'scipy' in sys.modules)"
    )
    run = [sys.executable, "-c", code]
    out = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    assert out.split() == ["False", "False"]
