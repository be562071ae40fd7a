"""Linear discriminant analysis: the axes along which a clustering's clusters lie farthest apart."""

import numpy as np

from streamclust.layouts.axes import OnAxes, projecting_needs
from streamclust.layouts.base import Fitted, Known
from streamclust.memory import Need
from streamclust.models.discriminant import discriminant_axes
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings


class LDA:
    """See `streamclust.models.discriminant`; rows in no cluster are placed like the others."""

    version = 1
    depends_on = ()
    of_clusters = True
    axis_name = "discriminant axis"

    def check(self, n_rows: int) -> None:
        """Whatever the rows, they have axes; those that they lack are 0."""

    def needs(self, name: str, rows: Rows, n_dimensions: int) -> list[Need]:
        return projecting_needs(name, rows, n_dimensions)

    def fit(
        self, rows: Rows, known: Known, n_dimensions: int, settings: Settings, passes: Passes
    ) -> Fitted:
        assert known.sizes is not None
        assert known.means is not None
        axes = discriminant_axes(known.sizes, known.means, known.scatter, n_dimensions)
        there = known.sizes > 0
        origin = np.average(known.means[there], axis=0, weights=known.sizes[there])
        return Fitted({"axes": axes, "origin": origin})

    def placement(self, fitted: Fitted) -> OnAxes:
        return OnAxes(fitted)


LAYOUT = LDA()
