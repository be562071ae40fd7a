"""Sets clustered for every k of a sweep and measured, and a sweep that goes on past its edge."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from streamclust.errors import MemoryBudgetError
from streamclust.planning import check_sweep_budget
from streamclust.settings import AUTO
from streamclust.steps.cluster import check_rows, cluster
from streamclust.steps.evidence import evidence
from streamclust.steps.job import Job
from streamclust.steps.measure import measure
from streamclust.steps.stability import stability
from streamclust.steps.tables import choose

# An automatic sweep ends where clusters would be so many, or so small.
MOST_CLUSTERS = 500
LEAST_ROWS_A_CLUSTER = 20


def cluster_sets(job: Job, descriptors: Sequence[str]) -> None:
    """Cluster and measure sets; the automatic sweep of one goes on while its best lies at the edge.

    Raises
    ------
    SettingsError
        When a set has fewer distinct rows than clusters are asked for; before any is clustered.
    MemoryBudgetError
        When a step does not fit the budget.
    """
    check_rows(job, descriptors)
    for descriptor in descriptors:
        _cluster_set(job, descriptor)


def cluster_only(job: Job, descriptors: Sequence[str]) -> None:
    """Cluster sets for the k of the settings, and leave it at that; errors as `cluster_sets`."""
    check_rows(job, descriptors)
    for descriptor in descriptors:
        cluster(job, descriptor)


def _cluster_set(job: Job, descriptor: str) -> None:
    """Cluster and measure a set; an automatic sweep goes on while its best lies at the edge."""
    cluster(job, descriptor)
    measure_set(job, descriptor)
    while job.settings.n_clusters == AUTO and (wider := _wider(job, descriptor)):
        further = replace(job, settings=job.settings.having(**wider))
        try:
            check_sweep_budget(further, descriptor)
        except MemoryBudgetError as error:
            job.events.warn(f"{descriptor}: the sweep is not widened: {error}")
            return
        ks = wider["n_clusters"]
        job.events.note(
            f"{descriptor}: the best lies at the upper edge: on to k = {ks[0]} to {ks[-1]}"
        )
        if not cluster(further, descriptor, wider["n_clusters"]):
            return
        measure_set(further, descriptor)


def measure_set(job: Job, descriptor: str) -> None:
    """Measure the clusterings of a set, and gather what else the choice among them takes."""
    measure(job, descriptor)
    stability(job, descriptor)
    evidence(job, descriptor)


def _wider(job: Job, descriptor: str) -> dict[str, Any]:
    """Settings of the sweep that goes on from the recommended clustering; empty where it does not
    lie at the upper edge, or there are too few rows to go on."""
    name, choice = choose(job.workspace, descriptor)
    if name is None or choice.edge != "upper":
        return {}
    attributes = job.workspace.root[f"descriptors/{descriptor}/clusterings/{name}"].attrs
    last = int(attributes["n_clusters"])
    most = min(MOST_CLUSTERS, job.n_valid(descriptor) // LEAST_ROWS_A_CLUSTER)
    # Steps of a tenth of k: where groups are many, no index tells neighbouring k apart.
    ks = tuple(k for k in range(last + 1, 2 * last + 1, max(1, last // 10)) if k <= most)
    return {"algorithms": (attributes["algorithm"],), "n_clusters": ks} if ks else {}
