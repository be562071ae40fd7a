"""Measures of how unusual each row of a set is: `streamclust.registries.OUTLIER_MEASURES`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
