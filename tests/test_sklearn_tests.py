"""scikit-learn's own tests of one class of ours; `scripts/sklearn_tests` runs them of all."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scikit_learn_tests.md"


def test_failures_are_those_that_are_listed():
    (listed,) = re.findall(r"that of scikit-learn (\d+\.\d+)", PAGE.read_text())
    if not sklearn.__version__.startswith(f"{listed}."):
        pytest.skip(f"the list is that of scikit-learn {listed}")
    command = [sys.executable, ROOT / "scripts" / "sklearn_tests", "test_incremental_pca"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "3 failed" in done.stdout
