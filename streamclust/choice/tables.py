"""The clusterings of a workspace as tables: one line a clustering, one a cluster."""

from typing import Any

from streamclust.choice.stored_recommendation import measured, stored_choice
from streamclust.memory import MIB
from streamclust.store import (
    COST,
    Workspace,
    stored_clusterings,
)

METRICS = (
    "set",
    "algorithm",
    "n_clusters",
    "calinski_harabasz",
    "davies_bouldin",
    "silhouette_simplified",
    "inertia",
    "explained",
    "smallest_cluster",
    "recommended",
    "silhouette",
    "silhouette_low",
    "silhouette_high",
    "gap",
    "gap_error",
    "stability",
    "bic",
    "largest_cluster",
    "effective_clusters",
    "noise",
    "separated",
    "groups",
    "consensus",
)
# What it took to fit and label the whole sweep that a clustering is of: no two runs are alike.
COSTS = ("set", "algorithm", "n_clusters", "seconds", "peak_mib")
CLUSTERS = ("set", "algorithm", "n_clusters", "cluster", "size", "share")


def metrics_table(workspace: Workspace, descriptors: list[str]) -> list[dict[str, Any]]:
    """The lines of metrics.csv."""
    table = []
    for descriptor in descriptors:
        name, _ = stored_choice(workspace, descriptor)
        for line in measured(workspace, descriptor):
            line["recommended"] = line["name"] == name
            # What is not known is an empty cell.
            known = {column: value for column, value in line.items() if value == value}
            table.append({column: known.get(column) for column in METRICS})
    return table


def costs_table(workspace: Workspace, descriptors: list[str]) -> list[dict[str, Any]]:
    """The lines of costs.csv."""
    table = []
    for descriptor in descriptors:
        for clustering in stored_clusterings(workspace, descriptor):
            cost = clustering.known(COST)
            if cost is not None:
                took = (f"{number:.1f}" for number in (cost["seconds"], cost["peak"] / MIB))
                about = descriptor, clustering.algorithm, clustering.n_clusters
                table.append(dict(zip(COSTS, (*about, *took), strict=True)))
    return table


def clusters_table(workspace: Workspace, descriptors: list[str]) -> list[dict[str, Any]]:
    """The lines of clusters.csv."""
    table = []
    for descriptor in descriptors:
        for line in measured(workspace, descriptor):
            total = sum(line["sizes"])
            for cluster, size in enumerate(line["sizes"]):
                cells = {**line, "cluster": cluster, "size": size, "share": size / total}
                table.append({column: cells[column] for column in CLUSTERS})
    return table
