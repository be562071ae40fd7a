"""BLAS and OpenMP held to one thread, asked for at every pass."""

import functools
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> Any:
    """A limit from now on, of OpenMP for this thread alone; as a context manager, of the block.

    The libraries are looked for again only once more modules are imported, with which libraries
    come: it takes as long as a pass over thousands of rows.
    """
    return _libraries(len(sys.modules)).limit(limits=1)


@functools.lru_cache(maxsize=1)
def _libraries(n_modules: int) -> ThreadpoolController:
    # They are told to a callback from C, where Ctrl-C would leave some out: hence not in the main
    # thread, which alone hears it.
    with ThreadPoolExecutor(1) as other_thread:
        return other_thread.submit(ThreadpoolController).result()
