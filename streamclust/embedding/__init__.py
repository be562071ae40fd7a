"""Descriptors of images that have none yet: by a network in ONNX, or by simple features."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
