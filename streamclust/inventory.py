"""What a results folder holds, as plain numbers and names."""

from typing import Any

from streamclust.steps.paths import PATH
from streamclust.steps.raw import raw_dtype
from streamclust.steps.suspects import flagged_rows
from streamclust.steps.tables import METRICS, choose, measured
from streamclust.workspace import FORMAT, Workspace


def inventory(workspace: Workspace) -> dict[str, Any]:
    """Describe a workspace so that JSON can write it."""
    paths = workspace.get(PATH)
    files = (path for path in workspace.store.rglob("*") if path.is_file())
    return {
        "folder": str(workspace.folder),
        "format": FORMAT,
        "bytes": sum(path.stat().st_size for path in files),
        "paths": None if paths is None else int(paths.shape[0]),
        "outliers": flagged_rows(workspace),
        "descriptors": {name: _descriptor(workspace, name) for name in workspace.descriptors},
    }


def _descriptor(workspace: Workspace, name: str) -> dict[str, Any]:
    group = workspace.root[f"descriptors/{name}"]
    about: dict[str, Any] = {
        "rows": group.attrs["n_rows"],
        "columns": group.attrs["n_columns"],
        "dtype": str(raw_dtype(workspace, name)),
        "n_invalid": group.attrs["n_invalid"],
        "source": group.attrs["source"],
    }
    if "reduced" not in group:
        return about
    pca = group["pca"]
    about["components"] = group["reduced"].shape[1]
    about["explained_variance"] = float(pca["explained_variance_ratio"][...].sum())
    about["reduction"] = {key: pca.attrs[key] for key in ("scaling", "whiten", "normalize")}
    clustering, choice = choose(workspace, name)
    about["recommended"] = clustering
    about["reasons"], about["warnings"] = choice.reasons, choice.warnings
    columns = [column for column in METRICS if column not in ("descriptor", "recommended")]
    about["clusterings"] = {
        line["name"]: {column: line[column] for column in columns}
        for line in measured(workspace, name)
    }
    unmeasured = set(workspace.clusterings(name)) - set(about["clusterings"])
    about["unmeasured"] = sorted(unmeasured)
    return about
