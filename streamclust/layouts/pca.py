"""The leading principal components: the first columns of the reduced rows."""

import numpy as np

from streamclust.layouts.axes import OnAxes, projecting_needs
from streamclust.layouts.base import Fitted, Known
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings


class PCA:
    """Reduced rows are principal components in order already; those that are lacking are 0."""

    version = 1
    depends_on = ()
    of_clusters = False
    axis_name = "principal component"

    def check(self, n_rows: int) -> None:
        """Whatever the rows, they have components."""

    def needs(self, name: str, rows: Rows, n_dimensions: int) -> list[Need]:
        return projecting_needs(name, rows, n_dimensions)

    def fit(
        self, rows: Rows, known: Known, n_dimensions: int, settings: Settings, passes: Passes
    ) -> Fitted:
        axes = np.eye(rows.n_columns, n_dimensions)
        squares = np.diag(known.scatter)
        # Of rows that are all alike, nothing is shown by any axis.
        share = float(squares[:n_dimensions].sum() / max(squares.sum(), np.finfo(float).tiny))
        origin = np.zeros(rows.n_columns)
        return Fitted({"axes": axes, "origin": origin}, {"variance_share": share})

    def placement(self, fitted: Fitted) -> OnAxes:
        return OnAxes(fitted)


LAYOUT = PCA()
