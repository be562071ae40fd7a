"""How well outlier scores, flags, reasons and clusterings agree with a truth table, by the indices
of scikit-learn."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.markup import bullets
from streamclust.markup import table as html_table
from streamclust.memory import MIB, Need
from streamclust.metrics import agreement
from streamclust.passes.accumulators import count_pairs
from streamclust.sources import Truth, read_truth, truth_bytes
from streamclust.steps import Job
from streamclust.store import (
    SetOutliers,
    StoredOutliers,
    Workspace,
    path_blocks,
    recommended_clusterings,
    stored_outliers,
)

# Bytes a row that scikit-learn holds for one ranking: sorted scores, weights and counts in float64.
RANKING_BYTES = 120

UNUSUAL = "unusual content"
_SAME_KIND = {"non vehicle": UNUSUAL, "no vehicle": UNUSUAL}


def ranking_scores(
    is_outlier: np.ndarray, score: np.ndarray, n_flagged: int | None = None
) -> dict[str, float]:
    """How well a score ranks outliers before the others.

    Parameters
    ----------
    is_outlier : ndarray of bool, shape (n_rows,)
    score : ndarray of float, shape (n_rows,)
        Larger is more suspect; rows without a score (NaN) are the most suspect of all.
    n_flagged : int, optional
        How many rows were flagged.

    Returns
    -------
    dict
        ``auroc`` and ``average_precision``, NaN where all rows are alike; with `n_flagged`
        ``precision_at_flagged``, that of as many rows of highest score.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    score = finite_scores(score)
    alike = is_outlier.all() or not is_outlier.any()
    scores = {
        "auroc": math.nan if alike else float(roc_auc_score(is_outlier, score)),
        "average_precision": (
            math.nan if alike else float(average_precision_score(is_outlier, score))
        ),
    }
    if n_flagged is not None:
        scores["precision_at_flagged"] = precision_at(is_outlier, score, n_flagged)
    return scores


def precision_at(is_outlier: np.ndarray, score: np.ndarray, count: int) -> float:
    """Share of outliers among the `count` rows of highest score; NaN among none.

    Rows that tie for the last places count by their share: what any order of them gives on the
    average.
    """
    if count == 0:
        return math.nan
    last = np.partition(score, len(score) - count)[len(score) - count]
    above, tied = score > last, score == last
    places = count - np.count_nonzero(above)
    return float((is_outlier[above].sum() + places * is_outlier[tied].mean()) / count)


def finite_scores(score: np.ndarray) -> np.ndarray:
    """The scores in float64, those that are NaN or infinite made larger than all others."""
    score = np.asarray(score, np.float64)
    known = np.isfinite(score)
    above = score[known].max(initial=0.0)
    return np.where(known, score, above + abs(above) + 1) if not known.all() else score


def precision_and_recall(wanted: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Precision and recall of the rows found (bool) for those wanted (bool); NaN for 0 / 0."""
    from sklearn.metrics import precision_score, recall_score

    return {
        "precision": float(precision_score(wanted, found, zero_division=np.nan)),
        "recall": float(recall_score(wanted, found, zero_division=np.nan)),
    }


def reported_kind(true_kind: str) -> str:
    """What streamclust calls a kind of outlier that a truth table calls `true_kind`.

    >>> reported_kind("odd_size"), reported_kind("non_vehicle")
    ('odd size', 'unusual content')
    """
    kind = true_kind.strip().lower().replace("_", " ").replace("-", " ")
    return _SAME_KIND.get(kind, kind)


STEP = "evaluate"
FILE = "evaluation.csv"
COLUMNS = ("what", "set", "result", "truth", "metric", "value", "rows", "positives")
COMBINED = "combined"
ANY = "any outlier"
# Columns of the table of kinds: what they are told by, and the metric.
_RANKED = {
    "AUROC": ("ranking", "auroc"),
    "average precision": ("ranking", "average_precision"),
    "precision at flagged": ("ranking", "precision_at_flagged"),
    "flagged": ("flagged", "recall"),
}
_REPORTED = {"precision": ("reason", "precision"), "recall": ("reason", "recall")}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The comparison of a workspace with a truth table.

    Attributes
    ----------
    lines : list of dict
        The lines of ``evaluation.csv``, with `COLUMNS`. ``what`` is

        - ``ranking``: AUROC, average precision, and precision among as many rows as were flagged,
          of a ``set``'s score or one of its measures (``result``; the set ``combined``: all sets'
          score) for any outlier against ordinary rows, of scores also for those of one kind
          (``truth``) against ordinary rows;
        - ``flagged``: precision and recall of the rows that were flagged; of a kind, recall;
        - ``reason``: precision and recall of a reported kind (``result``);
        - ``clustering``: agreement of a clustering (``result``) with an attribute (``truth``).

        ``rows`` are those compared, ``positives`` the true outliers among them.
    n_rows : int
        Rows that the truth is of.
    skipped : dict of str to str
        Columns of the truth that were not used, and why.
    """

    lines: list[dict[str, Any]]
    n_rows: int
    skipped: dict[str, str]

    def tables(self) -> dict[str, list[dict[str, str]]]:
        """The comparison for people: a few small tables by their headings, cells as text."""
        known = next((line for line in self.lines if line["truth"] == ANY), None)
        share = f"{known['positives']:,} of {known['rows']:,} rows" if known else ""
        tables = {
            f"outlier scores: AUROC / average precision ({share} are outliers)": self._grid(
                "ranking", "set", "truth", "auroc", "average_precision", result="score"
            ),
            "measures: AUROC / average precision": self._grid(
                "ranking", "set", "result", "auroc", "average_precision", truth=ANY
            ),
            "flagged rows: precision, recall": self._grid(
                "flagged", "metric", "truth", "precision", "recall"
            ),
            "kinds: ranked by the combined score, flagged, and reported": self._kinds(),
            "recommended clusterings: AMI": self._grid("clustering", "set", "truth", "ami"),
        }
        return {heading: table for heading, table in tables.items() if table}

    def _repr_html_(self) -> str:
        shown = [html_table(lines, heading) for heading, lines in self.tables().items()]
        unused = (f"{column}: not compared, {why}" for column, why in self.skipped.items())
        return "".join([*shown, bullets(unused)])

    def _grid(
        self, what: str, down: str, across: str, *metrics: str, **only: str
    ) -> list[dict[str, str]]:
        """Lines by `down`, columns by `across`, in a cell the metrics."""
        grid: dict[str, dict[str, str]] = {}
        for line in self.lines:
            chosen = {"what": what, **only}
            if line["metric"] not in metrics or any(line[n] != v for n, v in chosen.items()):
                continue
            cells = grid.setdefault(line[down], {down: line[down]})
            value, name = _shown(line["value"]), line[across]
            cells[name] = f"{cells[name]} / {value}" if name in cells else value
        columns = dict.fromkeys(name for cells in grid.values() for name in cells)
        return [{name: cells.get(name, "") for name in columns} for cells in grid.values()]

    def _kinds(self) -> list[dict[str, str]]:
        """What the combined result makes of each true kind, and of those only it reports."""
        names = {"ranking": "truth", "flagged": "truth", "reason": "result"}
        lines = [line for line in self.lines if line["set"] == COMBINED]
        values = {(x["what"], x[names[x["what"]]], x["metric"]): x["value"] for x in lines}
        flagged = [line for line in lines if line["what"] == "flagged" and line["truth"] != ANY]
        kinds = {line["truth"]: line["positives"] for line in flagged}
        pairs = [(kind, reported_kind(kind)) for kind in kinds]
        pairs += [("", x["result"]) for x in lines if x["metric"] == "precision" and not x["truth"]]

        def cells(columns: dict[str, tuple[str, str]], kind: str) -> dict[str, str]:
            keys = {heading: (what, kind, metric) for heading, (what, metric) in columns.items()}
            return {heading: _shown(values.get(key, math.nan)) for heading, key in keys.items()}

        return [
            {"kind": kind or "-", "rows": f"{kinds.get(kind, 0):,}", **cells(_RANKED, kind)}
            | {"reported as": name, **cells(_REPORTED, name)}
            for kind, name in pairs
        ]


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def evaluate(job: Job, truth_file: Path) -> Evaluation:
    """Compare what is in the workspace with a truth table, and write ``evaluation.csv``.

    Raises
    ------
    SourceError
        When the table cannot be used: `streamclust.sources.attributes.read_truth`.
    MemoryBudgetError
        When its columns do not fit the budget.
    SettingsError
        When there is nothing to compare.
    """
    workspace = job.workspace
    stored = job.chosen()
    n_rows = job.set(stored[0]).n_rows
    with job.step(STEP, None, evaluate_needs(truth_file, n_rows), n_rows):
        truth = read_truth(truth_file, n_rows, path_blocks(workspace))
        if truth.unmatched:
            job.events.warn(f"{truth_file.name}: {truth.unmatched:,} paths are not in this case")
        lines = [*_outliers(workspace, stored, truth), *_clusterings(workspace, stored, truth)]
        if not lines:
            raise SettingsError(
                f"nothing in {workspace.folder} can be compared with {truth_file}: that takes "
                "outlier scores and a column outlier_kind, or clusterings and attributes"
            )
        job.outputs.table(FILE, COLUMNS, map(_written, lines))
    return Evaluation(lines, len(truth.rows), truth.skipped)


def evaluate_needs(truth_file: Path, n_rows: int) -> list[Need]:
    """Memory of the truth as codes, and of what scikit-learn holds for one ranking."""
    compared = n_rows * RANKING_BYTES
    return [Need(fixed=64 * MIB + truth_bytes(truth_file, n_rows) + compared)]


def _written(line: dict[str, Any]) -> dict[str, Any]:
    value = line["value"]
    return {**line, "value": "" if math.isnan(value) else f"{value:.6f}"}


def _lines(scores: dict[str, float], *about: Any) -> Iterator[dict[str, Any]]:
    what, name, result, truth, rows, positives = about
    for metric, value in scores.items():
        yield dict(
            zip(COLUMNS, (what, name, result, truth, metric, value, rows, positives), strict=True)
        )


def _outliers(workspace: Workspace, stored: list[str], truth: Truth) -> Iterator[dict[str, Any]]:
    kinds = truth.outlier_kind
    if kinds is None or not kinds.values:
        return
    outliers = stored_outliers(workspace)
    flagged = None
    if outliers is not None:
        flagged = outliers.flagged[...][truth.rows]
        flagged |= ~np.isfinite(outliers.score[...][truth.rows])
    for name, result, score in _scores(workspace, outliers, stored, truth.rows):
        yield from _ranking(name, result, kinds.codes, kinds.values, score, flagged)
    if outliers is not None and flagged is not None:
        reported = outliers.kind[...][truth.rows]
        yield from _flagged(kinds.codes, kinds.values, flagged)
        yield from _reasons(kinds.codes, kinds.values, reported, outliers.kinds)


def _scores(
    workspace: Workspace, outliers: StoredOutliers | None, stored: list[str], rows: np.ndarray
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Every score there is: the combined one, each set's, and each set's measures."""
    if outliers is not None:
        yield COMBINED, "score", outliers.score[...][rows]
    for name in stored:
        of_set = SetOutliers(workspace, name)
        if not of_set.scores.exists:
            continue
        yield name, "score", of_set.scores.score[...][rows]
        for measure, values in of_set.scores.measures.items():
            yield name, measure, values[...][rows]
        if of_set.space.exists:
            yield name, "residual", of_set.space.residual[...][rows]


def _ranking(
    name: str,
    result: str,
    codes: np.ndarray,
    kinds: list[str],
    score: np.ndarray,
    flagged: np.ndarray | None,
) -> Iterator[dict[str, Any]]:
    is_outlier = codes >= 0
    about = ("ranking", name, result)
    n_flagged = None if flagged is None else int(flagged.sum())
    scores = ranking_scores(is_outlier, score, n_flagged)
    yield from _lines(scores, *about, ANY, len(codes), int(is_outlier.sum()))
    for code, kind in enumerate(kinds if result == "score" else ()):
        compared = ~is_outlier | (codes == code)
        of_kind = codes[compared] == code
        n_flagged = None if flagged is None else int(flagged[compared].sum())
        scores = ranking_scores(of_kind, score[compared], n_flagged)
        yield from _lines(scores, *about, kind, len(of_kind), int(of_kind.sum()))


def _flagged(codes: np.ndarray, kinds: list[str], flagged: np.ndarray) -> Iterator[dict[str, Any]]:
    about = ("flagged", COMBINED, "flagged")
    n_rows = len(codes)
    is_outlier = codes >= 0
    scores = precision_and_recall(is_outlier, flagged)
    yield from _lines(scores, *about, ANY, n_rows, int(is_outlier.sum()))
    for code, kind in enumerate(kinds):
        of_kind = codes == code
        recall = {"recall": precision_and_recall(of_kind, flagged)["recall"]}
        yield from _lines(recall, *about, kind, n_rows, int(of_kind.sum()))


def _reasons(
    codes: np.ndarray, kinds: list[str], reported: np.ndarray, names: list[str]
) -> Iterator[dict[str, Any]]:
    """Of each kind that the truth or the report knows, under the name of the report."""
    true_names = [reported_kind(kind) for kind in kinds]
    for name in sorted({*true_names, *names[1:]}):
        wanted = np.isin(codes, [code for code, kind in enumerate(true_names) if kind == name])
        found = np.isin(reported, [code for code, kind in enumerate(names) if kind == name])
        if not wanted.any() and not found.any():
            continue
        same = [kind for kind, true in zip(kinds, true_names, strict=True) if true == name]
        scores = precision_and_recall(wanted, found)
        positives = int(wanted.sum())
        yield from _lines(
            scores, "reason", COMBINED, name, " or ".join(same), len(codes), positives
        )


def _clusterings(workspace: Workspace, stored: list[str], truth: Truth) -> Iterator[dict[str, Any]]:
    for name, clustering in recommended_clusterings(workspace, stored).items():
        labels, k = clustering.labels[...][truth.rows], clustering.n_clusters
        for column, attribute in truth.attributes.items():
            table = count_pairs(attribute.codes, labels, (len(attribute.values), k))
            if table.any():
                about = ("clustering", name, clustering.name, column, int(table.sum()), "")
                yield from _lines(agreement(table), *about)
