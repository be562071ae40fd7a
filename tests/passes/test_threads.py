"""BLAS and OpenMP are held to one thread inside of tasks, in whichever thread they run."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from streamclust.passes import LocalExecutor, threads
from streamclust.passes.threads import single_threaded


def counts(_=None):
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def held(_):
    return [counts(), threading.get_ident()]


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_in_every_thread_of_a_pool(n_workers):
    import sklearn.cluster  # noqa: F401

    before = counts()
    seen = list(LocalExecutor(n_workers).map(held, range(40)))
    assert {n for found, _ in seen for n in found.values()} == {1}
    assert counts() == before


def blas():
    pools = threadpool_info()
    return {one["filepath"]: one["num_threads"] for one in pools if one["user_api"] == "blas"}


def test_until_the_last_one_lets_go():
    before = blas()
    first, second = single_threaded(), single_threaded()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas().values()) == {1}
    second.__exit__(None, None, None)
    assert blas() == before


def test_whichever_thread_held_them_before():
    """Newer versions of threadpoolctl heed one thread only, until that one lets go."""
    with ThreadPoolExecutor(1) as pool:
        for within in (lambda: pool.submit(held_for_a_moment).result(), held_for_a_moment):
            assert within() == {1}
        with threadpool_limits(2, user_api="blas"):
            assert pool.submit(held_for_a_moment).result() == {1}


def held_for_a_moment():
    with single_threaded():
        return set(blas().values())


def test_what_is_loaded_later_is_held_too(monkeypatch):
    """As many modules as there were: nothing to look for; one more, and libraries may have come."""
    looked = []
    found = threads._found.__wrapped__
    monkeypatch.setattr(threads, "_found", lambda n: looked.append(n) or found(n))
    with single_threaded():
        pass
    monkeypatch.setitem(sys.modules, "a module that brings a library", threads)
    with single_threaded():
        pass
    assert looked[1] == looked[0] + 1
