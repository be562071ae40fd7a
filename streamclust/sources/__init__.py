"""What comes in: descriptor files, lists of paths, tables of what is known of rows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
