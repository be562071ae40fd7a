"""Of which kinds flagged rows are, and why: what their images show that ordinary ones do not."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from streamclust.errors import DAMAGED, MISSING, TOO_LARGE, UNSUPPORTED, SourceError
from streamclust.images import (
    IMAGE_KINDS,
    MEASURES,
    Images,
    ImageStore,
    Problem,
    Reasons,
    Yardstick,
    measure_rows,
)
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import Collected, UniformSample
from streamclust.steps import Job
from streamclust.store import PROBLEMS, case_outliers, paths_of, stored_scan

UNUSUAL, INVALID = "unusual content", "invalid descriptor"
# The codes of kinds: pixels tell the first, then what nothing but the descriptor tells. They are
# stored: a new kind comes last.
KINDS = ("", *IMAGE_KINDS, UNUSUAL, MISSING, DAMAGED, TOO_LARGE, INVALID, UNSUPPORTED)
# A picture of another size is no bad picture: only together with the descriptors it is flagged. Nor
# is one that is not there, or in a format that is not read: the fault is not the picture's.
BAD_PICTURES = tuple(
    KINDS.index(kind) for kind in (*IMAGE_KINDS, DAMAGED, TOO_LARGE) if kind != "odd size"
)
_KIND_OF_PROBLEM = np.array([KINDS.index(problem) for problem in PROBLEMS], np.int8)

LEAST_SHOWN = 100
MOST_MEASURED = 5_000
ORDINARY = 2_000
# Rows whose kinds are told at once.
BLOCK_ROWS = 65_536
_LINES = 4_096


class Reason(NamedTuple):
    """A measure of an image outside of what is usual.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    measure : str
        One of `streamclust.images.pixels.MEASURES`.
    value : float
        The image's.
    usual : tuple of float
        The 5th and 95th percentile of ordinary images.
    """

    kind: str
    measure: str
    value: float
    usual: tuple[float, float]


@dataclass(frozen=True, eq=False)
class FlaggedRows:
    """What is decided of all rows.

    Attributes
    ----------
    score : ndarray of float32, shape (n_rows,)
        Of all sets; infinite for rows that are invalid in one of them.
    threshold : float
    flagged : ndarray of bool, shape (n_rows,)
    kind : ndarray of int8, shape (n_rows,)
        Index in `KINDS`; 0 for rows that are not flagged, or of which nothing is known.
    """

    score: np.ndarray
    threshold: float
    flagged: np.ndarray
    kind: np.ndarray

    def in_words(self) -> str:
        """How many rows are flagged, by kind."""
        counts = np.bincount(self.kind[self.flagged], minlength=len(KINDS)).tolist()
        kinds = [f"{kind} {n:,}" for kind, n in zip(KINDS, counts, strict=True) if kind and n]
        n_flagged, n_rows = int(self.flagged.sum()), len(self.flagged)
        words = f"{n_flagged:,} of {n_rows:,} rows ({n_flagged / n_rows:.2%}) are flagged"
        return f"outliers: {words}" + (f": {', '.join(kinds)}" if kinds else "")

    def shown(self) -> np.ndarray:
        """Numbers of the flagged rows and of at least the top 100, by score."""
        # Rows that are invalid come first, such without a score last.
        largest = np.finfo(self.score.dtype).max
        score = np.where(np.isnan(self.score), -1, np.minimum(self.score, largest))
        by_score = np.argsort(-score, kind="stable")
        shown = self.flagged.copy()
        shown[by_score[:LEAST_SHOWN]] = True
        return by_score[shown[by_score]]


def tell_kinds(
    job: Job, passes: Passes, outliers: FlaggedRows, images: Images
) -> tuple[Reasons, Yardstick | None]:
    """Set the kinds of flagged rows from their pixels, and flag those whose picture is bad.

    With ``scan_images`` the stored measures of all rows tell, otherwise the images of the
    `MOST_MEASURED` flagged rows of highest score and of `ORDINARY` others are read.

    Parameters
    ----------
    job : Job
    passes : Passes
    outliers : FlaggedRows
        Its `flagged` and `kind` are changed in place.
    images : Images

    Returns
    -------
    reasons : Reasons
        By rows of the case, with the codes of `KINDS`.
    yardstick : Yardstick or None
        What they were held against; None where no image could be read.
    """
    ordinary = _ordinary_rows(passes, outliers, job.settings.random_state)
    if job.settings.scan_images:
        return _kinds_from_scan(job, passes, outliers, ordinary)
    try:
        store = ImageStore(images)
    except SourceError as error:
        job.events.warn(f"{error}; scores come without reasons")
        return Reasons.none(), None
    store.tell(job.events)
    shown = _rows_to_read(job, outliers)
    rows = np.concatenate([shown, ordinary])
    measures, problems = measure_rows(passes, store, paths_of(job.workspace, rows), rows)
    n_images = len(np.unique(rows))
    missing = {problem.row for problem in problems if problem.kind == MISSING}
    if len(missing) == n_images:
        job.events.warn(
            f"{images}: holds none of the {n_images:,} images looked for: check that images and "
            "list belong together; scores come without reasons"
        )
        return Reasons.none(), None
    unread = {problem.row: problem.message for problem in problems if problem.kind == UNSUPPORTED}
    if len(unread.keys() | missing) == n_images:
        job.events.warn(
            f"none of the {n_images:,} images looked for can be read ({len(missing):,} are "
            f"missing): {next(iter(unread.values()))}; scores come without reasons"
        )
        return Reasons.none(), None
    _tell_problems(job, images, problems, n_images)
    codes = {problem.row: PROBLEMS.index(problem.kind) for problem in problems}
    problem = np.array([codes.get(row, 0) for row in shown.tolist()], np.int8)
    kinds = _RowKinds(Yardstick.fit(measures[len(shown) :]))
    kinds.see(shown, outliers.flagged[shown], measures[: len(shown)], problem)
    return kinds.applied(outliers), kinds.yardstick


def _ordinary_rows(passes: Passes, outliers: FlaggedRows, seed: int) -> np.ndarray:
    """A uniform sample of the rows that are not flagged."""
    rows = Rows(
        outliers.flagged[:, None], ~outliers.flagged, numbered=True, rows_a_block=BLOCK_ROWS
    )
    drawn = passes.reduce("ordinary rows", rows, UniformSample(ORDINARY, seed)).result()
    return drawn[-1] if drawn else np.empty(0, np.int64)


def _rows_to_read(job: Job, outliers: FlaggedRows) -> np.ndarray:
    shown = outliers.shown()
    shown = shown[outliers.kind[shown] == 0]
    if len(shown) > MOST_MEASURED:
        job.events.warn(
            f"{len(shown):,} rows are flagged: reasons are looked for in the images of the "
            f"{MOST_MEASURED:,} of highest score (--scan-images reads all)"
        )
    return shown[:MOST_MEASURED]


def _tell_problems(job: Job, images: Images, problems: list[Problem], n_read: int) -> None:
    if problems:
        counts = Counter({problem.row: problem.kind for problem in problems}.values())
        listed = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))
        job.events.warn(
            f"{images.name}: {listed} of {n_read:,} looked at, such as row {problems[0].row}: "
            f"{problems[0].message}"
        )


def _kinds_from_scan(
    job: Job, passes: Passes, outliers: FlaggedRows, ordinary: np.ndarray
) -> tuple[Reasons, Yardstick]:
    """Kinds from the stored measures of all images; bad ones are flagged whatever their score."""
    stored = stored_scan(job.workspace)
    pixels = Rows(stored.pixels, rows_a_block=BLOCK_ROWS)
    is_ordinary = np.zeros(pixels.n_rows, bool)
    is_ordinary[ordinary] = True
    sampled = pixels.having(valid=is_ordinary)
    (measures,) = passes.reduce("ordinary images", sampled, Collected(_as_they_are)).result()
    extras = (stored.problem, outliers.flagged, outliers.kind)
    kinds = _RowKinds(Yardstick.fit(measures))
    kinds = passes.reduce("kinds", pixels.having(extras=extras, numbered=True), kinds)
    return kinds.applied(outliers), kinds.yardstick


def _as_they_are(values: np.ndarray) -> tuple[np.ndarray, ...]:
    return (values,)


class _RowKinds:
    """Kinds and reasons of rows from the measures of their images, as an accumulator."""

    def __init__(self, yardstick: Yardstick) -> None:
        self.yardstick = yardstick
        self._rows: list[np.ndarray] = []
        self._kinds: list[np.ndarray] = []
        self._reasons: list[Reasons] = []

    def update(
        self,
        measures: np.ndarray,
        problem: np.ndarray,
        flagged: np.ndarray,
        kind: np.ndarray,
        numbers: np.ndarray,
    ) -> None:
        """See rows with what is known of them: those are told of that are flagged, or have a bad
        picture, and no kind yet."""
        bad = np.isin(self._kinds_of(measures, problem), BAD_PICTURES)
        here = np.flatnonzero((flagged | bad) & (kind == 0))
        self.see(numbers[here], flagged[here], measures[here], problem[here])

    def see(
        self, rows: np.ndarray, flagged: np.ndarray, measures: np.ndarray, problem: np.ndarray
    ) -> None:
        """See rows of which a kind is wanted."""
        kinds = self._kinds_of(measures, problem)
        flagged = flagged | np.isin(kinds, BAD_PICTURES)
        kinds[~flagged] = 0
        shown = np.flatnonzero((kinds > 0) & (problem == 0))
        reasons = self.yardstick.reasons(measures[shown])
        codes = (reasons.kind + KINDS.index(IMAGE_KINDS[0])).astype(np.int8)
        self._rows.append(rows)
        self._kinds.append(np.where(flagged & (kinds == 0), KINDS.index(UNUSUAL), kinds))
        self._reasons.append(replace(reasons, row=rows[shown[reasons.row]], kind=codes))

    def _kinds_of(self, measures: np.ndarray, problem: np.ndarray) -> np.ndarray:
        kinds = self.yardstick.first_kinds(measures) + 1
        return np.where(problem > 0, _KIND_OF_PROBLEM[problem], kinds).astype(np.int8)

    def merge(self, other: Self) -> None:
        self._rows += other._rows
        self._kinds += other._kinds
        self._reasons += other._reasons

    def applied(self, outliers: FlaggedRows) -> Reasons:
        """Set the kinds of the rows seen, flag those that have one, and give the reasons."""
        for rows, kinds in zip(self._rows, self._kinds, strict=True):
            outliers.flagged[rows] |= kinds > 0
            outliers.kind[rows] = kinds
        return Reasons.joined(self._reasons)


def load_reasons(job: Job, rows: np.ndarray | None = None) -> Iterator[tuple[int, Reason]]:
    """The stored reasons, row by row as they were told, a chunk in memory at a time.

    Parameters
    ----------
    job : Job
    rows : ndarray of int, optional
        Those of these rows only.
    """
    for part in case_outliers(job.workspace).reason_parts(rows):
        for start in range(0, len(part["row"]), _LINES):
            lines = (values[start : start + _LINES].tolist() for values in part.values())
            for row, kind, measure, value, (low, high) in zip(*lines, strict=True):
                yield row, Reason(KINDS[kind], MEASURES[measure], value, (low, high))
