"""Going through all rows: what a block is, the three verbs, and the executors that run them."""

from .blocks import Rows
from .local import LocalExecutor
from .verbs import Executor, Passes

__all__ = ["Executor", "LocalExecutor", "Passes", "Rows"]
