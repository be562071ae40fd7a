"""Memory that the graph of neighbours takes."""

import numpy as np

from streamclust.memory import Need
from streamclust.neighbors.cells import sample_size
from streamclust.neighbors.search import HELD_A_NEIGHBOR, PRODUCT_BYTES
from streamclust.neighbors.settings import MOST_OVERLAP, MOST_PROBES, GraphSettings
from streamclust.neighbors.shards import COMPILED, SHARD_ROWS, candidates_a_row, descent_bytes
from streamclust.neighbors.shuffle import BUNDLE_ROWS
from streamclust.passes.blocks import Rows


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
    found = 2 * 12 * k * lists
    bundle = bundle_rows * (2 * (record + single) + found) + PRODUCT_BYTES
    if descending:
        # One shard at a time is descended in; others wait with their rows and candidates.
        tables += COMPILED + descent_bytes(bundle_rows, k, grouped=grouped)
        bundle += 8 * bundle_rows * candidates_a_row(k, grouped=grouped)
    else:
        bundle += bundle_rows * k * lists * HELD_A_NEIGHBOR
    seeding = Need(name, fixed=4 * sample, per_block=2 * block)
    sorting = Need(name, fixed=tables, per_block=block)
    return [seeding, sorting, Need(name, fixed=tables, per_block=bundle)]
