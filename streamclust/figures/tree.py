"""The top of a tree of merges, with the cut that makes the clusters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from streamclust.figures.canvas import (
    INK,
    LABEL_SIZE,
    MARK,
    QUIET,
    clean,
    fitted,
    name_axes,
    new_figure,
    save_png,
    write,
    write_title,
)
from streamclust.figures.colors import cluster_colors

# More leaves could not be told apart, nor their numbers be read.
LEAVES = 40
WIDTH = 11.4


@dataclass(frozen=True)
class Top:
    """The uppermost nodes of a tree, laid out.

    Attributes
    ----------
    nodes : ndarray of int of shape (n_leaves,)
        Nodes of the linkage matrix that are drawn as leaves, from left to right.
    rows : ndarray of shape (2 * n_points - 1,)
        Rows below each node.
    places : dict of int to float
        How far to the right each drawn node stands; leaves at 0, 1, 2, …
    clusters : ndarray of int of shape (2 * n_points - 1,)
        The cluster that each node lies in, the largest first; -1 above the cut.
    """

    nodes: np.ndarray
    rows: np.ndarray
    places: dict[int, float]
    clusters: np.ndarray


def dendrogram(
    path: Path, merges: np.ndarray, sizes: np.ndarray, n_clusters: int, title: str, note: str = ""
) -> None:
    """Draw the last merges of a tree, and where it is cut.

    Parameters
    ----------
    path : Path
        The PNG to write.
    merges : ndarray of shape (n_points - 1, 4)
        A linkage matrix of scipy.
    sizes : ndarray of shape (n_points,)
        Rows that each point stands for.
    n_clusters : int
        Where the tree is cut; its clusters are coloured as in the other figures.
    title : str
    note : str
        Said beside the number of clusters.
    """
    top = tree_top(merges, sizes, n_clusters)
    figure = new_figure(WIDTH, 6.4)
    axes = clean(figure.add_axes((0.07, 0.16, 0.915, 0.66)))
    write_title(figure, title, 0.015, 0.975)
    _write_subtitle(figure, top, n_clusters, note)
    _draw_branches(axes, merges, top, n_clusters)
    _draw_cut(axes, merges, len(top.nodes), n_clusters)
    _name_leaves(axes, top)
    name_axes(axes, y="height of the merge")
    save_png(figure, path)


def tree_top(merges: np.ndarray, sizes: np.ndarray, n_clusters: int, leaves: int = LEAVES) -> Top:
    """Lay out the uppermost `leaves` nodes of a tree, the heavier branch to the left."""
    n_points = len(merges) + 1
    below = merges[:, :2].astype(np.int64)
    rows = np.concatenate([np.asarray(sizes, np.float64), np.zeros(len(merges))])
    for i, pair in enumerate(below):
        rows[n_points + i] = rows[pair].sum()
    first_drawn = 2 * n_points - min(leaves, n_points)
    nodes: list[int] = []
    waiting = [2 * n_points - 2]
    while waiting:
        node = waiting.pop()
        if node < first_drawn:
            nodes.append(node)
        else:
            waiting += sorted(below[node - n_points], key=lambda child: rows[child])
    places = {node: float(i) for i, node in enumerate(nodes)}
    for node in range(first_drawn, 2 * n_points - 1):
        left, right = below[node - n_points]
        places[node] = (places[int(left)] + places[int(right)]) / 2
    return Top(np.array(nodes), rows, places, _clusters(below, rows, n_clusters))


def _clusters(below: np.ndarray, rows: np.ndarray, n_clusters: int) -> np.ndarray:
    n_points = len(below) + 1
    first_above = max(n_points, 2 * n_points - n_clusters)
    above = np.full(len(rows), len(rows))
    above[below] = n_points + np.arange(len(below))[:, None]
    roots = np.flatnonzero(above[:first_above] >= first_above)
    clusters = np.full(len(rows), -1)
    # Clusters of the same size are told apart as by the labels: by their order in the tree.
    clusters[roots[np.argsort(-rows[roots], kind="stable")]] = np.arange(len(roots))
    for node in range(first_above - 1, n_points - 1, -1):
        clusters[below[node - n_points]] = clusters[node]
    return clusters


def _write_subtitle(figure: Figure, top: Top, n_clusters: int, note: str) -> None:
    words = f"Cut into {n_clusters:,} cluster{'s' * (n_clusters != 1)}"
    if n_clusters > len(top.nodes):
        words += ", below what is drawn"
    words = "  ·  ".join([words, *([note] if note else [])])
    write(figure, 0.015, 0.885, fitted(words, WIDTH - 0.4, 10.5), size=10.5, color=MARK)
    n_points = (len(top.rows) + 1) // 2
    part = f"The last {len(top.nodes) - 1} merges. " if len(top.nodes) < n_points else ""
    reading = f"{part}Below each leaf its rows, and in bold its cluster."
    write(figure, 0.015, 0.845, reading, size=LABEL_SIZE, color=QUIET)


def _draw_branches(axes: Axes, merges: np.ndarray, top: Top, n_clusters: int) -> None:
    n_points = len(merges) + 1
    colors = [*cluster_colors(n_clusters), np.array([0.45, 0.48, 0.52])]
    lines, paints = [], []
    for node in top.places:
        if node in top.nodes:
            continue
        height = merges[node - n_points, 2]
        for child in merges[node - n_points, :2].astype(np.int64):
            below = 0.0 if child in top.nodes else merges[child - n_points, 2]
            at = top.places[int(child)]
            lines.append([(top.places[node], height), (at, height), (at, below)])
            paints.append(colors[top.clusters[child]])
    axes.add_collection(LineCollection(lines, colors=paints, linewidths=2, capstyle="projecting"))
    last = merges[-1, 2] if len(merges) else 1.0
    axes.set_xlim(-0.7, len(top.nodes) - 0.3)
    axes.set_ylim(0, max(1.04 * last, 1e-9))


def _draw_cut(axes: Axes, merges: np.ndarray, n_leaves: int, n_clusters: int) -> None:
    if not 1 < n_clusters <= n_leaves:
        return
    upper = merges[len(merges) - n_clusters + 1, 2]
    lower = merges[len(merges) - n_clusters, 2] if n_clusters <= len(merges) else 0.0
    axes.axhline((upper + lower) / 2, color=MARK, lw=1.3, ls=(0, (5, 4)), zorder=3)


def _name_leaves(axes: Axes, top: Top) -> None:
    axes.grid(visible=False, axis="x")
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    style: dict[str, Any] = {
        "transform": axes.get_xaxis_transform(),
        "ha": "center",
        "va": "top",
        "rotation": 90 if len(top.nodes) > 12 else 0,
    }
    for i, node in enumerate(top.nodes):
        write(axes, i, -0.015, f"{top.rows[node]:,.0f}", size=8.5, color=QUIET, **style)
    named: dict[str, Any] = {**style, "rotation": 0, "weight": "bold", "color": INK}
    clusters = top.clusters[top.nodes]
    for j in np.unique(clusters[clusters >= 0]):
        write(axes, float(np.flatnonzero(clusters == j).mean()), -0.17, str(j), **named)
