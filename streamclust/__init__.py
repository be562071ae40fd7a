"""Cluster image descriptors that do not fit in memory."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamclust._version import __version__

if TYPE_CHECKING:
    from streamclust.api.folders import open
    from streamclust.api.running import plan, run
    from streamclust.estimators.kmeans import StreamingKMeans
    from streamclust.estimators.knn_outliers import KNNOutlierDetector
    from streamclust.estimators.pca import IncrementalPCA
    from streamclust.results import Case

# Names are imported on first use: the command line answers --help without scikit-learn.
_HOMES = {
    "Case": "api",
    "IncrementalPCA": "estimators.pca",
    "KNNOutlierDetector": "estimators.knn_outliers",
    "StreamingKMeans": "estimators.kmeans",
    "open": "api",
    "plan": "api",
    "run": "api",
}

__all__ = [
    "Case",
    "IncrementalPCA",
    "KNNOutlierDetector",
    "StreamingKMeans",
    "__version__",
    "open",
    "plan",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
