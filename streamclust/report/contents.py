"""What a results folder holds, as plain numbers and names, and a set in a line."""

from typing import Any

from streamclust.choice import METRICS, measured, stored_choice
from streamclust.store import (
    FORMAT,
    DescriptorSet,
    Workspace,
    descriptor_sets,
    flagged_rows,
    stored_paths,
)


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
        "descriptors": {one.name: _of_set(one) for one in descriptor_sets(workspace)},
    }


def _of_set(stored: DescriptorSet) -> dict[str, Any]:
    about: dict[str, Any] = {
        "rows": stored.n_rows,
        "columns": stored.n_columns,
        "dtype": str(stored.raw_dtype),
        "n_invalid": stored.n_invalid,
        "source": stored.source,
    }
    if stored.reduced is None:
        return about
    workspace, name, pca = stored.workspace, stored.name, stored.components
    about["components"] = stored.reduced.shape[1]
    about["explained_variance"] = float(pca.values["explained_variance_ratio"].sum())
    about["reduction"] = {"scaling": pca.values["scaling"], "whiten": pca.whiten}
    about["reduction"]["normalize"] = pca.normalize
    about["recommended"], choice = stored_choice(workspace, name)
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
