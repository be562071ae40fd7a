"""Images that are there more than once: duplicates.csv, from the neighbour graphs of the sets."""

from collections.abc import Iterator
from typing import Any

from streamclust.memory import MIB, Need
from streamclust.models.duplicates import (
    COLUMNS,
    NEAR,
    NEAR_IN_SEVERAL,
    DuplicateGroups,
    NearPairs,
    common_groups,
    duplicate_groups,
)
from streamclust.outputs import Outputs
from streamclust.passes import Passes, Rows
from streamclust.steps.job import Job
from streamclust.steps.neighbors import usual_distance
from streamclust.steps.paths import PATH, parts_with_paths
from streamclust.workspace import fingerprint

STEP = "duplicates"
BYTES_A_ROW = 168
FILE = "duplicates.csv"


def duplicates(job: Job, sets: list[str], outputs: Outputs) -> None:
    """Write duplicates.csv: rows that nearly coincide in every set.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    workspace = job.workspace
    made_of = [workspace.fingerprint_of(f"descriptors/{name}/neighbors") for name in sets]
    mark = fingerprint(STEP, 2, made_of, workspace.fingerprint_of(PATH))
    if outputs.is_current(FILE, mark):
        job.skip(STEP, None)
        return
    first = workspace.root[f"descriptors/{sets[0]}/neighbors/indices"]
    share = NEAR if len(sets) == 1 else NEAR_IN_SEVERAL
    needs = duplicate_needs(first.shape[0], first.chunks[0], first.shape[1])
    with job.step(STEP, None, needs, first.shape[0]) as passes:
        groups = common_groups(_of_set(job, passes, name, share) for name in sets)
        outputs.table(FILE, COLUMNS, _lines(job, groups), mark)


def duplicate_needs(n_rows: int, chunk: int, n_neighbors: int) -> list[Need]:
    """Memory of the pairs, were every row a duplicate, and of the graph's blocks."""
    block = chunk * n_neighbors * (8 + 4 + 16)
    return [Need(STEP, fixed=n_rows * BYTES_A_ROW + 16 * MIB, per_block=2 * block)]


def _lines(job: Job, groups: DuplicateGroups) -> Iterator[dict[str, Any]]:
    for part, paths in parts_with_paths(job.workspace, groups.row):
        yield from groups[part].lines(paths)


def _of_set(job: Job, passes: Passes, name: str, share: float) -> DuplicateGroups:
    path = f"descriptors/{name}"
    graph = job.workspace.root[f"{path}/neighbors"]
    scale = usual_distance(graph)
    valid = job.rows_of(name, "space/reduced").valid
    indices, distances = graph["indices"], graph["distances"]
    rows = Rows(distances, valid, (indices,), numbered=True, rows_a_block=indices.chunks[0])
    pairs = passes.reduce(f"{name}: near pairs", rows, NearPairs(scale, share)).result()
    return duplicate_groups(pairs, share)
