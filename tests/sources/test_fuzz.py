"""Damaged files, made by chance: each is read whole or refused in one line, as `scripts/fuzz` has
it for many more."""

import runpy
import warnings
from collections import Counter
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz"


def test_nothing_but_our_own_errors_comes_out(tmp_path):
    outcome = runpy.run_path(str(SCRIPT))["outcome"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = [outcome(tmp_path, 7, number) for number in range(600)]
    assert set(told) == {"read", "refused"}
    assert min(Counter(told).values()) > 60
