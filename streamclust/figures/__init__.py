"""Pictures of results as PNG files: plain arrays in, one file out.

Drawn with matplotlib's objects on the Agg canvas, never with pyplot: no global state is read
or left behind, so figures can be drawn in any thread and look the same on every machine.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
