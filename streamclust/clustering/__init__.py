"""Clusterings of all rows for every k of a sweep: `streamclust.registries.ALGORITHMS`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
