"""Going through all rows: what a block is, the three verbs, and the executors that run them."""

from streamclust.passes.blocks import Rows
from streamclust.passes.local import LocalExecutor
from streamclust.passes.verbs import Executor, Passes

__all__ = ["Executor", "LocalExecutor", "Passes", "Rows"]
