"""The stored outliers of a case, as labelling reads them."""

from dataclasses import dataclass
from typing import Any

from streamclust.outliers import suspects
from streamclust.store.workspace import Workspace


@dataclass(frozen=True)
class StoredOutliers:
    """Scores, flags and kinds of rows."""

    node: Any

    @property
    def score(self) -> Any:
        return self.node["score"]

    @property
    def flagged(self) -> Any:
        return self.node["flagged"]

    @property
    def kind(self) -> Any:
        return self.node["kind"]

    @property
    def kinds(self) -> list[str]:
        return list(self.node.attrs["kinds"])

    @property
    def sets(self) -> list[str]:
        return list(self.node.attrs["sets"])

    @property
    def contamination(self) -> Any:
        return self.node.attrs.get("contamination")


def case_outliers(workspace: Workspace) -> StoredOutliers | None:
    """The outliers of a case, of whatever rows; None without any."""
    group = workspace.get(suspects.OUTLIERS)
    return None if group is None else StoredOutliers(group)


def stored_outliers(workspace: Workspace) -> StoredOutliers | None:
    """The outliers of a case; None without any, or where they are of other rows."""
    group = suspects.stored_outliers(workspace)
    return None if group is None else StoredOutliers(group)
