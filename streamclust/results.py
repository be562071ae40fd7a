"""What a results folder holds, as an object to read it by: tables, labels, pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamclust.errors import SettingsError
from streamclust.notebook import Picture, Pictures, stored_table, table_file
from streamclust.store import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import zarr

    from streamclust.store import StoredClustering

_ASSIGN = "streamclust assign OUT NEW --to OUT/new.csv"
_LABEL = "streamclust label OUT --names names.csv"
_AUDIT = "streamclust audit OUT --to audit.csv"
_OUTLIERS = "streamclust outliers OUT"


class Results:
    """A results folder that is read; a notebook shows it as a summary with maps.

    Parameters
    ----------
    out : path
        The results folder.

    Attributes
    ----------
    folder : Path
    store : zarr.Group
        All that was computed, as plain Zarr arrays.
    """

    def __init__(self, out: str | Path) -> None:
        self._workspace = Workspace(out)
        self.folder = self._workspace.folder

    @property
    def store(self) -> "zarr.Group":
        return self._workspace.read_only

    @property
    def descriptors(self) -> list[str]:
        """Names of the descriptor sets."""
        return self._workspace.descriptors

    @property
    def metrics(self) -> "pd.DataFrame":
        """One line a clustering, as metrics.csv."""
        from streamclust.choice import METRICS, metrics_table

        return _frame(metrics_table(self._workspace, self.descriptors), METRICS)

    @property
    def clusters(self) -> "pd.DataFrame":
        """One line a cluster, as clusters.csv."""
        from streamclust.choice import CLUSTERS, clusters_table

        return _frame(clusters_table(self._workspace, self.descriptors), CLUSTERS)

    descriptions = stored_table("describe", "descriptions.csv", "A line a cluster, in sentences.")
    readability = stored_table(
        "describe", "readability.csv", "How readable each set's clusters are."
    )
    comparison = stored_table("compare", "comparison.csv", "A line a set, side by side.")
    agreement = stored_table(
        "compare", "agreement.csv", "A line a pair of sets, or labels in a space."
    )
    attributes = stored_table("compare", "attributes.csv", "A line a clustering and attribute.")
    mixing = stored_table("compare", "mixing.csv", "What a mixture gains on the best of its sets.")
    outlier_table = table_file("outliers.csv", _OUTLIERS, "A line an outlier, by score.")
    outlier_reasons = table_file("outlier_reasons.csv", _OUTLIERS, "A line a reason of an outlier.")
    duplicates = table_file("duplicates.csv", _OUTLIERS, "A line an image that is there twice.")
    named = table_file("named.csv", _LABEL, "A line a row, by names.", numbers=("row", "outlier"))
    accuracy = table_file("accuracy.csv", _AUDIT, "How right names are, by audit, with intervals.")
    drift = table_file("drift.csv", _ASSIGN, "A line a cluster: its share before and now.")

    @property
    def figures(self) -> Pictures:
        """The files of ``figures/`` by name; see `figure`."""
        return Pictures(self.folder)

    def figure(self, name: str) -> Picture:
        """A picture of ``figures/``, such as ``"osnet-metrics"``, that shows itself in a notebook.

        Raises
        ------
        WorkspaceError
            When there is no such picture.
        """
        return self.figures.show(name)

    def cluster_images(
        self,
        set_name: str,
        cluster: int,
        kind: str = "typical",
        clustering: str | int | None = None,
    ) -> Picture:
        """Images of a described cluster on a sheet.

        Parameters
        ----------
        set_name : str
        cluster : int
        kind : {"typical", "varied", "borderline", "worst"}
        clustering : str or int, optional
            As for `labels`.

        Raises
        ------
        SettingsError
            When there is no such cluster, it is not described, or there are no images.
        """
        from streamclust.description import cluster_sheet
        from streamclust.passes import LocalExecutor
        from streamclust.settings import Settings
        from streamclust.steps import Job

        described = self._clustering(set_name, clustering)
        job = Job(self._workspace, Settings(), LocalExecutor(1))
        return Picture(*cluster_sheet(job, described, cluster, kind))

    def recommended(self, set_name: str) -> str | None:
        """Name of a set's recommended clustering, such as ``"kmeans-12"``."""
        from streamclust.choice import stored_choice

        return stored_choice(self._workspace, set_name)[0]

    def labels(self, set_name: str, clustering: str | int | None = None) -> "zarr.Array":
        """Labels of all rows, int32; those of the recommended clustering by default.

        Parameters
        ----------
        set_name : str
        clustering : str or int, optional
            A name such as ``"kmeans-12"`` or ``"hdbscan"``, a number of clusters, or an algorithm:
            see `streamclust.store.clusterings.find_clustering`.

        Raises
        ------
        SettingsError
            When there is no such set or clustering.
        """
        return self._clustering(set_name, clustering).label_array

    def _clustering(self, set_name: str, clustering: str | int | None) -> "StoredClustering":
        """A clustering of a set; the recommended one by default."""
        from streamclust.store import find_clustering

        if set_name not in self.descriptors:
            known = ", ".join(self.descriptors)
            raise SettingsError(f"no set {set_name!r} in {self.folder}: there are {known}")
        which = self.recommended(set_name) if clustering is None else clustering
        found = None if which is None else find_clustering(self._workspace, set_name, which)
        if found is None:
            raise SettingsError(
                f"{set_name} has no recommended clustering: run streamclust cluster first"
            )
        return found

    def info(self) -> dict[str, Any]:
        """What the folder holds, as plain numbers and names.

        Returns
        -------
        dict
            ``folder``, ``format``, ``bytes``, ``paths`` and, by name, ``descriptors``: rows,
            columns, type, invalid rows, components, clusterings with their scores, the recommended
            one.
        """
        from streamclust.report import inventory

        return inventory(self._workspace)

    def _repr_html_(self) -> str:
        from streamclust.notebook import case_html

        return case_html(self._workspace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({str(self.folder)!r}: {', '.join(self.descriptors) or 'empty'})"
        )


def _frame(lines: list[dict[str, Any]], columns: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(lines, columns=list(columns))
