"""Linear discriminant analysis: the axes along which a clustering's clusters lie farthest apart."""

import numpy as np

from streamclust.layouts.axes import AxesLayout
from streamclust.layouts.base import Fitted, Known
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.reduction.discriminant import discriminant_axes
from streamclust.settings import Settings


class LDA(AxesLayout):
    """See `streamclust.reduction.discriminant`; rows in no cluster are placed like the others."""

    of_clusters = True
    axis_name = "discriminant axis"

    def fit(
        self, rows: Rows, known: Known, n_dimensions: int, settings: Settings, passes: Passes
    ) -> Fitted:
        assert known.sizes is not None
        assert known.means is not None
        axes = discriminant_axes(known.sizes, known.means, known.scatter, n_dimensions)
        there = known.sizes > 0
        origin = np.average(known.means[there], axis=0, weights=known.sizes[there])
        return Fitted({"axes": axes, "origin": origin})


LAYOUT = LDA()
