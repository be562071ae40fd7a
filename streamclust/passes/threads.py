"""One BLAS and OpenMP thread inside of tasks: blocks are the parallelism, and how a product is
rounded then does not depend on how many threads there are."""

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_n_held = 0
# Threads of the libraries that the whole process shares, to go back to when none is held.
_before: dict[str, tuple[Any, int]] = {}


@contextmanager
def single_threaded() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread, for what this thread computes meanwhile.

    BLAS has one limit for the process, which is lifted when the last thread lets go of it; OpenMP
    has one for each thread. It takes microseconds: tasks may be short.
    """
    global _n_held
    libraries = _libraries()
    openmp = [one for one in libraries if one.user_api == "openmp"]
    own = [(one, one.num_threads) for one in openmp]
    with _lock:
        _n_held += 1
        for library in libraries:
            if library.num_threads != 1:
                if library not in openmp:
                    _before.setdefault(library.filepath, (library, library.num_threads))
                _set(library, 1)
    try:
        yield
    finally:
        for library, n_threads in own:
            _set(library, n_threads)
        with _lock:
            _n_held -= 1
            if not _n_held:
                for library, n_threads in _before.values():
                    _set(library, n_threads)
                _before.clear()


def _set(library: Any, n_threads: int) -> None:
    # Of OpenBLAS, only the first thread that sets the number of the process is heeded until it
    # lets go; what others set is left without effect and without a word.
    let_go = getattr(library, "clear_controlling_thread", None)
    if let_go:
        let_go(force=True)
    library.set_num_threads(n_threads)
    if let_go:
        let_go(force=True)


def _libraries() -> list[Any]:
    """The libraries with threads of their own that are loaded, as threadpoolctl drives them."""
    # A library that a task loads is free until the next task: these are all that tasks load.
    import scipy.linalg  # noqa: F401
    import sklearn  # noqa: F401

    return _found(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _found(n_modules: int) -> list[Any]:
    # Looking takes milliseconds, and libraries come with modules: as long as there are no more of
    # these, what was found is all.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().lib_controllers


def arithmetic() -> str:
    """What the last bits of this process's products follow from: numpy, and its BLAS's kernels."""
    import numpy as np

    infos = [library.info() for library in _libraries()]
    kernels = {
        f"{one['internal_api']} {one['architecture']}" for one in infos if "architecture" in one
    }
    return ", ".join([f"numpy {np.__version__}", *sorted(kernels)])
