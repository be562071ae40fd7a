"""The step that gathers what a results folder holds and writes its page."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from streamclust.errors import SettingsError
from streamclust.images import Images, scan_need, stored_images
from streamclust.memory import MIB, Need
from streamclust.outliers import FLAGGING_BYTES_A_ROW
from streamclust.passes import Passes
from streamclust.report.outliers import outlier_sheets
from streamclust.report.overview import about_set, comparison_tables, easiest_to_read, what_was_run
from streamclust.report.page import PAGE_BYTES, POINTS, SETS, write_page
from streamclust.report.pictures import (
    Figure,
    embed,
    fewer,
    figures_of_comparison,
    figures_of_outliers,
)
from streamclust.report.script_data import STEP, SetParts, script_data
from streamclust.report.words import Words
from streamclust.steps import Job
from streamclust.store import Outputs, recommended_clusterings

FILE = "report.html"
# The page's parts, the page, and what the template engine holds of both.
PAGE_NEED = 128 * MIB


def report(
    job: Job,
    file: Path | None = None,
    language: str = "en",
    *,
    overwrite: bool = False,
) -> None:
    """Write the page of a results folder, with what is there.

    Parameters
    ----------
    job : Job
    file : Path, optional
        Where to; ``report.html`` in the results folder by default.
    language : str
        Of the page, one of `streamclust.language.LANGUAGES`.
    overwrite : bool
        Write over a `file` of another origin.

    Raises
    ------
    SettingsError
        When no set is reduced, or the file is there and was not written by this.
    SourceError
        When an archive of images is replaced while it is read: the last page stays.
    MemoryBudgetError
        When it does not fit the budget.
    """
    sets = [n for n in job.chosen() if job.set(n).reduced is not None]
    if not sets:
        raise SettingsError("there is no reduced set to report on: run streamclust run first")
    with _place(job.outputs, file, overwrite) as staged:
        words, shown = Words(language), _shown(job, sets)
        made = [SetParts(job, name, words, len(shown)) for name in shown]
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
    held = PAGE_NEED + FLAGGING_BYTES_A_ROW * n_rows
    if not with_images:
        return [Need(fixed=held)]
    image = scan_need(n_rows)
    return [Need(fixed=held + image.fixed, per_block=image.per_block)]


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


def _contents(
    job: Job,
    passes: Passes,
    sets: list[str],
    made: list[SetParts],
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
        "tables": comparison_tables(job, recommended_clusterings(job.workspace, sets), words),
        "comparison_figures": _embedded(of_comparison),
        "left_out": _left_out([*figures, *of_outliers, *of_comparison]),
    }
    return content, script_data(passes, job, made, sheets, images, words)


def _embedded(figures: list[Figure]) -> list[Figure]:
    return [figure for figure in figures if figure.uri]


def _left_out(figures: list[Figure]) -> list[str]:
    return [figure.file for figure in figures if not figure.uri]
