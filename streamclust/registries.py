"""What can be added to streamclust, a file and a line here each: algorithms, layouts, outlier
measures and formats of descriptor files.

A line is a name, and where what is called so stands, as `pkgutil.resolve_name` takes it: a module,
which may bring heavy libraries, is imported when it is asked for.
"""

from functools import cache
from pkgutil import resolve_name
from typing import Any

# See docs/algorithms.md.
ALGORITHMS = {
    "kmeans": "streamclust.clustering.kmeans:KMeans",
    "minibatch-kmeans": "streamclust.clustering.kmeans:MiniBatchKMeans",
    "bisecting-kmeans": "streamclust.clustering.bisecting_kmeans:BisectingKMeans",
    "gaussian-mixture": "streamclust.clustering.gaussian_mixture:GaussianMixture",
    "ward": "streamclust.clustering.ward:Ward",
    "birch": "streamclust.clustering.birch:Birch",
    "hdbscan": "streamclust.clustering.hdbscan:HDBSCAN",
    "spectral": "streamclust.clustering.spectral:SpectralClustering",
}
# See docs/layouts.md.
LAYOUTS = {
    "pca": "streamclust.layouts.linear:PCA",
    "lda": "streamclust.layouts.linear:LDA",
    "umap": "streamclust.layouts.umap:UMAP",
}
# See docs/outliers.md. In the order that they are taken in: a measure reads columns of those
# before it.
OUTLIER_MEASURES = {
    "reference": "streamclust.outliers.measures.reference:Reference",
    "mahalanobis": "streamclust.outliers.measures.mahalanobis:Mahalanobis",
    "residual": "streamclust.outliers.measures.mahalanobis:Residual",
    "neighbor_distance": "streamclust.outliers.measures.neighbors:NeighborDistance",
    "lof": "streamclust.outliers.measures.neighbors:LOF",
    "micro_cluster": "streamclust.outliers.measures.reference:MicroCluster",
}
# See docs/sources.md. Files are looked at in this order.
FORMATS = {
    "npy": "streamclust.sources.npy_files",
    "pickle": "streamclust.sources.pickle_files",
}


@cache
def instance_of(place: str) -> Any:
    """The one instance there is of the class at a place."""
    return resolve_name(place)()
