"""A demonstration case out of nothing: drawn vehicles in the reference's layout."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
