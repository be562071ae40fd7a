"""What the page's script takes of the sets on it: points, cards and indices, within bounds."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from streamclust.choice import measured
from streamclust.figures import cluster_colors
from streamclust.images import Images
from streamclust.passes import Passes
from streamclust.report.cards import (
    Card,
    cards,
    clusterings_with_cards,
    clusterings_with_labels,
    wanted_images,
)
from streamclust.report.outliers import OutlierSheet, rows_of_sheets
from streamclust.report.page import (
    LABEL_BYTES,
    PATH_BYTES,
    POINT_IMAGES,
    POINTS,
    THUMBNAILS,
    as_json,
)
from streamclust.report.pictures import figures_of_set, thumbnails
from streamclust.report.points import Points, packed, point_needs, sample_points
from streamclust.report.words import Words
from streamclust.steps import Job
from streamclust.store import (
    StoredClustering,
    Workspace,
    fingerprint,
    layouts_of,
    load_description,
    paths_of,
    recommended_clusterings,
    stored_clusterings,
)

# Those that curves are drawn of, the first known one first.
INDICES = (
    "silhouette",
    "silhouette_simplified",
    "davies_bouldin",
    "calinski_harabasz",
    "stability",
    "gap",
    "separated",
    "consensus",
)
_DIGITS = 5


def scores_of_set(workspace: Workspace, descriptor: str) -> dict[str, dict[str, list[float]]]:
    """By clustering and index the value, with the ends of its interval where that is known.

    The interval of the silhouette is that of its sample; that of the gap one standard error to
    each side.
    """
    return {line["name"]: _scores(line) for line in measured(workspace, descriptor)}


def _scores(line: dict[str, Any]) -> dict[str, list[float]]:
    scores = {}
    for index in INDICES:
        values = [line.get(index), *_interval(line, index)]
        known = [float(value) for value in values if value is not None and value == value]
        if len(known) == len(values):
            scores[index] = [float(f"{value:.{_DIGITS}g}") for value in known]
        elif known and values[0] == known[0]:
            scores[index] = [float(f"{known[0]:.{_DIGITS}g}")]
    return scores


def _interval(line: dict[str, Any], index: str) -> list[Any]:
    if index == "silhouette":
        return [line.get("silhouette_low"), line.get("silhouette_high")]
    if index == "gap" and line.get("gap_error") is not None:
        return [line["gap"] - line["gap_error"], line["gap"] + line["gap_error"]]
    return []


# Of the report, which gathers them in steps of its own name.
STEP = "report"


class SetParts:
    """What the page of `n_sets` sets holds of one of them."""

    def __init__(self, job: Job, descriptor: str, words: Words, n_sets: int) -> None:
        self.name = descriptor
        self.clusterings = clusterings_with_labels(job.workspace, descriptor, _most_labels(n_sets))
        in_full = {
            clustering.name for clustering in clusterings_with_cards(job.workspace, descriptor)
        }
        needs = point_needs(job, descriptor, len(self.clusterings))
        n_rows = job.rows_of(descriptor, "reduced").n_rows
        with job.step(STEP, descriptor, needs, n_rows) as passes:
            self.points = sample_points(passes, job, descriptor, self.clusterings)
            self.cards: dict[str, list[Card]] = {
                clustering.name: cards(
                    job,
                    passes,
                    clustering,
                    self.points,
                    words.language,
                    brief=clustering.name not in in_full,
                )
                for clustering in self.clusterings
            }
        layouts = list(layouts_of(job.workspace, descriptor))
        self.figures = figures_of_set(job.workspace.folder, descriptor, layouts, words)


def _most_labels(n_sets: int) -> int:
    """Clusterings of a set whose labels of points find room: base64 of two bytes a point."""
    return LABEL_BYTES * 3 // (4 * 2 * POINTS * n_sets)


# With more clusters labels take four bytes.
_WIDE = 2**15 - 1


def script_data(
    passes: Passes,
    job: Job,
    made: list[SetParts],
    sheets: list[OutlierSheet],
    images: Images | None,
    words: Words,
) -> dict[str, Any]:
    """What the page's script takes: sets with their points and cards, images, paths, words."""
    points = _fitting(job, [one.points for one in made])
    return {
        "mark": _mark(made),
        "language": words.language,
        **words.script(),
        "sets": [
            _of_set(job, one, sampled, words) for one, sampled in zip(made, points, strict=True)
        ],
        "images": thumbnails(passes, job, images, _wanted(made, sheets, points)) if images else {},
        "paths": _paths(job, made, points),
    }


def _mark(made: list[SetParts]) -> str:
    """What edits in the page belong to: they are kept by it."""
    marks = [clustering.fingerprint for one in made for clustering in one.clusterings]
    return fingerprint(STEP, marks)


def _of_set(job: Job, one: SetParts, points: Points, words: Words) -> dict[str, Any]:
    best = recommended_clusterings(job.workspace, [one.name]).get(one.name)
    with_cards = {clustering.name for clustering in one.clusterings}
    scores = scores_of_set(job.workspace, one.name)
    return {
        "name": one.name,
        "points": len(points.rows),
        "placed": job.set(one.name).n_rows - job.set(one.name).n_invalid,
        "rows": packed(points.rows, "<u4"),
        "plots": [
            {
                "name": plot.name,
                "axis": words.name(plot.axis),
                "dimensions": plot.positions.shape[1],
                "at": packed(plot.positions, "<u2"),
                "beyond": plot.n_beyond,
            }
            for plot in points.plots
        ],
        "clusterings": [
            {
                **_clustering(one, points, clustering, clustering.name in with_cards),
                "scores": scores.get(clustering.name, {}),
            }
            for clustering in stored_clusterings(job.workspace, one.name)
        ],
        "recommended": best.name if best else "",
    }


def _clustering(
    one: SetParts, points: Points, clustering: StoredClustering, with_cards: bool
) -> dict[str, Any]:
    about: dict[str, Any] = {
        "name": clustering.name,
        "algorithm": clustering.algorithm,
        "k": clustering.n_clusters,
    }
    if with_cards:
        made = one.cards[clustering.name]
        about |= {
            "mark": clustering.fingerprint,
            "described": load_description(clustering) is not None,
            "cards": made,
            "colors": [_hex(color) for color in cluster_colors(clustering.n_clusters)],
            "labels": packed(
                points.labels[clustering.name], "<i4" if clustering.n_clusters > _WIDE else "<i2"
            ),
        }
    return about


def _hex(color: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color.tolist())


def _fitting(job: Job, points: list[Points]) -> list[Points]:
    """As many points of each set as their paths find room for."""
    n_points = max((len(sampled.rows) for sampled in points), default=0)
    while n_points > 1:
        rows = _union([sampled.first(n_points).rows for sampled in points])
        n_bytes = sum(map(_bytes_of, paths_of(job.workspace, rows)))
        if n_bytes <= PATH_BYTES:
            break
        n_points = n_points * PATH_BYTES // (n_bytes + 1)
    return [sampled.first(n_points) for sampled in points]


def _union(parts: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate([np.empty(0, np.int64), *parts]))


def _wanted(
    made: list[SetParts], sheets: list[OutlierSheet], points: list[Points]
) -> Iterator[int]:
    yield from rows_of_sheets(sheets)
    yield from wanted_images([cards_of for one in made for cards_of in one.cards.values()])
    for sampled in points:
        yield from sampled.rows[:POINT_IMAGES].tolist()


def _paths(job: Job, made: list[SetParts], points: list[Points]) -> dict[int, str]:
    """Paths of the points, and of rows on cards as far as they find room."""
    of_points = _union([sampled.rows for sampled in points])
    paths = dict(zip(of_points.tolist(), paths_of(job.workspace, of_points), strict=True))
    groups = [cards_of for one in made for cards_of in one.cards.values()]
    on_cards = [row for row in islice(wanted_images(groups), THUMBNAILS) if row not in paths]
    left = PATH_BYTES
    for row, path in zip(on_cards, paths_of(job.workspace, np.array(on_cards, int)), strict=True):
        left -= _bytes_of(path)
        if left > 0:
            paths[row] = path
    return {row: path for row, path in paths.items() if path}


def _bytes_of(path: str) -> int:
    """What a path takes in the page, with the number of its row."""
    return len(as_json(path).encode("utf-8", "replace")) + 12
