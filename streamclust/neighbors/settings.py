"""What graph of neighbours is wanted, how it is searched for, and the memory that this takes."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import Need
from streamclust.neighbors.cells import number_of_cells, sample_size
from streamclust.neighbors.search import HELD_A_NEIGHBOR, PRODUCT_BYTES
from streamclust.neighbors.shards import (
    COMPILED,
    SHARD_ROWS,
    candidates_a_row,
    descent_bytes,
    number_of_shards,
)
from streamclust.neighbors.shuffle import BUNDLE_ROWS
from streamclust.passes.blocks import Rows

MOST_PROBES = 64
MOST_OVERLAP = 4

Algorithm = Literal["auto", "exact", "nn_descent"]


@dataclass(frozen=True)
class GraphSettings:
    """What graph is wanted.

    Parameters
    ----------
    n_neighbors : int
    probes : int
        Cells searched for each row; half as many more, up to 64, until `recall` is reached.
    recall : float
        Share of the true neighbours to be found, estimated on a sample of rows.
    seed : int
    algorithm : {"auto", "exact", "nn_descent"}
        "auto" searches the cells nearest to each row, and "exact" all rows, which takes time in
        proportion to the square of their number. "nn_descent" is pynndescent's within overlapping
        shards: measured to be no faster, with 20 to 40 seconds of compiling in each process.
    overlap : int
        Shards that NN-descent puts each row in; one more, up to 4, until `recall` is reached.

    Raises
    ------
    SettingsError
        A setting makes no sense, or NN-descent is asked for where pynndescent is not installed.
    """

    n_neighbors: int = 15
    probes: int = 18
    recall: float = 0.95
    seed: int = 0
    algorithm: str = "auto"
    overlap: int = 2

    def __post_init__(self) -> None:
        if self.n_neighbors < 1:
            raise SettingsError(f"a graph has at least 1 neighbour a row, not {self.n_neighbors}")
        if not 1 <= self.probes <= MOST_PROBES:
            raise SettingsError(f"1 to {MOST_PROBES} cells are searched, not {self.probes}")
        if not 0 <= self.recall <= 1:
            raise SettingsError(f"recall is a share from 0 to 1, not {self.recall}")
        if not 1 <= self.overlap <= MOST_OVERLAP:
            raise SettingsError(f"shards overlap 1 to {MOST_OVERLAP} times, not {self.overlap}")
        if self.algorithm not in get_args(Algorithm):
            known = ", ".join(get_args(Algorithm))
            raise SettingsError(f"algorithm is one of {known}, not {self.algorithm!r}")
        if self.algorithm == "nn_descent" and find_spec("pynndescent") is None:
            raise SettingsError("nn_descent needs pynndescent: pip install pynndescent, or auto")

    def n_cells(self, n_rows: int) -> int:
        """Cells, or shards, that so many rows are partitioned into."""
        return (number_of_shards if self.algorithm == "nn_descent" else number_of_cells)(n_rows)

    def efforts(self, n_cells: int) -> list[int]:
        """How many of the cells, or shards, are searched for each row, one try after another."""
        if self.algorithm == "exact":
            return [1]
        if self.algorithm == "nn_descent":
            return list(range(min(self.overlap, n_cells), min(MOST_OVERLAP, n_cells) + 1))
        efforts = [min(self.probes, n_cells)]
        while efforts[-1] < min(MOST_PROBES, n_cells):
            efforts.append(min(-(-3 * efforts[-1] // 2), n_cells, MOST_PROBES))
        return efforts


def graph_needs(name: str, rows: Rows, settings: GraphSettings, *, grouped: bool) -> list[Need]:
    """Memory of the sample that cells are learned from, of sorting blocks, and of searching.

    Parameters
    ----------
    name : str
        Of the step, for messages.
    rows : Rows
        Of the blocks that are read, 8 MiB each as a rule.
    settings : GraphSettings
    grouped : bool
        Whether rows have groups.

    Returns
    -------
    list of Need
    """
    descending = settings.algorithm == "nn_descent"
    row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
    single = rows.n_columns * 4
    n_cells = settings.n_cells(rows.n_rows)
    sample = min(sample_size(n_cells), rows.n_rows) * (row_bytes + 16)
    copies, probes = (MOST_OVERLAP, 1) if descending else (1, MOST_PROBES)
    record = single + 2 * probes + 16
    block = rows.rows_a_block * (2 * row_bytes + 2 * copies * record)
    tables = 8 * n_cells * (2 * -(-rows.n_rows // rows.rows_a_block) + 16)
    k, lists = settings.n_neighbors, 2 if grouped else 1
    bundle_rows = min(SHARD_ROWS if descending else BUNDLE_ROWS, copies * rows.n_rows)
    list_bytes = 2 * 12 * k * lists
    bundle = bundle_rows * (2 * (record + single) + list_bytes) + PRODUCT_BYTES
    if descending:
        # One shard at a time is descended in; others wait with their rows and candidates.
        tables += COMPILED + descent_bytes(bundle_rows, k, grouped=grouped)
        bundle += 8 * bundle_rows * candidates_a_row(k, grouped=grouped)
    else:
        bundle += bundle_rows * k * lists * HELD_A_NEIGHBOR
    seeding = Need(name, fixed=4 * sample, per_block=2 * block)
    sorting = Need(name, fixed=tables, per_block=block)
    return [seeding, sorting, Need(name, fixed=tables, per_block=bundle)]
