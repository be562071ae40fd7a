"""Cluster image descriptors that do not fit in memory."""

import lazy_loader

# Names are imported on first use: the command line answers --help without scikit-learn.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
