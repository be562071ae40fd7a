"""What a call allocates, as the tests of stated needs measure it."""

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any


def traced(call: Callable[[], Any], repeats: int = 3) -> tuple[int, int]:
    """Bytes that a call leaves allocated while its result lives, and those at its peak.

    The least of several calls: other threads of the process allocate now and then as well.
    """
    return min((_once(call) for _ in range(repeats)), key=lambda taken: taken[1])


def _once(call: Callable[[], Any]) -> tuple[int, int]:
    gc.collect()
    tracemalloc.start()
    try:
        kept = call()
        taken = tracemalloc.get_traced_memory()
        del kept
    finally:
        tracemalloc.stop()
    return taken
