"""What the page's script takes of the sets on it, within the page's bounds."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from streamclust.figures.palette import cluster_colors
from streamclust.passes import Passes
from streamclust.report.bounds import PATH_BYTES, POINT_IMAGES, THUMBNAILS
from streamclust.report.cards import wanted_images
from streamclust.report.outliers import OutlierSheet, rows_of_sheets
from streamclust.report.page import as_json
from streamclust.report.points import Points, packed
from streamclust.report.scores import scores_of_set
from streamclust.report.set_parts import STEP, SetParts
from streamclust.report.thumbnails import thumbnails
from streamclust.report.words import Words
from streamclust.sources.images import Images
from streamclust.steps.descriptions import load_description
from streamclust.steps.job import Job
from streamclust.steps.labelled import Labelled, labelled, recommended
from streamclust.steps.paths import paths_of
from streamclust.workspace import fingerprint

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
        "mark": _mark(job, made),
        "language": words.language,
        **words.script(),
        "sets": [_of_set(job, one, own, words) for one, own in zip(made, points, strict=True)],
        "images": thumbnails(passes, job, images, _wanted(made, sheets, points)) if images else {},
        "paths": _paths(job, made, points),
    }


def _mark(job: Job, made: list[SetParts]) -> str:
    """What edits in the page belong to: they are kept by it."""
    return fingerprint(STEP, [_fingerprint(job, own) for one in made for own in one.clusterings])


def _fingerprint(job: Job, own: Labelled) -> str | None:
    return job.workspace.fingerprint_of(own.path)


def _of_set(job: Job, one: SetParts, points: Points, words: Words) -> dict[str, Any]:
    best = recommended(job.workspace, [one.name]).get(one.name)
    with_cards = {own.name for own in one.clusterings}
    scores = scores_of_set(job.workspace, one.name)
    return {
        "name": one.name,
        "points": len(points.rows),
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
                **_clustering(job, one, points, own, own.name in with_cards),
                "scores": scores.get(own.name, {}),
            }
            for own in labelled(job.workspace, one.name)
        ],
        "recommended": best.name if best else "",
    }


def _clustering(
    job: Job, one: SetParts, points: Points, own: Labelled, with_cards: bool
) -> dict[str, Any]:
    about: dict[str, Any] = {"name": own.name, "algorithm": own.algorithm, "k": own.n_clusters}
    if with_cards:
        made = one.cards[own.name]
        about |= {
            "mark": _fingerprint(job, own),
            "described": load_description(job.workspace, own) is not None,
            "cards": made,
            "colors": [_hex(color) for color in cluster_colors(own.n_clusters)],
            "labels": packed(points.labels[own.name], "<i4" if own.n_clusters > _WIDE else "<i2"),
        }
    return about


def _hex(color: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color.tolist())


def _fitting(job: Job, points: list[Points]) -> list[Points]:
    """As many points of each set as their paths find room for."""
    n_points = max((len(own.rows) for own in points), default=0)
    while n_points > 1:
        rows = _union([own.first(n_points).rows for own in points])
        n_bytes = sum(map(_bytes_of, paths_of(job.workspace, rows)))
        if n_bytes <= PATH_BYTES:
            break
        n_points = n_points * PATH_BYTES // (n_bytes + 1)
    return [own.first(n_points) for own in points]


def _union(parts: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate([np.empty(0, np.int64), *parts]))


def _wanted(
    made: list[SetParts], sheets: list[OutlierSheet], points: list[Points]
) -> Iterator[int]:
    yield from rows_of_sheets(sheets)
    yield from wanted_images([own for one in made for own in one.cards.values()])
    for own in points:
        yield from own.rows[:POINT_IMAGES].tolist()


def _paths(job: Job, made: list[SetParts], points: list[Points]) -> dict[int, str]:
    """Paths of the points, and of rows on cards as far as they find room."""
    of_points = _union([own.rows for own in points])
    found = dict(zip(of_points.tolist(), paths_of(job.workspace, of_points), strict=True))
    groups = [own for one in made for own in one.cards.values()]
    on_cards = [row for row in islice(wanted_images(groups), THUMBNAILS) if row not in found]
    left = PATH_BYTES
    for row, path in zip(on_cards, paths_of(job.workspace, np.array(on_cards, int)), strict=True):
        left -= _bytes_of(path)
        if left > 0:
            found[row] = path
    return {row: path for row, path in found.items() if path}


def _bytes_of(path: str) -> int:
    """What a path takes in the page, with the number of its row."""
    return len(as_json(path).encode("utf-8", "replace")) + 12
