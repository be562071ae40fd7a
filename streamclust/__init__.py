"""Cluster image descriptors that do not fit in memory."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamclust._version import __version__

if TYPE_CHECKING:
    from streamclust.api import Case, open, plan, run
    from streamclust.models.kmeans import StreamingKMeans
    from streamclust.models.knn_outliers import KNNOutlierDetector
    from streamclust.models.pca import IncrementalPCA

# Names are imported on first use: the command line answers --help without scikit-learn.
_HOMES = {
    "Case": "api",
    "IncrementalPCA": "models.pca",
    "KNNOutlierDetector": "models.knn_outliers",
    "StreamingKMeans": "models.kmeans",
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
