"""Pictures of results as PNG files: plain arrays in, one file out.

Drawn with matplotlib's objects on the Agg canvas, never with pyplot: no global state is read
or left behind, so figures can be drawn in any thread and look the same on every machine.
"""

from streamclust.figures.curves import metric_curves
from streamclust.figures.dendrogram import dendrogram
from streamclust.figures.density import density_map
from streamclust.figures.variance import variance_curve

__all__ = ["dendrogram", "density_map", "metric_curves", "variance_curve"]
