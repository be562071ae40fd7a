"""The outliers for the page: how many of each kind, and the worst with their reasons."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.outliers import KINDS, FlaggedRows, load_flagged, load_reasons
from streamclust.report.page import WORST, WORST_OF_KIND
from streamclust.report.words import Words
from streamclust.steps import Job
from streamclust.store import paths_of


@dataclass(frozen=True, eq=False)
class OutlierSheet:
    """Outliers of one kind, or the worst of all.

    Attributes
    ----------
    title, subtitle : str
    tiles : list of dict
        ``row``, ``path``, ``score``, ``reason``.
    """

    title: str
    subtitle: str
    tiles: list[dict[str, Any]]


def outlier_sheets(job: Job, words: Words) -> tuple[str, list[OutlierSheet]]:
    """How many are flagged, in words, and sheets: of the worst, then one a kind, the commonest
    first; none where outliers were not looked for."""
    flags = load_flagged(job)
    if flags is None:
        return "", []
    shown = flags.shown()
    shown = shown[flags.flagged[shown]]
    sheets = [(words.told("worst"), shown, WORST, "")]
    counts = np.bincount(flags.kind[shown], minlength=len(KINDS))
    for code in np.argsort(-counts, kind="stable").tolist():
        if code and counts[code]:
            rows = shown[flags.kind[shown] == code]
            kind = KINDS[code]
            sheets.append((words.name(kind), rows, WORST_OF_KIND, words.about(kind)))
    rows = np.unique(np.concatenate([shown[:most] for _, shown, most, _ in sheets]))
    tiles = _tiles(job, flags, rows, words)
    made = [
        OutlierSheet(
            words.told("sheet", title=title, images=words.counted(len(rows), "image")),
            "; ".join(filter(None, [meaning, _which(len(rows), most, words)])),
            [tiles[row] for row in rows[:most].tolist()],
        )
        for title, rows, most, meaning in sheets
        if len(rows)
    ]
    return _flagged(flags, words), made


def rows_of_sheets(sheets: list[OutlierSheet]) -> list[int]:
    """Rows on the sheets."""
    return [tile["row"] for sheet in sheets for tile in sheet.tiles]


def _flagged(flags: FlaggedRows, words: Words) -> str:
    """How many rows are flagged, by kind."""
    counts = np.bincount(flags.kind[flags.flagged], minlength=len(KINDS)).tolist()
    n_flagged, n_rows = int(flags.flagged.sum()), len(flags.flagged)
    kinds = [
        f"{words.name(kind)} {words.whole(count)}"
        for kind, count in zip(KINDS, counts, strict=True)
        if kind and count
    ]
    summary = words.told(
        "how-flagged",
        n=words.whole(n_flagged),
        rows=words.whole(n_rows),
        share=words.percent(n_flagged / n_rows),
    )
    return ": ".join(filter(None, [summary, ", ".join(kinds)]))


def _which(n_rows: int, most: int, words: Words) -> str:
    return words.told("highest", n=most) if n_rows > most else ""


def _tiles(
    job: Job, flags: FlaggedRows, rows: np.ndarray, words: Words
) -> dict[int, dict[str, Any]]:
    reasons: dict[int, list[str]] = {}
    for row, reason in load_reasons(job, rows):
        numbers = {"value": reason.value, "low": reason.usual[0], "high": reason.usual[1]}
        shown = {name: words.local(f"{value:.3g}") for name, value in numbers.items()}
        names = {"kind": words.name(reason.kind), "measure": words.name(reason.measure)}
        reasons.setdefault(row, []).append(words.told("usual", **names, **shown))
    paths = dict(zip(rows.tolist(), paths_of(job.workspace, rows), strict=True))
    known = np.isfinite(flags.score)
    return {
        row: {
            "row": row,
            "path": paths[row] or words.told("row", row=row),
            "score": words.number(flags.score[row]) if known[row] else words.told("no-score"),
            "reason": "; ".join(reasons.get(row, [words.name(KINDS[flags.kind[row]])])),
        }
        for row in rows.tolist()
    }
