"""What the choice among clusterings takes beside indices: borders, groups, gaps, consensus."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamclust.choice.agreement import adjusted_mutual_information, occupied
from streamclust.choice.gap import MOST_ROWS, Structureless, gap
from streamclust.choice.group_count import COLUMNS, MOST_COMPONENTS
from streamclust.choice.sample_evidence import SAMPLE_ROWS, groups, overlap, separated
from streamclust.choice.tables import GROUPS, measured
from streamclust.clustering.kmeans_sweep import ignore_convergence
from streamclust.memory import MIB, Need
from streamclust.passes.accumulators.contingency import Contingency
from streamclust.passes.accumulators.sample import UniformSample
from streamclust.passes.blocks import Columns, Rows
from streamclust.passes.verbs import Passes
from streamclust.store.job import Job

STEP = "evidence"
VERSION = 4
# Noise leaves the tight rows to the clusters: their gap would be no merit.
_MOST_NOISE = 0.001


def evidence(job: Job, descriptor: str) -> None:
    """Gather the evidence of the measured clusterings of one set that have none yet.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    path = f"descriptors/{descriptor}"
    root = job.workspace.root[f"{path}/clusterings"]
    found: dict[str, dict[str, Any]] = {
        name: {"version": VERSION}
        for name in job.workspace.clusterings(descriptor)
        if root[name].attrs.get(STEP, {}).get("version") != VERSION
    }
    if not found:
        job.skip(STEP, descriptor)
        return
    rows = job.rows_of(descriptor, "reduced")
    clusterings = {name: root[name] for name in found}
    n_clusters = [int(own.attrs["n_clusters"]) for own in clusterings.values()]
    needs = evidence_needs(descriptor, rows, n_clusters)
    mixed = job.set(descriptor).mixed_labels
    with job.step(STEP, descriptor, needs, rows.n_rows) as passes:
        # Columns of 0 and 1 fall into few places: borders and gaps say nothing of them.
        if mixed is None:
            for name, told in _gaps(job, descriptor, passes, clusterings).items():
                found[name].update(told)
            _borders(job, descriptor, passes, clusterings, found)
        else:
            for name, told in _consensus(passes, clusterings, *mixed).items():
                found[name].update(told)
        for name, told in found.items():
            job.workspace.annotate(f"{path}/clusterings/{name}", **{STEP: told})


def _borders(
    job: Job,
    descriptor: str,
    passes: Passes,
    clusterings: dict[str, Any],
    found: dict[str, dict[str, Any]],
) -> None:
    """Find the separated clusters and, where groups overlap, how many there are in the set."""
    rows, seed = job.rows_of(descriptor, "reduced"), job.settings.random_state
    drawn = UniformSample(SAMPLE_ROWS, seed)
    sample = passes.reduce("sampling rows", rows.having(numbered=True), drawn).result()[0]
    clusters = [(own["means"][...], own["sizes"][...]) for own in clusterings.values()]
    for told, number in zip(found.values(), separated(sample, clusters, passes), strict=True):
        told["separated"] = number
    lines = [
        {**line, **found.get(line["name"], {})} for line in measured(job.workspace, descriptor)
    ]
    reduced = f"descriptors/{descriptor}/reduced"
    known = job.workspace.root[reduced].attrs.get(GROUPS, {})
    made_of = {"version": VERSION, "seed": seed}
    if overlap(lines) and known.get("made_of") != made_of:
        told = {"number": groups(sample, passes, seed), "made_of": made_of}
        job.workspace.annotate(reduced, **{GROUPS: told})


def _consensus(
    passes: Passes, clusterings: dict[str, Any], labels: Any, n_codes: list[int]
) -> dict[str, dict[str, float]]:
    """How well each clustering agrees with the labels that a consensus mixes.

    The mean over them of the mutual information (Strehl, A. & Ghosh, J. (2002). Cluster ensembles:
    a knowledge reuse framework for combining multiple partitions. Journal of Machine Learning
    Research 3), here adjusted for chance, which grows with the number of clusters.
    """
    n_mixed = len(n_codes)
    own_codes = [int(own.attrs["n_clusters"]) for own in clusterings.values()]
    pairs = [(n_mixed + i, j) for i in range(len(own_codes)) for j in range(n_mixed)]
    rows = Rows(labels, extras=(Columns([own["labels"] for own in clusterings.values()]),))
    counts = Contingency([*n_codes, *own_codes], pairs)
    tables = passes.reduce("agreement", rows, counts).result()
    values = np.reshape([adjusted_mutual_information(occupied(t)) for t in tables], (-1, n_mixed))
    told = ({"consensus": float(value)} for value in values.mean(axis=1))
    return dict(zip(clusterings, told, strict=True))


def evidence_needs(descriptor: str, rows: Rows, n_clusters: Sequence[int]) -> list[Need]:
    """Memory of the sample, and of the rows that are drawn and clustered beside it."""
    k = max(MOST_COMPONENTS, *n_clusters)
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
    job: Job, descriptor: str, passes: Passes, clusterings: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """The gap of each clustering without noise, where it is defined."""
    scatter = job.workspace.root[f"descriptors/{descriptor}/pca/reduced_scatter"][...]
    n_valid = job.n_valid(descriptor)
    scores = {name: own.attrs["scores"] for name, own in clusterings.items()}
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
    found: dict[str, dict[str, float]] = {name: {} for name in clusterings}
    for name, k in judged.items():
        value, error = gap(within[k], scores[name]["inertia"], sum(scores[name]["sizes"]))
        if value == value:
            found[name] = {"gap": value, "gap_error": error}
    return found
