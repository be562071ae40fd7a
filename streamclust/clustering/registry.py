"""Clustering algorithms, one module each, found by name.

To add one, write a module with a class that is an `Algorithm` (see `base`) and an instance of it
called ``ALGORITHM``, and enter its name in `streamclust.settings.ALGORITHMS`: ``gaussian-mixture``
is in ``gaussian_mixture.py``.
"""

from importlib import import_module

from streamclust.clustering.base import Algorithm, Clustering, Continuing, Labeller

__all__ = ["Algorithm", "Clustering", "Continuing", "Labeller", "load_algorithm"]


def load_algorithm(name: str) -> Algorithm:
    """The algorithm of this name; its module, which may bring heavy libraries, is imported now."""
    return import_module(f"streamclust.clustering.{name.replace('-', '_')}").ALGORITHM
