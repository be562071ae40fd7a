"""What was run on what, the table of the sets and those of their comparison, for the page."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamclust.choice import measured, stored_choice
from streamclust.comparison import ATTRIBUTES_FILE, COMPARISON_FILE, MIXING_FILE, compared_tables
from streamclust.images import stored_images
from streamclust.labelling import audited_accuracy
from streamclust.report.page import CLUSTERING_LINES, LINES
from streamclust.report.words import Words
from streamclust.steps import Job
from streamclust.store import (
    DescriptorSet,
    Line,
    StoredClustering,
    Workspace,
    flagged_rows,
    load_description,
    recommended_clusterings,
    stored_paths,
)

_SETS = (
    "set",
    "components",
    "algorithm",
    "n_clusters",
    "silhouette",
    "same_rows",
    "same_columns",
    "same_n_clusters",
    "same_silhouette_simplified",
    "same_davies_bouldin",
    "same_calinski_harabasz",
)
_MIXING = ("mixed_set", "measure", "attribute", "mixed", "best_set", "best", "gain")

_MADE_BY = ("run", "cluster", "mix")
_NONE: dict[str, Any] = {"name": "", "n_clusters": ""}
# A difference of readability that is worth a word.
_READS_BETTER = 0.02


def what_was_run(job: Job, sets: list[str], words: Words) -> list[tuple[str, str]]:
    """Term and description: rows, sets, settings."""
    described = [job.set(name) for name in sets]
    terms = [(words.told("folder"), str(job.workspace.folder.name))]
    n_rows = max(one.n_rows for one in described)
    terms.append((words.told("images"), words.told("rows", n=words.whole(n_rows))))
    n_mixed = sum("mixture" in one.source for one in described)
    made = words.told("mixed", n=n_mixed) if n_mixed else ""
    listed = f"{words.counted(len(sets), 'set')}{made}: {', '.join(sets)}"
    terms.append((words.told("sets"), listed))
    terms.append((words.told("pictures"), _pictures(job, words)))
    terms += _made_with(described, words)
    if record := _record(job.workspace):
        made_by = f"streamclust {record.get('streamclust')}, {record.get('started', '')[:10]}"
        terms.append((words.told("seed"), f"{record['settings'].get('random_state')}"))
        terms.append((words.told("made-by"), made_by))
    if flags := flagged_rows(job.workspace):
        share = flags["n_flagged"] / n_rows
        numbers = {"n": words.whole(flags["n_flagged"]), "share": words.percent(share)}
        flagged = words.told("flagged", **numbers, sets=", ".join(flags["sets"]))
        terms.append((words.told("outliers"), flagged))
    recommended = recommended_clusterings(job.workspace, sets).values()
    if audited := list(filter(None, (_audited(one, words) for one in recommended))):
        terms.append((words.told("accuracy"), "; ".join(audited)))
    return terms


def _audited(clustering: StoredClustering, words: Words) -> str:
    """How right the names of a clustering are, by audit; empty where that is not known."""
    accuracy = audited_accuracy(clustering)
    if accuracy is None:
        return ""
    shares = {key: words.percent(getattr(accuracy, key)) for key in ("estimate", "low", "high")}
    counts = {key: words.whole(getattr(accuracy, key)) for key in ("rows", "asked")}
    about = f"{clustering.set_name} {clustering.name}"
    return words.told("audited", clustering=about, **shares, **counts)


def about_set(job: Job, descriptor: str, words: Words) -> dict[str, Any]:
    """A set for the page: its line in the table, reasons and warnings of the choice, and the lines
    of its clusterings."""
    workspace = job.workspace
    described = job.set(descriptor)
    name, choice = stored_choice(workspace, descriptor)
    lines = measured(workspace, descriptor)
    about: dict[str, Any] = {
        "name": descriptor,
        "columns": _columns(described, words),
        "components": "",
        "recommended": name,
        "reasons": [reason.in_words(words.language) for reason in choice.reasons],
        "warnings": [warning.in_words(words.language) for warning in choice.warnings],
        "readability": math.nan,
        "best": _cells(next((line for line in lines if line["name"] == name), _NONE), words),
        "lines": [_cells(line, words) for line in lines[:CLUSTERING_LINES]],
    }
    if described.is_reduced:
        kept = float(described.explained_variance_ratio.sum())
        about["components"] = f"{described.reduced.shape[1]} ({words.percent(kept)})"
    for clustering in recommended_clusterings(workspace, [descriptor]).values():
        if description := load_description(clustering):
            about["readability"] = description.readability["readability"]
    return about


def easiest_to_read(sets: list[dict[str, Any]], words: Words) -> str:
    """Which sets' recommended clusters are told apart most easily; empty where that is not known
    of two sets."""
    known = [one for one in sets if one["readability"] == one["readability"]]
    if len(known) < 2:
        return ""
    known.sort(key=lambda one: -one["readability"])
    best = known[0]["readability"]
    names = [one["name"] for one in known if best - one["readability"] < _READS_BETTER]
    key = "readable-one" if len(names) == 1 else "readable-many"
    return words.told(key, names=", ".join(names), value=words.number(best))


def _columns(described: DescriptorSet, words: Words) -> str:
    """How many columns of which type, and how many rows are invalid, if any."""
    values = {
        "columns": words.whole(described.n_columns),
        "dtype": str(described.raw_dtype),
        "rows": words.whole(described.n_invalid),
    }
    if described.n_invalid:
        return words.told("invalid", **values)
    return f"{values['columns']}\N{NO-BREAK SPACE}{values['dtype']}"


def _cells(line: dict[str, Any], words: Words) -> dict[str, str]:
    """A line of the metrics as texts, empty where nothing is known."""
    numbers = ("silhouette", "silhouette_simplified", "davies_bouldin", "calinski_harabasz")
    shares = {name: f"{name}_cluster" for name in ("smallest", "largest")} | {"noise": "noise"}
    return {
        "name": line["name"],
        "n_clusters": str(line["n_clusters"]),
        **{name: words.number(line.get(name)) for name in (*numbers, "stability")},
        "separated": words.whole(line.get("separated")),
        **{name: words.percent(line.get(column)) for name, column in shares.items()},
    }


def _pictures(job: Job, words: Words) -> str:
    if stored_paths(job.workspace) is None:
        return words.told("no-paths")
    images = stored_images(job)
    if images is None:
        return words.told("no-images")
    return words.told("images-from", name=images.name)


def _record(workspace: Workspace) -> dict[str, Any]:
    """What run.json tells of the last command that clustered."""
    try:
        latest = json.loads((workspace.folder / "run.json").read_text(encoding="utf-8"))
        records = [latest, *reversed(latest.get("earlier", []))]
        made = (dict(one) for one in records if one["command"] in _MADE_BY)
        record = next(made, {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return record if isinstance(record.get("settings"), dict) else {}


def _made_with(sets: Sequence[DescriptorSet], words: Words) -> list[tuple[str, str]]:
    """How the rows of sets were prepared and clustered, by what is stored of them: no one command
    need have made all."""
    prepared = dict.fromkeys(_prepared(one, words) for one in sets if one.is_reduced)
    clusterings = [clustering for one in sets for clustering in one.clusterings]
    terms = [(words.told("prepared"), "; ".join(prepared))] if prepared else []
    if clusterings:
        algorithms = ", ".join(dict.fromkeys(one.algorithm for one in clusterings))
        ks = [clustering.n_clusters for clustering in clusterings]
        k = f"{min(ks)}" if min(ks) == max(ks) else f"{min(ks)}–{max(ks)}"
        how = words.told("how-clustered", algorithms=algorithms, k=k)
        terms.append((words.told("clustered"), how))
    return terms


def _prepared(stored: DescriptorSet, words: Words) -> str:
    components = stored.components
    kept = f"{stored.reduced.shape[1]}"
    if components.share is not None:
        kept = words.told("of-variance", share=words.percent(components.share))
    scaling = words.name(str(components.values["scaling"]))
    return str(words.told("how-prepared", scaling=scaling, components=kept))


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes
    ----------
    caption : str
    header : list of str
    lines : list of list of str
        The first cell of each names it.
    """

    caption: str
    header: list[str]
    lines: list[list[str]] = field(default_factory=list)


def comparison_tables(
    job: Job, chosen: Mapping[str, StoredClustering], words: Words
) -> list[Table]:
    """What the last comparison told; none without one.

    Parameters
    ----------
    job : Job
    chosen : mapping of str to StoredClustering
        The recommended clustering of each set: of the known attributes these are told.
    words : Words
    """
    stored, folder = compared_tables(job.workspace), job.workspace.folder
    if not stored.exists and (folder / COMPARISON_FILE).exists():
        job.events.warn(
            f"{COMPARISON_FILE} is of an earlier streamclust, and left out: run streamclust "
            f"compare {folder} again"
        )
    sets = _table(list(stored.lines(COMPARISON_FILE)), _SETS, "compared", words)
    mixing = _table(list(stored.lines(MIXING_FILE)), _MIXING, "mixing", words)
    known = _known_attributes(stored.lines(ATTRIBUTES_FILE), chosen, words)
    return [table for table in (sets, known, mixing) if table.lines]


def _table(lines: list[Line], wanted: Sequence[str], caption: str, words: Words) -> Table:
    there = [name for name in wanted if any(words.cell(line.get(name)) for line in lines)]
    cells = [[_table_cell(line, name, words) for name in there] for line in lines[:LINES]]
    return Table(words.told(caption), [words.name(name) for name in there], cells)


def _table_cell(line: Line, name: str, words: Words) -> str:
    cell = line[name]
    if name == "measure":
        cell = words.name(f"measure {cell}").removeprefix("measure ")
    return words.cell(cell)


def _known_attributes(
    lines: Iterable[Line], chosen: Mapping[str, StoredClustering], words: Words
) -> Table:
    """Adjusted mutual information of each set's recommended clustering with each attribute."""
    values: dict[str, dict[str, float]] = {}
    for line in lines:
        clustering = chosen.get(line["set"])
        if clustering is None or math.isnan(line["ami"]):
            continue
        own = clustering.algorithm, clustering.n_clusters
        if (line["algorithm"], line["n_clusters"]) == own:
            values.setdefault(clustering.set_name, {})[line["attribute"]] = line["ami"]
    names = list(dict.fromkeys(name for of_set in values.values() for name in of_set))[:LINES]
    return Table(
        words.told("known"),
        [words.name("set"), *map(words.cell, names)],
        [
            [one, *(words.cell(of_set.get(name)) for name in names)]
            for one, of_set in values.items()
        ],
    )
