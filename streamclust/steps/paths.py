"""Image paths of the rows, in the store."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from streamclust.events import Events
from streamclust.sources import fingerprint
from streamclust.sources.case import iter_paths
from streamclust.workspace import Workspace, stage_array
from streamclust.workspace import fingerprint as digest

PATH = "images/path"
_CHUNK = 65_536


def store_paths(workspace: Workspace, file: Path, n_rows: int, events: Events) -> None:
    """Write the paths of all rows, unless they are there."""
    mark = digest("paths", 1, fingerprint(file))
    if workspace.restore(PATH, mark):
        return
    with workspace.staging() as staged, events.passing(file.name, n_rows) as advance:
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
