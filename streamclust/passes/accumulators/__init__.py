"""Statistics that see the rows once, block by block, in any split and any order of merging.

An accumulator is made empty; `update` shows it a block of rows, `merge` joins it with another
that saw other rows, `result` tells what it knows. An empty one is the identity of `merge`, and
merging is associative to rounding, so a pass may be cut anywhere and run anywhere.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
