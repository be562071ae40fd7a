"""The pictures of the outliers: scores with their threshold, and sheets of the images."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from streamclust.errors import ImageError, SourceError
from streamclust.figures.files import FIGURE_BYTES
from streamclust.images.archive import Images, ImageStore
from streamclust.images.scan import scan_need
from streamclust.memory import Need
from streamclust.outliers.suspects import (
    BAD_PICTURES,
    KINDS,
    OUTLIERS,
    Suspects,
    load_reasons,
    set_scores,
    stored_images,
)
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs
from streamclust.store.paths import paths_of
from streamclust.store.workspace import fingerprint

if TYPE_CHECKING:
    from streamclust.figures.contact_sheet import Tile

STEP = "draw outliers"
_SCORES = "figures/outlier-scores.png"
_TOP = "figures/outliers-top.png"


def draw_outliers(job: Job, outputs: Outputs, found: Suspects) -> None:
    """Draw the distribution of the scores and, with images, sheets of the top outliers.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    workspace = job.workspace
    mark = fingerprint(STEP, 3, workspace.fingerprint_of(OUTLIERS))
    images = stored_images(job)
    # Where no image could be read there is no yardstick.
    if workspace.root[OUTLIERS].attrs["yardstick"] is None:
        images = None
    sheets = {} if images is None else _sheets(found)
    wanted = [_SCORES, *sheets]
    for stale in outlier_figures() - set(wanted):
        outputs.remove(stale)
    if all(outputs.is_current(file, mark) for file in wanted):
        job.skip(STEP, None)
        return
    n_rows = len(found.score)
    with job.step(STEP, None, draw_outlier_needs(n_rows), n_rows):
        _draw_scores(job, outputs, found, mark)
        if images is not None:
            _draw_sheets(job, outputs, found, images, sheets, mark)


def draw_outlier_needs(n_rows: int) -> list[Need]:
    """Memory of the scores of all rows, of a figure, and of an image."""
    image = scan_need(n_rows)
    return [Need(STEP, fixed=24 * n_rows + max(FIGURE_BYTES, image.per_block + image.fixed))]


def _draw_scores(job: Job, outputs: Outputs, found: Suspects, mark: str) -> None:
    from streamclust.figures.score_histogram import count_scores, score_histogram

    sets = list(job.workspace.root[OUTLIERS].attrs["sets"])
    combined = count_scores("score of all sets", found.score, found.threshold)
    own = [count_scores(name, score) for name, score in set_scores(job, sets)]
    with outputs.writing(_SCORES, mark) as staged:
        score_histogram(staged, combined, own, found.threshold, _words_of(found), "Outlier scores")


def _words_of(found: Suspects) -> str:
    from streamclust.figures.score_histogram import flagged_in_words

    by_score = found.score > found.threshold
    invalid = np.isinf(found.score)
    by_picture = ~by_score & np.isin(found.kind, BAD_PICTURES)
    alone = found.flagged & ~by_score & ~by_picture
    causes = {
        f"by a score above {found.threshold:.4g}": by_score & ~invalid,
        "far out in one set alone": alone,
        "by their pictures": found.flagged & by_picture,
        "with an invalid descriptor": invalid,
    }
    counts = {cause: int(np.count_nonzero(rows)) for cause, rows in causes.items()}
    return flagged_in_words(len(found.score), counts)


def _sheet(kind: str) -> str:
    return f"figures/outliers-{kind.replace(' ', '-')}.png"


def outlier_figures() -> set[str]:
    """All figures there may be."""
    return {_SCORES, _TOP, *(_sheet(kind) for kind in KINDS[1:])}


def _sheets(found: Suspects) -> dict[str, tuple[str, np.ndarray]]:
    """Of each sheet its title and its rows, by score."""
    shown = found.shown()
    n_flagged = int(np.count_nonzero(found.flagged))
    title = f"Highest outlier scores, those of the {n_flagged:,} flagged rows in red"
    sheets = {_TOP: (title, shown)}
    for code, kind in enumerate(KINDS):
        rows = shown[found.kind[shown] == code]
        if code and len(rows):
            sheets[_sheet(kind)] = (f"Outliers: {kind}", rows)
    return sheets


def _draw_sheets(
    job: Job,
    outputs: Outputs,
    found: Suspects,
    images: Images,
    sheets: dict[str, tuple[str, np.ndarray]],
    mark: str,
) -> None:
    from streamclust.figures.contact_sheet import MOST_TILES, contact_sheet

    store = _opened(images)
    if store is None:
        for file in sheets:
            outputs.remove(file)
        return
    words = _words(job, np.concatenate([rows[:MOST_TILES] for _, rows in sheets.values()]))
    for file, (title, rows) in job.events.track(
        sheets.items(), "contact sheets", len(sheets), "sheets"
    ):
        tiles = _tiles(job, store, found, rows[:MOST_TILES], words)
        subtitle = _subtitle(len(rows), MOST_TILES)
        with outputs.writing(file, mark) as staged:
            contact_sheet(staged, tiles, title, subtitle)


def _subtitle(n_rows: int, most: int) -> str:
    return (
        f"all {n_rows}, by score" if n_rows <= most else f"the first {most} of {n_rows:,}, by score"
    )


def _words(job: Job, rows: np.ndarray) -> dict[int, list[str]]:
    words: dict[int, list[str]] = {}
    for row, reason in load_reasons(job, rows):
        words.setdefault(row, []).append(f"{reason.kind}: {reason.measure} {reason.value:.3g}")
    return words


def _opened(images: Images) -> ImageStore | None:
    try:
        return ImageStore(images)
    except SourceError:
        # Where reasons were looked for, that was warned of.
        return None


def _tiles(
    job: Job,
    store: ImageStore,
    found: Suspects,
    rows: np.ndarray,
    words: dict[int, list[str]],
) -> Iterator["Tile"]:
    from streamclust.figures.contact_sheet import Tile

    for row, path in zip(rows.tolist(), paths_of(job.workspace, rows), strict=True):
        reason = "; ".join(words.get(row, [KINDS[found.kind[row]]]))
        score = float(found.score[row])
        yield Tile(path, score, reason, *image_or_problem(store, path), bool(found.flagged[row]))


def image_or_problem(store: ImageStore, path: str) -> tuple[bytes | None, str]:
    """The image file, or else why there is none, in a word."""
    try:
        return store.read(path), ""
    except ImageError as error:
        return None, error.kind.replace("image", "").strip()
    except SourceError:
        return None, "missing"
