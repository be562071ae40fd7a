"""Image paths of the rows, in the store."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from streamclust.memory import MIB, Need
from streamclust.sources import fingerprint
from streamclust.sources.case import iter_paths
from streamclust.steps.job import Job
from streamclust.workspace import fingerprint as digest
from streamclust.workspace import stage_array

PATH = "images/path"
STEP = "paths"
_CHUNK = 65_536
# A chunk of long paths as Python strings, twice: as they are read, and as they are stored.
NEED = Need("paths", fixed=64 * MIB)


def store_paths(job: Job, file: Path | None, n_rows: int) -> None:
    """Write the paths of all rows, unless they are there; those of another case are put aside."""
    workspace = job.workspace
    if file is None:
        workspace.archive(PATH)
        return
    mark = digest(STEP, 1, fingerprint(file))
    if workspace.restore(PATH, mark):
        job.skip(STEP, None)
        return
    with (
        job.step(STEP, None, [NEED], n_rows),
        workspace.staging() as staged,
        job.events.passing(file.name, n_rows) as advance,
    ):
        array = stage_array(staged, "path", (n_rows,), str, _CHUNK, fill_value="")
        start = 0
        for block in batched_paths(file):
            array[start : start + len(block)] = block
            start += len(block)
            advance(len(block))
        workspace.publish(array, PATH, mark)


def batched_paths(file: Path) -> Iterator[np.ndarray]:
    """Paths in blocks of the store's chunks, as they stand in the file."""
    paths = iter_paths(file)
    while block := list(islice(paths, _CHUNK)):
        yield np.array(block, dtype=object)
