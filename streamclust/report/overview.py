"""What was run on what, and the table of the sets, in words and numbers for the page."""

import json
import math
from typing import Any

from streamclust.report.bounds import CLUSTERING_LINES
from streamclust.report.words import counted, number, percent, whole
from streamclust.steps.descriptions import load_description
from streamclust.steps.job import Job
from streamclust.steps.labelled import recommended
from streamclust.steps.paths import PATH
from streamclust.steps.raw import raw_dtype
from streamclust.steps.suspects import flagged_rows, stored_images
from streamclust.steps.tables import choose, measured
from streamclust.workspace import Workspace

_SCALINGS = {
    "none": "as they are",
    "center": "less their mean",
    "standard": "each column by its standard deviation",
    "l2": "each row to unit length",
}
_MADE_BY = ("run", "cluster", "mix")
_NONE: dict[str, Any] = {"name": "", "n_clusters": ""}
# A difference of readability that is worth a word.
_READS_BETTER = 0.02


def what_was_run(job: Job, sets: list[str]) -> list[tuple[str, str]]:
    """Term and description: rows, sets, settings."""
    root = job.workspace.root
    told = [("Results folder", str(job.workspace.folder.name))]
    rows = {root[f"descriptors/{name}"].attrs["n_rows"] for name in sets}
    told.append(("Images", f"{max(rows):,} rows of descriptors, one an image"))
    n_mixed = sum("mixture" in root[f"descriptors/{name}"].attrs["source"] for name in sets)
    made = f", {n_mixed} of them mixed of the others" if n_mixed else ""
    told.append(("Descriptor sets", f"{counted(len(sets), 'set')}{made}: {', '.join(sets)}"))
    told.append(("Pictures", _pictures(job)))
    if record := _record(job.workspace):
        told += _settings(record)
    if found := flagged_rows(job.workspace):
        share = found["n_flagged"] / max(rows)
        words = f"{found['n_flagged']:,} images flagged ({percent(share)})"
        told.append(("Outliers", f"{words}, by {', '.join(found['sets'])}"))
    return told


def about_set(job: Job, descriptor: str) -> dict[str, Any]:
    """A set for the page: its line in the table, reasons and warnings of the choice, and the lines
    of its clusterings."""
    workspace = job.workspace
    group = workspace.root[f"descriptors/{descriptor}"]
    name, choice = choose(workspace, descriptor)
    lines = measured(workspace, descriptor)
    about: dict[str, Any] = {
        "name": descriptor,
        "rows": f"{group.attrs['n_rows']:,}",
        "invalid": group.attrs["n_invalid"],
        "columns": f"{group.attrs['n_columns']:,}",
        "dtype": str(raw_dtype(workspace, descriptor)),
        "components": "",
        "recommended": name,
        "reasons": choice.reasons,
        "warnings": choice.warnings,
        "structure": choice.structure,
        "readability": math.nan,
        "best": _cells(next((line for line in lines if line["name"] == name), _NONE)),
        "lines": [_cells(line) for line in lines[:CLUSTERING_LINES]],
    }
    if "pca" in group:
        kept = float(group["pca/explained_variance_ratio"][...].sum())
        scaling = group["pca"].attrs["scaling"]
        about["components"] = f"{group['reduced'].shape[1]} ({percent(kept)})"
        about["scaling"] = _SCALINGS.get(scaling, scaling)
    for own in recommended(workspace, [descriptor]).values():
        if told := load_description(workspace, own):
            about["readability"] = told.readability["readability"]
    return about


def easiest_to_read(sets: list[dict[str, Any]]) -> str:
    """Which sets' recommended clusters are told apart most easily; empty where that is not known
    of two sets."""
    known = [one for one in sets if one["readability"] == one["readability"]]
    if len(known) < 2:
        return ""
    known.sort(key=lambda one: -one["readability"])
    best = known[0]["readability"]
    names = [one["name"] for one in known if best - one["readability"] < _READS_BETTER]
    ways = "has the clusters that are" if len(names) == 1 else "have the clusters that are"
    return f"{', '.join(names)} {ways} easiest to read (readability {best:.2f})."


def _cells(line: dict[str, Any]) -> dict[str, str]:
    """A line of the metrics as texts, empty where nothing is known."""
    numbers = ("silhouette", "silhouette_simplified", "davies_bouldin", "calinski_harabasz")
    shares = {name: f"{name}_cluster" for name in ("smallest", "largest")} | {"noise": "noise"}
    return {
        "name": line["name"],
        "n_clusters": str(line["n_clusters"]),
        **{name: number(line.get(name)) for name in (*numbers, "stability")},
        "separated": whole(line.get("separated")),
        **{name: percent(line.get(column)) for name, column in shares.items()},
    }


def _pictures(job: Job) -> str:
    if job.workspace.get(PATH) is None:
        return "no list of image paths was given: rows are told by their number"
    images = stored_images(job)
    if images is None:
        return "not there: the page shows paths only"
    return f"from {images.name}"


def _record(workspace: Workspace) -> dict[str, Any]:
    """What run.json tells of the last command that clustered."""
    try:
        latest = json.loads((workspace.folder / "run.json").read_text(encoding="utf-8"))
        records = [latest, *reversed(latest.get("earlier", []))]
        made = (dict(one) for one in records if one["command"] in _MADE_BY)
        found = next(made, {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found if isinstance(found.get("settings"), dict) else {}


def _settings(record: dict[str, Any]) -> list[tuple[str, str]]:
    settings = record["settings"]
    kept = settings.get("n_components")
    components = f"{percent(kept)} of the variance" if isinstance(kept, float) else f"{kept}"
    scaling = _SCALINGS.get(settings.get("scaling"), settings.get("scaling"))
    algorithms = ", ".join(settings.get("algorithms") or ())
    k = settings.get("n_clusters")
    asked = "as many as the indices call for" if k == "auto" else f"{k}"
    return [
        ("Prepared", f"scaled {scaling}, then principal components: {components}"),
        ("Clustered", f"by {algorithms}; number of clusters: {asked}"),
        ("Seed", f"{settings.get('random_state')}"),
        ("Made by", f"streamclust {record.get('streamclust')}, {record.get('started', '')[:10]}"),
    ]
