"""What can be added to streamclust, a file and a line here each: algorithms, layouts, outlier
measures, formats of descriptor files, and formats that labels are exported in.

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
    "npy": "streamclust.sources.formats.npy_files",
    "npz": "streamclust.sources.formats.npz_files",
    "parquet": "streamclust.sources.formats.arrow.parquet_files",
    "arrow": "streamclust.sources.formats.arrow.arrow_files",
    "zarr": "streamclust.sources.formats.zarr_arrays",
    "hdf5": "streamclust.sources.formats.hdf5_files",
    "torch": "streamclust.sources.formats.torch_files",
    "safetensors": "streamclust.sources.formats.safetensors_files",
    "vecs": "streamclust.sources.formats.vecs_files",
    "joblib": "streamclust.sources.formats.joblib_files",
    "pickle": "streamclust.sources.formats.pickle_files",
    "packed": "streamclust.sources.formats.packed_files",
    "csv": "streamclust.sources.formats.csv_files",
}
# See docs/labels.md. Where none is named, the first one with the ending of the file is taken.
EXPORTS = {
    "csv": "streamclust.labelling.exports.tables:CSV",
    "parquet": "streamclust.labelling.exports.tables:Parquet",
    "json": "streamclust.labelling.exports.tables:JSON",
    "jsonl": "streamclust.labelling.exports.tables:JSONLines",
    "coco": "streamclust.labelling.exports.coco:COCO",
    "fiftyone": "streamclust.labelling.exports.fiftyone:FiftyOne",
    "cvat": "streamclust.labelling.exports.cvat:CVAT",
    "label-studio": "streamclust.labelling.exports.label_studio:LabelStudio",
    "folders": "streamclust.labelling.exports.folders:Folders",
    "huggingface": "streamclust.labelling.exports.huggingface:ImageFolder",
}


@cache
def instance_of(place: str) -> Any:
    """The one instance there is of the class at a place."""
    return resolve_name(place)()
