"""Which clustering of a set to recommend: indices, stability, evidence, and the rule."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
