"""The step that gathers what a results folder holds and writes its page."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.figures.palette import cluster_colors
from streamclust.memory import MIB, Need
from streamclust.outputs import Outputs
from streamclust.passes import Passes
from streamclust.report.bounds import (
    LABEL_BYTES,
    PAGE_BYTES,
    PATH_BYTES,
    POINT_IMAGES,
    POINTS,
    SETS,
    THUMBNAILS,
)
from streamclust.report.cards import (
    Card,
    cards,
    clusterings_with_cards,
    clusterings_with_labels,
    wanted_images,
)
from streamclust.report.comparison import comparison_tables
from streamclust.report.figures import (
    Figure,
    embed,
    figures_of_comparison,
    figures_of_outliers,
    figures_of_set,
)
from streamclust.report.outliers import OutlierSheet, outlier_sheets, rows_of_sheets
from streamclust.report.overview import about_set, easiest_to_read, what_was_run
from streamclust.report.page import as_json, write_page
from streamclust.report.points import Points, packed, point_needs, sample_points
from streamclust.report.scores import scores_of_set
from streamclust.report.thumbnails import fewer, thumbnails
from streamclust.report.words import Words
from streamclust.sources.images import Images
from streamclust.steps.descriptions import load_description
from streamclust.steps.job import Job
from streamclust.steps.labelled import Labelled, labelled, recommended
from streamclust.steps.layout import layouts_of
from streamclust.steps.paths import paths_of
from streamclust.steps.scan import scan_need
from streamclust.steps.suspects import BYTES_A_ROW, stored_images
from streamclust.workspace import fingerprint

STEP = "report"
FILE = "report.html"
# The page's parts, the page, and what the template engine holds of both.
PAGE_NEED = 128 * MIB
# With more clusters labels take four bytes.
_WIDE = 2**15 - 1


def report(
    job: Job,
    outputs: Outputs,
    file: Path | None = None,
    language: str = "en",
    *,
    overwrite: bool = False,
) -> None:
    """Write the page of a results folder, with what is there.

    Parameters
    ----------
    job : Job
    outputs : Outputs
    file : Path, optional
        Where to; ``report.html`` in the results folder by default.
    language : str
        Of the page, one of `streamclust.models.languages.LANGUAGES`.
    overwrite : bool
        Write over a `file` of another origin.

    Raises
    ------
    SettingsError
        When no set is reduced, or the file is there and was not written by this.
    SourceError
        When a zip file of images is replaced while it is read: the last page stays.
    MemoryBudgetError
        When it does not fit the budget.
    """
    sets = [n for n in job.chosen() if job.workspace.get(f"descriptors/{n}/reduced") is not None]
    if not sets:
        raise SettingsError("there is no reduced set to report on: run streamclust run first")
    with _place(outputs, file, overwrite) as staged:
        words, shown = Words(language), _shown(job, sets)
        made = [_SetParts(job, name, words, _most_labels(len(shown))) for name in shown]
        n_rows = job.rows_of(sets[0], "reduced").n_rows
        images = stored_images(job)
        with job.step(STEP, None, page_needs(n_rows, images is not None), n_rows) as passes:
            content, data = _contents(job, passes, sets, made, images, words)
            write_page(staged, content, data)
            excess = staged.stat().st_size - PAGE_BYTES
            if excess > 0:
                write_page(staged, content, {**data, "images": fewer(data["images"], excess)})


def page_needs(n_rows: int, with_images: bool) -> list[Need]:
    """Memory of the page, of the outliers' columns, and of images in work."""
    held = PAGE_NEED + BYTES_A_ROW * n_rows
    if not with_images:
        return [Need(STEP, fixed=held)]
    image = scan_need(n_rows)
    return [Need(STEP, fixed=held + image.fixed, per_block=image.per_block)]


def _place(outputs: Outputs, file: Path | None, overwrite: bool) -> AbstractContextManager[Path]:
    if file is None:
        return outputs.writing(FILE)
    return outputs.elsewhere(file, STEP, overwrite=overwrite)


def _shown(job: Job, sets: list[str]) -> list[str]:
    if len(sets) > SETS:
        job.events.note(
            f"the report shows {SETS} of {len(sets)} sets in full: --descriptors names others"
        )
    return sets[:SETS]


def _most_labels(n_sets: int) -> int:
    """Clusterings of a set whose labels of points find room: base64 of two bytes a point."""
    return LABEL_BYTES * 3 // (4 * 2 * POINTS * n_sets)


class _SetParts:
    """What the page holds of one set."""

    def __init__(self, job: Job, descriptor: str, words: Words, most: int) -> None:
        self.name = descriptor
        self.clusterings = clusterings_with_labels(job.workspace, descriptor, most)
        in_full = {own.name for own in clusterings_with_cards(job.workspace, descriptor)}
        needs = point_needs(job, descriptor, len(self.clusterings))
        n_rows = job.rows_of(descriptor, "reduced").n_rows
        with job.step(STEP, descriptor, needs, n_rows) as passes:
            self.points = sample_points(passes, job, descriptor, self.clusterings)
            self.cards: dict[str, list[Card]] = {
                own.name: cards(
                    job, passes, own, self.points, words.language, brief=own.name not in in_full
                )
                for own in self.clusterings
            }
        layouts = list(layouts_of(job.workspace, descriptor))
        self.figures = figures_of_set(job.workspace.folder, descriptor, layouts, words)


def _contents(
    job: Job,
    passes: Passes,
    sets: list[str],
    made: list[_SetParts],
    images: Images | None,
    words: Words,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the template and what the script of the page take."""
    folder = job.workspace.folder
    about = [about_set(job, name, words) for name in sets]
    told, sheets = outlier_sheets(job, words)
    of_comparison = figures_of_comparison(folder, words)
    of_outliers = figures_of_outliers(folder, words)
    figures = [figure for one in made for figure in one.figures]
    embed(folder, [*figures, *of_outliers, *of_comparison])
    points = _fitting(job, [one.points for one in made])
    content = {
        "words": words,
        "title": words.told("title", folder=folder.name),
        "n_points": words.whole(POINTS),
        "run": what_was_run(job, sets, words),
        "sets": about,
        "readable": easiest_to_read(about, words),
        "shown": [
            {"about": about[sets.index(one.name)], "figures": _embedded(one.figures)}
            for one in made
        ],
        "outliers": told,
        "sheets": sheets,
        "outlier_figures": _embedded(of_outliers),
        "tables": comparison_tables(folder, recommended(job.workspace, sets), words),
        "comparison_figures": _embedded(of_comparison),
        "left_out": _left_out([*figures, *of_outliers, *of_comparison]),
    }
    data = {
        "mark": _mark(job, made),
        "language": words.language,
        **words.script(),
        "sets": [_of_script(job, one, own, words) for one, own in zip(made, points, strict=True)],
        "images": thumbnails(passes, job, images, _wanted(made, sheets, points)) if images else {},
        "paths": _paths(job, made, points),
    }
    return content, data


def _mark(job: Job, made: list[_SetParts]) -> str:
    """What edits in the page belong to: they are kept by it."""
    return fingerprint(STEP, [_fingerprint(job, own) for one in made for own in one.clusterings])


def _fingerprint(job: Job, own: Labelled) -> str | None:
    return job.workspace.fingerprint_of(own.path)


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


def _of_script(job: Job, one: _SetParts, points: Points, words: Words) -> dict[str, Any]:
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
    job: Job, one: _SetParts, points: Points, own: Labelled, with_cards: bool
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


def _wanted(
    made: list[_SetParts], sheets: list[OutlierSheet], points: list[Points]
) -> Iterator[int]:
    yield from rows_of_sheets(sheets)
    yield from wanted_images([own for one in made for own in one.cards.values()])
    for own in points:
        yield from own.rows[:POINT_IMAGES].tolist()


def _paths(job: Job, made: list[_SetParts], points: list[Points]) -> dict[int, str]:
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


def _embedded(figures: list[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.uri]


def _left_out(figures: list[Figure]) -> list[str]:
    return [figure.file for figure in figures if not figure.uri]
