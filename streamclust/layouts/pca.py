"""The leading principal components: the first columns of the reduced rows."""

import numpy as np

from streamclust.layouts.axes import AxesLayout
from streamclust.layouts.base import Fitted, Known
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.settings import Settings


class PCA(AxesLayout):
    """Reduced rows are principal components in order already; those that are lacking are 0."""

    of_clusters = False
    axis_name = "principal component"

    def fit(
        self, rows: Rows, known: Known, n_dimensions: int, settings: Settings, passes: Passes
    ) -> Fitted:
        axes = np.eye(rows.n_columns, n_dimensions)
        squares = np.diag(known.scatter)
        # Of rows that are all alike, nothing is shown by any axis.
        share = float(squares[:n_dimensions].sum() / max(squares.sum(), np.finfo(float).tiny))
        origin = np.zeros(rows.n_columns)
        return Fitted({"axes": axes, "origin": origin}, {"variance_share": share})


LAYOUT = PCA()
