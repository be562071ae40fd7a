"""The tables for people: labels.csv, metrics.csv and clusters.csv."""

import csv

from streamclust.outputs import Outputs
from streamclust.steps.job import Job
from streamclust.steps.paths import PATH
from streamclust.steps.tables import CLUSTERS, METRICS, choose, clusters_table, metrics_table

_ROWS = 65_536


def export(job: Job, outputs: Outputs) -> None:
    """Write the tables from all that is in the workspace.

    labels.csv has a column a set, with the labels of its recommended clustering; rows that were
    masked have label -1. A set without a recommended clustering has none.
    """
    workspace = job.workspace
    stored = workspace.descriptors
    outputs.table("metrics.csv", METRICS, metrics_table(workspace, stored))
    outputs.table("clusters.csv", CLUSTERS, clusters_table(workspace, stored))
    _labels(job, outputs)


def _labels(job: Job, outputs: Outputs) -> None:
    root = job.workspace.root
    labels = {}
    for descriptor in job.workspace.descriptors:
        name, _ = choose(job.workspace, descriptor)
        if name is not None:
            labels[descriptor] = root[f"descriptors/{descriptor}/clusterings/{name}/labels"]
    if not labels:
        return
    paths = job.workspace.get(PATH)
    n_rows = next(iter(labels.values())).shape[0]
    with (
        outputs.text("labels.csv") as file,
        job.events.passing("labels.csv", n_rows) as advance,
    ):
        writer = csv.writer(file)
        writer.writerow(["row", "path", *labels])
        for start in range(0, n_rows, _ROWS):
            stop = min(start + _ROWS, n_rows)
            names = [""] * (stop - start) if paths is None else paths[start:stop].tolist()
            columns = [array[start:stop].tolist() for array in labels.values()]
            writer.writerows(zip(range(start, stop), names, *columns, strict=True))
            advance(stop - start)
