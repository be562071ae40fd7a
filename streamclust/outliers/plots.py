"""The pictures of the outliers: scores with their threshold, and sheets of the images."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from streamclust.errors import ImageError, SourceError
from streamclust.figures import FIGURE_BYTES
from streamclust.images import Images, ImageStore, scan_need, stored_images
from streamclust.memory import Need
from streamclust.outliers.explanation import BAD_PICTURES, KINDS, FlaggedRows, load_reasons
from streamclust.outliers.flagging import flagged_now, set_scores
from streamclust.passes import Passes
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import case_outliers, fingerprint, paths_of

if TYPE_CHECKING:
    from streamclust.figures import Tile

_SCORES = "figures/outlier-scores.png"
_TOP = "figures/outliers-top.png"


class DrawOutliers(Step):
    """Draw the distribution of the scores and, with images, sheets of the top outliers."""

    name = "draw outliers"

    def needs(self, on: CaseShapes) -> list[Need]:
        """The scores of all rows, a figure, and an image."""
        image = scan_need(on.n_rows)
        work = max(FIGURE_BYTES, image.per_block + image.fixed)
        return [Need(fixed=24 * on.n_rows + work)]

    def fingerprint(self, job: Job) -> str:
        return fingerprint(self.name, 3, case_outliers(job.workspace).fingerprint)

    def restore(self, job: Job, mark: str) -> bool:
        wanted = [_SCORES]
        if _images(job) is not None:
            wanted += _sheets(flagged_now(job))
        for stale in outlier_figures() - set(wanted):
            job.outputs.remove(stale)
        return all(job.outputs.is_current(file, mark) for file in wanted)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        outliers, images = flagged_now(job), _images(job)
        _draw_scores(job, outliers, mark)
        if images is not None:
            _draw_sheets(job, outliers, images, _sheets(outliers), mark)


def _images(job: Job) -> Images | None:
    """The images to show; where none could be read there is no yardstick."""
    return None if case_outliers(job.workspace).yardstick is None else stored_images(job)


def _draw_scores(job: Job, outliers: FlaggedRows, mark: str) -> None:
    from streamclust.figures import count_scores, score_histogram

    arrays = set_scores(job.workspace, case_outliers(job.workspace).sets)
    combined = count_scores("score of all sets", outliers.score, outliers.threshold)
    by_set = [count_scores(name, array[...]) for name, array in arrays.items()]
    with job.outputs.writing(_SCORES, mark) as staged:
        score_histogram(
            staged, combined, by_set, outliers.threshold, _words_of(outliers), "Outlier scores"
        )


def _words_of(outliers: FlaggedRows) -> str:
    from streamclust.figures import flagged_in_words

    by_score = outliers.score > outliers.threshold
    invalid = np.isinf(outliers.score)
    by_picture = ~by_score & np.isin(outliers.kind, BAD_PICTURES)
    alone = outliers.flagged & ~by_score & ~by_picture
    causes = {
        f"by a score above {outliers.threshold:.4g}": by_score & ~invalid,
        "far out in one set alone": alone,
        "by their pictures": outliers.flagged & by_picture,
        "with an invalid descriptor": invalid,
    }
    counts = {cause: int(np.count_nonzero(rows)) for cause, rows in causes.items()}
    return flagged_in_words(len(outliers.score), counts)


def _sheet(kind: str) -> str:
    return f"figures/outliers-{kind.replace(' ', '-')}.png"


def outlier_figures() -> set[str]:
    """All figures there may be."""
    return {_SCORES, _TOP, *(_sheet(kind) for kind in KINDS[1:])}


def _sheets(outliers: FlaggedRows) -> dict[str, tuple[str, np.ndarray]]:
    """Of each sheet its title and its rows, by score."""
    shown = outliers.shown()
    n_flagged = int(np.count_nonzero(outliers.flagged))
    title = f"Highest outlier scores, those of the {n_flagged:,} flagged rows in red"
    sheets = {_TOP: (title, shown)}
    for code, kind in enumerate(KINDS):
        rows = shown[outliers.kind[shown] == code]
        if code and len(rows):
            sheets[_sheet(kind)] = (f"Outliers: {kind}", rows)
    return sheets


def _draw_sheets(
    job: Job,
    outliers: FlaggedRows,
    images: Images,
    sheets: dict[str, tuple[str, np.ndarray]],
    mark: str,
) -> None:
    from streamclust.figures import MOST_TILES, contact_sheet

    store = _opened(images)
    if store is None:
        for file in sheets:
            job.outputs.remove(file)
        return
    words = _words(job, np.concatenate([rows[:MOST_TILES] for _, rows in sheets.values()]))
    for file, (title, rows) in job.events.track(
        sheets.items(), "contact sheets", len(sheets), "sheets"
    ):
        tiles = _tiles(job, store, outliers, rows[:MOST_TILES], words)
        subtitle = _subtitle(len(rows), MOST_TILES)
        with job.outputs.writing(file, mark) as staged:
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
    outliers: FlaggedRows,
    rows: np.ndarray,
    words: dict[int, list[str]],
) -> Iterator["Tile"]:
    from streamclust.figures import Tile

    for row, path in zip(rows.tolist(), paths_of(job.workspace, rows), strict=True):
        reason = "; ".join(words.get(row, [KINDS[outliers.kind[row]]]))
        score = float(outliers.score[row])
        yield Tile(path, score, reason, *image_or_problem(store, path), bool(outliers.flagged[row]))


def image_or_problem(store: ImageStore, path: str) -> tuple[bytes | None, str]:
    """The image file, or else why there is none, in a word."""
    try:
        return store.read(path), ""
    except ImageError as error:
        return None, error.kind.replace("image", "").strip()
    except SourceError:
        return None, "missing"
