"""What the choice among clusterings takes beside their indices: empty borders, and gaps."""

import warnings
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from streamclust.accumulators.sample import UniformSample
from streamclust.memory import MIB, Need
from streamclust.models.evidence import SAMPLE_ROWS, gather
from streamclust.models.mixture_groups import COLUMNS
from streamclust.models.sample_kmeans import ignore_convergence
from streamclust.models.structureless import MOST_ROWS, Structureless, gap
from streamclust.passes import Passes, Rows
from streamclust.steps.job import Job

STEP = "evidence"
VERSION = 2
# Noise leaves the tight rows to the clusters: their gap would be no merit.
_MOST_NOISE = 0.001


def evidence(job: Job, descriptor: str) -> None:
    """Gather the evidence of the measured clusterings of one set that have none yet.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    root = job.workspace.root[f"descriptors/{descriptor}/clusterings"]
    groups = {
        name: root[name]
        for name in job.workspace.clusterings(descriptor)
        if root[name].attrs.get(STEP, {}).get("version") != VERSION
    }
    if not groups:
        job.skip(STEP, descriptor)
        return
    rows = job.rows_of(descriptor, "reduced")
    n_clusters = [int(group.attrs["n_clusters"]) for group in groups.values()]
    needs = evidence_needs(descriptor, rows, n_clusters)
    seed = job.settings.random_state
    with job.step(STEP, descriptor, needs, rows.n_rows) as passes:
        drawn = UniformSample(SAMPLE_ROWS, seed)
        sample = passes.reduce("sampling rows", rows.having(numbered=True), drawn).result()[0]
        gaps = _gaps(job, descriptor, passes, groups)
        for _, names in groupby(groups, lambda name: groups[name].attrs["algorithm"]):
            own = list(names)
            clusters = [(groups[n]["means"][...], groups[n]["sizes"][...]) for n in own]
            for name, found in zip(own, gather(sample, clusters, passes), strict=True):
                told = {"version": VERSION, **found, **gaps[name]}
                job.workspace.annotate(
                    f"descriptors/{descriptor}/clusterings/{name}", **{STEP: told}
                )


def evidence_needs(descriptor: str, rows: Rows, n_clusters: Sequence[int]) -> list[Need]:
    """Memory of the sample, and of the rows that are drawn and clustered beside it."""
    k = max(n_clusters, default=2)
    row_bytes = rows.n_columns * 8
    sample = SAMPLE_ROWS * row_bytes
    block = rows.rows_a_block * row_bytes
    drawn = 3 * MOST_ROWS * row_bytes + 3 * MOST_ROWS * k * 8
    borders = SAMPLE_ROWS * (32 * 8 + 3 * k * 8)
    # A mixture's products of its columns, of all rows, and twice while they are made.
    products = 3 * SAMPLE_ROWS * 8 * COLUMNS * (COLUMNS + 1) // 2
    means = sum(n_clusters) * row_bytes
    name = f"{STEP} of {descriptor}"
    return [
        Need(name, fixed=sample, per_block=2 * block),
        Need(
            name, fixed=sample + means, per_block=max(drawn, borders + sample, products) + 8 * MIB
        ),
        Need(name, fixed=sample + means + products, per_block=borders),
    ]


def _gaps(
    job: Job, descriptor: str, passes: Passes, groups: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """The gap of each clustering without noise, where it is defined."""
    scatter = job.workspace.root[f"descriptors/{descriptor}/pca/reduced_scatter"][...]
    n_valid = job.n_valid(descriptor)
    scores = {name: group.attrs["scores"] for name, group in groups.items()}
    judged = {
        name: len(own["sizes"])
        for name, own in scores.items()
        if 1 <= len(own["sizes"]) <= n_valid // 2 and own["noise"] <= _MOST_NOISE
    }
    ks = sorted(set(judged.values()))
    reference = Structureless(np.atleast_2d(scatter) / n_valid, n_valid, job.settings.random_state)
    with warnings.catch_warnings():
        ignore_convergence()
        within = dict(zip(ks, passes.map("structureless data", reference, ks, "k"), strict=True))
    found: dict[str, dict[str, float]] = {name: {} for name in groups}
    for name, k in judged.items():
        value, error = gap(within[k], scores[name]["inertia"], sum(scores[name]["sizes"]))
        if value == value:
            found[name] = {"gap": value, "gap_error": error}
    return found
