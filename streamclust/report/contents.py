"""What a results folder holds, as plain numbers and names, and a set in a line."""

from typing import Any

from streamclust.choice.tables import METRICS, choose, measured
from streamclust.store.descriptors import raw_dtype
from streamclust.store.images import stored_paths
from streamclust.store.outliers import flagged_rows
from streamclust.store.workspace import FORMAT, Workspace


def inventory(workspace: Workspace) -> dict[str, Any]:
    """Describe a workspace so that JSON can write it."""
    paths = stored_paths(workspace)
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
    about["reasons"] = list(map(str, choice.reasons))
    about["warnings"] = list(map(str, choice.warnings))
    columns = [column for column in METRICS if column not in ("set", "recommended")]
    about["clusterings"] = {
        line["name"]: {column: line[column] for column in columns}
        for line in measured(workspace, name)
    }
    unmeasured = set(workspace.clusterings(name)) - set(about["clusterings"])
    about["unmeasured"] = sorted(unmeasured)
    return about


def in_line(name: str, about: dict[str, Any]) -> dict[str, str]:
    """A set in a line: cells by their headings, empty where something is not known yet.

    Parameters
    ----------
    name : str
    about : dict
        What `inventory` tells of the set.
    """
    line = {
        "set": name,
        "recommended": about.get("recommended") or "none",
        "rows": f"{about['rows']:,}",
        "columns": str(about["columns"]),
    }
    line |= dict.fromkeys(("PCA", "variance", "CH", "DB", "simpl. silh.", "smallest"), "")
    if "components" in about:
        line["PCA"] = str(about["components"])
        line["variance"] = f"{about['explained_variance']:.1%}"
    scores = about.get("clusterings", {}).get(about.get("recommended"))
    if scores is not None:
        line["CH"] = f"{scores['calinski_harabasz']:,.0f}"
        line["DB"] = f"{scores['davies_bouldin']:.2f}"
        line["simpl. silh."] = f"{scores['silhouette_simplified']:.3f}"
        line["smallest"] = _share(scores["smallest_cluster"])
    return line


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 or share == 0 else "<0.1%"
