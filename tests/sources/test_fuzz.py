"""Damaged inputs, made by chance: each is read whole or refused in one line, as `scripts/fuzz` has
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
        told = Counter(outcome(tmp_path, 7, number) for number in range(1_500))
    kinds = {kind for kind, _ in told}
    assert set(told) == {(kind, end) for kind in kinds for end in ("read", "refused")}
    assert len(kinds) == 9
    assert min(told.values()) > 10
