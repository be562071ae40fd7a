"""Nearest neighbours: exact in memory, and the graph of all rows out of core."""

from streamclust.models.neighbors.exact import exact_neighbors
from streamclust.models.neighbors.graph import GraphReport, neighbor_graph
from streamclust.models.neighbors.needs import graph_needs
from streamclust.models.neighbors.search import Neighbors
from streamclust.models.neighbors.settings import GraphSettings

__all__ = [
    "GraphReport",
    "GraphSettings",
    "Neighbors",
    "exact_neighbors",
    "graph_needs",
    "neighbor_graph",
]
